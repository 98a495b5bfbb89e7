"""Bodies of requests as streams: with a Content-Length or in chunks, never longer than allowed, never cut unseen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from django.http import HttpRequest

from ingestion.api.problems import Problem
from ingestion.refusals import Refused, Why, shown

BLOCK: Final = 1 << 20  # as much as gunicorn takes from a socket at once
DOCUMENT_LIMIT: Final = 5 << 20  # bytes of a JSON body
DEEPEST: Final = 150  # a schema's fields, 60 deep, take two levels each
UNSENDABLE: Final = (
    "The request's body did not arrive whole: {seen:,} bytes of {said}. Nothing was stored; send it again."
)


class Body:
    """The body of one request. Iterate once: blocks of bytes, whose count is `seen`.

    Raises Refused: too large (as soon as that is known), or not as long as its Content-Length says. Problem, 415, where
    it is compressed on its way.
    """

    def __init__(self, request: HttpRequest, *, limit: int, what: str) -> None:
        self.request, self.limit, self.what = request, limit, what
        self.seen = 0
        _refuse_encoded(request)
        self.length = _length(request)
        if self.length is not None and self.length > limit:
            raise self._too_large()

    def __iter__(self) -> Iterator[bytes]:
        try:
            for block in self._terminated() if self.length is None else self._counted(self.length):
                self.seen += len(block)
                if self.seen > self.limit:
                    raise self._too_large()
                yield block
        except OSError as error:  # the connection broke, or its chunks do not add up
            said = "an unknown number" if self.length is None else f"{self.length:,}"
            raise Refused(Why.INVALID, UNSENDABLE.format(seen=self.seen, said=said)) from error

    def read(self) -> bytes:
        return b"".join(self)

    def _terminated(self) -> Iterator[bytes]:
        """A body in chunks, which Django itself would take for an empty one: the server says where it ends."""
        source = self.request.META["wsgi.input"]
        while block := source.read(BLOCK):
            yield block

    def _counted(self, length: int) -> Iterator[bytes]:
        left = length
        while left and (block := self.request.read(min(left, BLOCK))):
            left -= len(block)
            yield block
        if left:
            raise Refused(Why.INVALID, UNSENDABLE.format(seen=self.seen, said=f"{length:,}"))
        if self._goes_on():
            said = f"The request's body is longer than its Content-Length of {length:,} bytes. Nothing was stored."
            raise Refused(Why.INVALID, said)

    def _goes_on(self) -> bool:
        """Whether bytes follow that Content-Length does not count; to be asked only of a server that marks the end."""
        return bool(self.request.META.get("wsgi.input_terminated") and self.request.META["wsgi.input"].read(1))

    def _too_large(self) -> Refused:
        return Refused(Why.TOO_LARGE, f"{self.what} may have {self.limit:,} bytes at most; this one has more.")


def _refuse_encoded(request: HttpRequest) -> None:
    told = str(request.META.get("HTTP_CONTENT_ENCODING", "")).strip()
    if told.lower() not in ("", "identity"):
        said = f"A body with Content-Encoding: {shown(told)} cannot be taken. Send it as it is, uncompressed."
        raise Problem(415, said, headers={"Accept-Encoding": "identity"})


def _length(request: HttpRequest) -> int | None:
    """What Content-Length says; none for a body in chunks."""
    said = str(request.META.get("CONTENT_LENGTH") or "").strip()
    chunked = "chunked" in str(request.META.get("HTTP_TRANSFER_ENCODING", "")).lower()
    if said and not chunked:
        if not (said.isascii() and said.isdigit() and len(said) < 19):
            raise Refused(Why.INVALID, "The header Content-Length must be a number of bytes.")
        return int(said)
    if request.META.get("wsgi.input_terminated"):
        return None
    if chunked:
        raise Refused(Why.INVALID, "This server does not take bodies in chunks: send a Content-Length.")
    return 0


def document(request: HttpRequest) -> dict[str, Any]:
    """The JSON object that a request brings, whatever Content-Type it gives it. Raises Refused."""
    found = parsed(request)
    if not isinstance(found, dict):
        raise Refused(Why.INVALID, "The body must be a JSON object: {…}.")
    return found


def parsed(request: HttpRequest) -> Any:
    """The JSON that a request brings, of whatever kind. Raises Refused."""
    if str(request.META.get("CONTENT_TYPE", "")).lower().startswith("multipart/"):
        raise Refused(Why.INVALID, "A valid content-type must be specified: send the JSON itself, not a form.")
    raw = Body(request, limit=DOCUMENT_LIMIT, what="A JSON body").read()
    try:
        found = json.loads(raw.decode("utf-8-sig"), parse_constant=_no_number)
        json.dumps(found, ensure_ascii=False, allow_nan=False).encode()  # a lone surrogate or 1e999 cannot be stored
    except (ValueError, RecursionError) as error:
        said = f"The body is not JSON that can be read: {_reason(error)}."
        raise Refused(Why.INVALID, said) from error
    if is_deep(found):
        raise Refused(Why.INVALID, f"The body is nested more than {DEEPEST} deep.")
    if b"\\u0000" in raw and _holds_nul(found):
        raise Refused(Why.INVALID, "The body holds the character U+0000, which cannot be stored.")
    return found


def is_deep(value: Any) -> bool:
    """Whether it is nested more than is good for whatever walks through it later."""
    level = [value]
    for _ in range(DEEPEST):
        inner = [list(each.values()) if isinstance(each, dict) else each for each in level]
        level = [each for some in inner if isinstance(some, list) for each in some if isinstance(each, dict | list)]
        if not level:
            return False
    return True


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} in line {error.lineno}, column {error.colno}"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return "it is not UTF-8 text" if isinstance(error, UnicodeError) else str(error)[:100]


def _holds_nul(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_holds_nul(item) for pair in value.items() for item in pair)
    if isinstance(value, list):
        return any(_holds_nul(item) for item in value)
    return isinstance(value, str) and "\0" in value
