"""From a stream of blocks to an object in the store, hashed on its way and never whole in memory."""

from __future__ import annotations

import errno
import hashlib
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from django.conf import settings

from ingestion.errors import DiskFull
from ingestion.models import Batch, Discarded
from ingestion.rooms import store
from ingestion.uploads.checksums import Checksums

SMALL: Final = 64 << 10  # up to here a body stays in memory


@dataclass(frozen=True, kw_only=True)
class Stored:
    """An upload's bytes in the store, which no row names yet. An empty upload has no object."""

    key: str
    size: int
    sha256: str


def stored(batch: Batch, blocks: Iterable[bytes], checksums: Checksums) -> Stored:
    """Put a body into the store under a key of its own. Raises what reading it raises, Refused for a wrong checksum,
    DiskFull, and what the store raises; then nothing of it is left."""
    key = f"{batch.organisation}/{batch.sandbox}/{batch.dataset.public_id}/{batch.public_id}/{uuid.uuid4().hex}"
    digest, start, source = hashlib.sha256(), bytearray(), iter(blocks)
    for block in source:
        digest.update(block)
        checksums.update(block)
        start += block
        if len(start) > SMALL:
            break
    else:
        checksums.verify(digest.hexdigest())
        if start:
            store().put_bytes(key, bytes(start))
        return Stored(key=key, size=len(start), sha256=digest.hexdigest())
    with _spool() as file:
        file.write(start)
        size = len(start)
        for block in source:
            digest.update(block)
            checksums.update(block)
            size += file.write(block)
        file.flush()
        checksums.verify(digest.hexdigest())
        store().take(key, Path(file.name), sha256=digest.hexdigest())
    return Stored(key=key, size=size, sha256=digest.hexdigest())


def discard(*keys: str) -> None:
    """Have the janitor delete objects that no row names."""
    Discarded.objects.bulk_create(Discarded(key=key) for key in keys)


@contextmanager
def _spool() -> Iterator[IO[bytes]]:
    """A file on the scratch disk that is gone afterwards, however it went."""
    folder: Path = settings.SCRATCH_DIR / "uploads"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / uuid.uuid4().hex
    try:
        with path.open("xb") as file:
            yield file
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        advice = "Free space on the disk of HEADGATE_SCRATCH; the client may send the file again."
        raise DiskFull("There is no room to take the upload.", advice=advice) from error
    finally:
        path.unlink(missing_ok=True)
