"""Large files: begun, sent in chunks in any order and side by side, completed when the chunks make a whole.

Nothing is stitched together: a file is its pieces in the order of their bytes.
"""

from __future__ import annotations

from django.db import IntegrityError, transaction
from django.db.models import F, Max
from django.db.models.functions import Now

from ingestion.access.caller import Caller
from ingestion.models import BatchFile, Piece
from ingestion.refusals import Refused, Why
from ingestion.uploads.files import FileFacts, Place, empty, grow, place_for, seen_again
from ingestion.uploads.finding import batches_of, must_take_files, the_batch
from ingestion.uploads.limits import must_have_room
from ingestion.uploads.naming import checked_path
from ingestion.uploads.ranges import ContentRange, Span, merged, must_cover
from ingestion.uploads.spooling import Stored, discard
from ingestion.uploads.statements import locked_batch


def initialize(place: Place) -> FileFacts:
    """Begin a large file, or begin it anew: what was sent under its path is forgotten. Raises Refused."""
    try:
        _begin(place)
    except IntegrityError:  # another request has begun this very file beside us
        _begin(seen_again(place))
    return FileFacts(path=place.path, size=0)


@transaction.atomic
def _begin(place: Place) -> None:
    batch = locked_batch(place.batch.pk)
    fresh = {"is_large": True, "is_complete": False, "total": None, "size": 0, "sha256": ""}
    if place.file_id is None:
        must_have_room(batch, files=1)
        BatchFile.objects.create(batch=batch, path=place.path, ordinal=batch.files_left, **fresh)
        return grow(place, files=1)
    must_have_room(batch)
    file = BatchFile.objects.get(pk=place.file_id)
    empty(file)
    BatchFile.objects.filter(pk=file.pk).update(updated_at=Now(), **fresh)
    return grow(place, size=-file.size)


def place_of_chunk(caller: Caller, batch_id: str, dataset_id: str, path: str, chunk: ContentRange) -> Place:
    """Where a chunk goes. Raises Refused, before its body is read: MISSING for a file that was not begun."""
    place = place_for(caller, batch_id, dataset_id, path)
    _must_fit(_begun(place), chunk)
    return place


def put_chunk(place: Place, chunk: ContentRange, upload: Stored) -> FileFacts:
    """Keep a chunk; the same range sent again replaces the earlier. Overlaps and gaps are judged at the end.

    Raises Refused: a body of another length than its range, a file or batch that was completed meanwhile.
    """
    try:
        if upload.size != chunk.span.size:
            said = f"The range {chunk.span} has {chunk.span.size:,} bytes, but the body {upload.size:,}."
            raise Refused(Why.INVALID, f"{said} Nothing was stored; send the chunk again.")
        return _keep(place, chunk, upload)
    except Refused:  # and no other error: after that of a commit, the row may well be there
        if upload.size:
            discard(upload.key)
        raise


@transaction.atomic
def _keep(place: Place, chunk: ContentRange, upload: Stored) -> FileFacts:
    batch = locked_batch(place.batch.pk)
    file = _begun(place)
    _must_fit(file, chunk)
    replaced = list(file.pieces.filter(first=chunk.span.first, last=chunk.span.last))
    added = 0 if replaced else upload.size
    must_have_room(batch, size=added)
    if replaced:
        discard(*(piece.key for piece in replaced))
        file.pieces.filter(pk=replaced[0].pk).update(key=upload.key, sha256=upload.sha256)
    else:
        span = chunk.span
        Piece.objects.create(file=file, first=span.first, last=span.last, key=upload.key, sha256=upload.sha256)
    total = file.total if chunk.total is None else chunk.total
    BatchFile.objects.filter(pk=file.pk).update(size=F("size") + added, total=total, updated_at=Now())
    grow(place, size=added)
    return FileFacts(path=place.path, size=file.size + added)


def _begun(place: Place) -> BatchFile:
    file = BatchFile.objects.filter(batch=place.batch, path=place.path).first()
    if file is None or not file.is_large:
        said = f"The large file “{place.path}” was not begun: POST it with ?action=INITIALIZE first."
        raise Refused(Why.MISSING if file is None else Why.CONFLICT, said)
    if file.is_complete:
        said = f"“{place.path}” is complete. To send it anew, begin it again with ?action=INITIALIZE."
        raise Refused(Why.CONFLICT, said)
    return file


def _must_fit(file: BatchFile, chunk: ContentRange) -> None:
    if file.total is not None and chunk.total not in (None, file.total):
        said = f"An earlier chunk said that the file has {file.total:,} bytes; this one says {chunk.total:,}."
        raise Refused(Why.INVALID, said)
    total = file.total if chunk.total is None else chunk.total
    if total is None:
        return
    reached = chunk.span.last
    if file.total is None:
        reached = max(reached, file.pieces.aggregate(last=Max("last"))["last"] or 0)
    if reached >= total:
        raise Refused(Why.INVALID, f"The file has {total:,} bytes in all, but a chunk of it ends at byte {reached:,}.")


@transaction.atomic
def complete_file(place: Place) -> FileFacts:
    """Declare a file whole; of one that is whole already, nothing more. Raises Refused naming gaps and overlaps."""
    must_take_files(locked_batch(place.batch.pk))
    file = BatchFile.objects.filter(batch=place.batch, path=place.path).first()
    if file is None:
        raise Refused(Why.MISSING, f"There is no file “{place.path}” in the batch {place.batch.public_id}.")
    if not file.is_complete:
        spans = [Span(first, last) for first, last in file.pieces.values_list("first", "last")]
        total = must_cover(spans, file.total)
        BatchFile.objects.filter(pk=file.pk).update(is_complete=True, total=total, size=total, updated_at=Now())
        grow(place)
    return FileFacts(path=file.path, size=file.size)


def arrived(caller: Caller, batch_id: str, dataset_id: str, path: str) -> tuple[FileFacts, list[Span]]:
    """What is there of a file. Raises Refused: MISSING."""
    batch = the_batch(batches_of(caller), batch_id, dataset_id)
    file = BatchFile.objects.filter(batch=batch, path=checked_path(path)).first()
    if file is None:
        raise Refused(Why.MISSING, "There is no file of this path in the batch.")
    spans = [Span(first, last) for first, last in file.pieces.values_list("first", "last")]
    return FileFacts(path=file.path, size=file.size), merged(spans)
