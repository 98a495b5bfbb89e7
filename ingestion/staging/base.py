"""The staging store's interface: immutable objects under keys of our own making. Knows no backend."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Protocol

from ingestion.errors import IngestionError, TransientError


class StagingError(IngestionError):
    """The store refused for good: no such bucket, no right, a key of the wrong form."""

    fault = "config"


class StagingUnavailable(TransientError):
    """The store did not answer, or answered that it is busy."""


class ObjectMissing(IngestionError):
    """A named object is not there, or is not what it was when it was written."""

    fault = "data"


class ObjectExists(StagingError):
    """A different object stands under that key already: keys are written once."""


@dataclass(frozen=True, kw_only=True)
class StoredObject:
    """`written_at` is by the store's own clock."""

    key: str
    size: int
    written_at: datetime | None = field(default=None, compare=False)


class StagingStore(Protocol):
    """Objects are written once and never overwritten; a put is visible whole or not at all."""

    def put(self, key: str, source: Path, *, sha256: str) -> None:
        """Store a file under `key` with its checksum. Putting the same bytes again is a no-op (a put that timed out
        but succeeded); other bytes raise ObjectExists. Raises StagingUnavailable, DiskFull, StagingError."""
        ...

    def take(self, key: str, source: Path, *, sha256: str) -> None:
        """Like `put`, of a file that the caller has just written and hashed itself and will not change any more: the
        store may keep the file as it is. The caller removes its own name for it."""
        ...

    def put_bytes(self, key: str, data: bytes) -> None: ...

    def open(self, key: str) -> IO[bytes]:
        """A binary stream of the whole object. Raises ObjectMissing, StagingUnavailable."""
        ...

    def fetch(self, key: str, target: Path) -> Path:
        """A local file with the object's bytes: `target`, or the store's own file where it has one. Read only."""
        ...

    def list(self, prefix: str) -> Iterator[StoredObject]: ...

    def delete(self, key: str) -> None:
        """Remove an object; one that is not there is no error."""
        ...

    def delete_many(self, keys: Sequence[str]) -> None:
        """Remove objects, in as few requests as the store allows. Some may be gone when it raises."""
        ...

    def drop_unfinished(self, *, before: datetime, dry_run: bool = False) -> int:
        """Free what uploads hold that were begun before then and never ended; answers how many."""
        ...

    def presigned(self, key: str, *, seconds: int, filename: str) -> str | None:
        """An address under which anybody may download the object for so long; None where the store gives none out."""
        ...

    def uri(self, key: str) -> str:
        """The address that goes into a manifest: `s3://bucket/key` or `file:///…`."""
        ...
