"""Files of a batch that come in one piece: a second one of the same path takes the first one's place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F
from django.db.models.functions import Now

from ingestion.access.caller import Caller
from ingestion.models import Batch, BatchFile, Piece
from ingestion.refusals import Refused, Why
from ingestion.uploads.finding import named, there
from ingestion.uploads.limits import must_have_room
from ingestion.uploads.naming import checked_path
from ingestion.uploads.spooling import Stored, discard
from ingestion.uploads.statements import batch_for_file, locked_batch

AT_ONCE: Final = 3  # how often an upload meets another one of the same new path before it gives way


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where an upload goes: found before its body is read, so that what cannot be taken is refused at once."""

    batch: Batch
    path: str
    file_id: int | None  # of a file of this path that is there already


@dataclass(frozen=True, kw_only=True)
class FileFacts:
    """A file as its client sees it."""

    path: str
    size: int


def are_kept(file: BatchFile, pieces: Iterable[Piece]) -> bool:
    """Are all bytes of a whole file still in the store? The janitor removes them some days after its batch ended."""
    return not file.size or sum(piece.last - piece.first + 1 for piece in pieces) == file.size


def kept_how_long() -> str:
    """What people are told of it."""
    days = settings.KEEP_STAGED_DAYS
    return (
        f"What was uploaded is kept for {days} days after a batch has ended; of an aborted one it is removed at once."
    )


def place_for(caller: Caller, batch_id: str, dataset_id: str, path: str) -> Place:
    """Raises Refused: MISSING, INVALID for the path, CONFLICT when the batch takes no more files."""
    name = checked_path(path)
    batch = there(batch_for_file(caller, named(batch_id), name), batch_id, dataset_id)
    file_id: int | None = batch.known_file  # type: ignore[attr-defined]
    must_have_room(batch, files=1 if file_id is None else 0)
    return Place(batch=batch, path=name, file_id=file_id)


def put(place: Place, upload: Stored) -> FileFacts:
    """Make an upload a file of its batch. Raises Refused when the batch has been completed or given up meanwhile, or is
    full; the object is discarded then."""
    try:
        for _ in range(AT_ONCE):
            try:
                _keep(place, upload)
            except IntegrityError:  # another upload of the same new path was faster
                place = seen_again(place)
            else:
                return FileFacts(path=place.path, size=upload.size)
        raise Refused(Why.BUSY, f"“{place.path}” is being sent several times at once.", retry_after=1)
    except Refused:  # and no other error: after that of a commit, the row may well be there
        if upload.size:
            discard(upload.key)
        raise


@transaction.atomic
def _keep(place: Place, upload: Stored) -> None:
    batch = locked_batch(place.batch.pk)
    if place.file_id is None:
        must_have_room(batch, files=1, size=upload.size)
        file = BatchFile.objects.create(batch=batch, path=place.path, ordinal=batch.files_left, **_whole(upload))
        grow(place, files=1, size=upload.size)
    else:
        file = BatchFile.objects.get(pk=place.file_id)
        must_have_room(batch, size=upload.size - file.size)
        empty(file)
        BatchFile.objects.filter(pk=file.pk).update(updated_at=Now(), **_whole(upload))
        grow(place, size=upload.size - file.size)
    if upload.size:
        last = upload.size - 1
        Piece.objects.create(file=file, first=0, last=last, key=upload.key, sha256=upload.sha256)


def grow(place: Place, *, files: int = 0, size: int = 0) -> None:
    """Count files and bytes on the batch, and note that its client is alive. Call with its row locked."""
    Batch.objects.filter(pk=place.batch.pk).update(
        files_left=F("files_left") + files, input_size=F("input_size") + size, touched_at=Now()
    )


def empty(file: BatchFile) -> None:
    """Take a file's pieces away, to be deleted by the janitor. Call with its batch locked."""
    discard(*file.pieces.values_list("key", flat=True))
    file.pieces.all().delete()


def _whole(upload: Stored) -> dict[str, object]:
    return {"is_large": False, "is_complete": True, "total": None, "size": upload.size, "sha256": upload.sha256}


def seen_again(place: Place) -> Place:
    known = BatchFile.objects.filter(batch=place.batch, path=place.path).values_list("pk", flat=True).first()
    return Place(batch=place.batch, path=place.path, file_id=known)
