"""What the verbs behind the batch API refuse, in words for the caller. Knows nothing of HTTP."""

from __future__ import annotations

from enum import StrEnum


class Why(StrEnum):
    """The kinds of refusal. None of them changes anything."""

    INVALID = "invalid"  # the request cannot be understood, or asks for something impossible
    MISSING = "missing"  # what it names is not there, or is another tenant's
    CONFLICT = "conflict"  # it contradicts what is there
    BUSY = "busy"  # the same request is being answered at this moment
    STATE = "state"  # not in this status
    TOO_LARGE = "too_large"
    REUSED = "reused"  # an idempotency key that was used for something else


class Refused(Exception):
    """A request that is turned down. `code` is one that clients know (ERR-BI-nnn), where there is one."""

    def __init__(self, why: Why, message: str, *, code: str = "", retry_after: int | None = None) -> None:
        super().__init__(message)
        self.why = why
        self.message = message
        self.code = code
        self.retry_after = retry_after


def shown(text: str, *, longest: int = 80) -> str:
    """What a caller sent, fit for a message and a log: cut short, and without characters that are not to be seen."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text[:longest])
