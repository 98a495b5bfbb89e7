"""A folder as the staging store. An object is linked into place when it is whole and on disk, never renamed over."""

import errno
import hashlib
import io
import os
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final

from ingestion.errors import DiskFull
from ingestion.staging.base import ObjectExists, ObjectMissing, StagingError, StagingUnavailable, StoredObject
from ingestion.staging.keys import checked_key, checked_prefix

INCOMING: Final = ".incoming"  # no key begins with a dot
BLOCK: Final = 1 << 20
FULL: Final = (errno.ENOSPC, errno.EDQUOT)
REFUSED: Final = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG)
ABANDONED_SECONDS: Final = 24 * 3600.0


class LocalStore:
    """See `base.StagingStore`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._swept = False

    def put(self, key: str, source: Path, *, sha256: str) -> None:
        target = self._path(key)
        with _explained(key), source.open("rb") as stream:
            self._store(target, stream, key, sha256)

    def take(self, key: str, source: Path, *, sha256: str) -> None:
        target = self._path(key)
        try:
            with _explained(key), _only_once(key, target, sha256), source.open("rb") as stream:
                os.fsync(stream.fileno())
                _link(source, target)
        except StagingUnavailable as error:
            if not isinstance(error.__cause__, OSError) or error.__cause__.errno != errno.EXDEV:
                raise
            self.put(key, source, sha256=sha256)  # on another disk

    def put_bytes(self, key: str, data: bytes) -> None:
        target = self._path(key)
        with _explained(key):
            self._store(target, io.BytesIO(data), key, hashlib.sha256(data).hexdigest())

    def open(self, key: str) -> IO[bytes]:
        with _explained(key):
            return self._path(key).open("rb")

    def fetch(self, key: str, target: Path) -> Path:
        path = self._path(key)
        if not path.is_file():
            raise _missing(key)
        return path

    def list(self, prefix: str) -> Iterator[StoredObject]:
        checked_prefix(prefix)
        start = self.root / prefix.rpartition("/")[0]
        for folder, folders, files in os.walk(start):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(files):
                path = Path(folder, name)
                key = path.relative_to(self.root).as_posix()
                fits = key.startswith(prefix) and not name.startswith(".")
                if fits and (facts := _facts(path)):
                    written_at = datetime.fromtimestamp(max(facts.st_mtime, facts.st_ctime), UTC)
                    yield StoredObject(key=key, size=facts.st_size, written_at=written_at)

    def delete(self, key: str) -> None:
        path = self._path(key)
        with _explained(key):
            path.unlink(missing_ok=True)
        for folder in path.parents:
            if folder == self.root or not _removed_when_empty(folder):
                return

    def delete_many(self, keys: Sequence[str]) -> None:
        for key in keys:
            self.delete(key)

    def drop_unfinished(self, *, before: datetime, dry_run: bool = False) -> int:
        return _sweep(self.root / INCOMING, before=before.timestamp(), dry_run=dry_run)

    def presigned(self, key: str, *, seconds: int, filename: str) -> str | None:
        self._path(key)
        return None

    def uri(self, key: str) -> str:
        return self._path(key).as_uri()

    def _path(self, key: str) -> Path:
        return self.root / checked_key(key)

    def _store(self, target: Path, source: IO[bytes], key: str, sha256: str) -> None:
        incoming = self._incoming()
        try:
            written = _copy(source, incoming)
            if written != sha256:
                raise _changed(key)
            with _only_once(key, target, sha256):
                _link(incoming, target)
        finally:
            incoming.unlink(missing_ok=True)

    def _incoming(self) -> Path:
        folder = self.root / INCOMING
        folder.mkdir(parents=True, exist_ok=True)
        if not self._swept:
            _sweep(folder, before=time.time() - ABANDONED_SECONDS)
            self._swept = True
        return folder / uuid.uuid4().hex


@contextmanager
def _only_once(key: str, target: Path, sha256: str) -> Iterator[None]:
    """A name that is taken is fine where the same bytes stand under it."""
    try:
        yield
    except FileExistsError as error:
        with target.open("rb") as present:
            if hashlib.file_digest(present, "sha256").hexdigest() != sha256:
                raise ObjectExists(
                    f"A different file is staged as {key} already; staged files are never overwritten.",
                    advice="Retry the task: a new attempt writes under a name of its own.",
                ) from error


def _copy(source: IO[bytes], target: Path) -> str:
    """Copy to a new file and make it durable; answers its sha256."""
    digest = hashlib.sha256()
    with target.open("xb") as stream:
        while block := source.read(BLOCK):
            digest.update(block)
            stream.write(block)
        stream.flush()
        os.fsync(stream.fileno())
    return digest.hexdigest()


def _link(incoming: Path, target: Path) -> None:
    """Give a whole file its name. Raises FileExistsError when the name is taken: a rename would overwrite it."""
    for last in (False, False, True):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(incoming, target)
        except FileNotFoundError:  # a delete beside us has just removed the empty folder
            if last:
                raise
        else:
            return _sync_folder(target.parent)
    return None


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _removed_when_empty(folder: Path) -> bool:
    try:
        folder.rmdir()
    except OSError:  # not empty, or gone already
        return False
    return True


def _facts(path: Path) -> os.stat_result | None:
    """None where another process has just removed it."""
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _sweep(folder: Path, *, before: float, dry_run: bool = False) -> int:
    """Remove what processes that died left half-written; answers how many files."""
    left = [path for path in folder.glob("*") if (facts := _facts(path)) and facts.st_mtime < before]
    for path in left if not dry_run else ():
        path.unlink(missing_ok=True)
    return len(left)


@contextmanager
def _explained(key: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise _missing(key) from error
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        if error.errno in FULL:
            advice = "Make room on the disk of STAGING_URL; it is tried again."
            raise DiskFull(f"There is no room to stage {key}: {reason}.", advice=advice) from error
        if error.errno in REFUSED:
            advice = "Give this program's user the right to write in the folder of STAGING_URL."
            raise StagingError(f"The staging folder refused {key}: {reason}.", advice=advice) from error
        advice = "Nothing needs to be done: it is tried again."
        raise StagingUnavailable(f"The staging folder failed at {key}: {reason}.", advice=advice) from error


def _missing(key: str) -> ObjectMissing:
    return ObjectMissing(
        f"The staged file {key} is not there.",
        advice="It may have been removed by hand or by its retention. Start the run again with everything extracted.",
    )


def _changed(key: str) -> ObjectMissing:
    return ObjectMissing(
        f"The file to be staged as {key} is not what it was when it was made: its checksum differs.",
        advice="Retry the task: the file is made again. If it happens again, check this machine's disk.",
    )
