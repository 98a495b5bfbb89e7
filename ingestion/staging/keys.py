"""The one gate that a key passes before it becomes a path or an object's name. Keys are of our own making."""

import re
from typing import Final

from ingestion.staging.base import StagingError

SEGMENT: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._=+@-]*")
LONGEST: Final = 900  # S3 allows 1,024 bytes, of which the store's prefix takes some
LONGEST_SEGMENT: Final = 200  # file systems allow 255


def checked_key(key: str) -> str:
    """The key itself. Raises StagingError for one that could name anything outside the store."""
    segments = key.split("/")
    fine = all(SEGMENT.fullmatch(segment) and len(segment) <= LONGEST_SEGMENT for segment in segments)
    if not fine or len(key) > LONGEST:
        raise StagingError(
            f"A staged object cannot be named {key[:120]!r}: keys are words of letters, digits and . _ = + @ - "
            "between slashes, and none begins with a dot.",
            advice="This is a fault of the program: report it with the task's page.",
        )
    return key


def checked_prefix(prefix: str) -> str:
    """A prefix to list: the beginning of a key, or nothing."""
    whole, slash, begun = prefix.rpartition("/")
    if slash:
        checked_key(whole)
    if begun:
        checked_key(begun)
    return prefix
