"""The first rows of what a client has uploaded so far, so that it can see whether its format is what it said."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from django.conf import settings

from ingestion.access.caller import Caller
from ingestion.checking.base import CheckRequest, CsvOptions, Limits, Preview
from ingestion.errors import TransientError
from ingestion.models import Batch, BatchFile
from ingestion.refusals import Refused, Why
from ingestion.rooms import checkers, store
from ingestion.uploads.files import are_kept, kept_how_long
from ingestion.uploads.finding import batches_of, the_batch

ENOUGH: Final = 4 << 20  # bytes of a file in lines that are looked at
MOST: Final = 1 << 30  # bytes of a file that can only be read as a whole
SECONDS: Final = 20.0  # the client waits
BLOCK: Final = 1 << 18


def batch_to_preview(caller: Caller, batch_id: str, dataset_id: str) -> Batch:
    return the_batch(batches_of(caller), batch_id, dataset_id)


def preview(batch: Batch, told: Mapping[str, Any], *, rows: int) -> Preview:
    """The first rows of the batch's first whole file that has any bytes, read as `told` (members of an inputFormat).

    Without such a file there are no columns and no rows. Raises Refused when it cannot be read that way.
    """
    file = batch.files.filter(is_complete=True, size__gt=0).first()
    if file is None:
        return Preview(columns=(), rows=())
    if not are_kept(file, file.pieces.all()):
        raise Refused(Why.MISSING, f"“{file.path}” cannot be shown: its bytes are kept no more. {kept_how_long()}")
    folder: Path = settings.SCRATCH_DIR / f"preview-{uuid.uuid4().hex}"
    folder.mkdir(parents=True)
    try:
        found = checkers().preview(_request(batch, file, told, folder), rows)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if found.problem and found.problem.retry:
        raise TransientError(found.problem.text)
    if found.problem:
        raise Refused(Why.INVALID, f"“{file.path}” cannot be shown: {found.problem.text}", code=found.problem.code)
    return found


def _request(batch: Batch, file: BatchFile, told: Mapping[str, Any], folder: Path) -> CheckRequest:
    usual = CsvOptions()
    multi_line = bool(told.get("isMultiLineJson"))
    whole = multi_line or told["format"] == "parquet"
    if whole and file.size > MOST:
        said = f"“{file.path}” has {file.size:,} bytes, and can be shown from {told['format']} up to {MOST:,} only."
        raise Refused(Why.TOO_LARGE, said)
    return CheckRequest(
        pieces=_pieces(file, folder, whole=whole),
        name=file.path,
        format=told["format"],
        multi_line=multi_line,
        csv=CsvOptions(
            delimiter=told.get("delimiter", usual.delimiter),
            quote=told.get("quote", usual.quote),
            escape=told.get("escape", usual.escape),
            null_marker=told.get("nullMarker", usual.null_marker),
            header=bool(told.get("header", True)),
            charset=told.get("charset", usual.charset),
        ),
        schema=batch.dataset.schema,
        limits=Limits(seconds=SECONDS),
        folder=folder,
    )


def _pieces(file: BatchFile, folder: Path, *, whole: bool) -> tuple[Path, ...]:
    """Local copies: of a file in lines, those that begin within the first megabytes."""
    pieces = list(file.pieces.all())
    if whole or file.size <= ENOUGH:
        return tuple(store().fetch(piece.key, folder / str(piece.first)) for piece in pieces)
    target = folder / "start"
    with target.open("wb") as copy:
        for piece in pieces:
            with store().open(piece.key) as source:
                while copy.tell() < ENOUGH and (block := source.read(BLOCK)):
                    copy.write(block)
            if copy.tell() >= ENOUGH:
                break
        _cut_at_line(copy, target)
    return (target,)


def _cut_at_line(copy: Any, target: Path) -> None:
    """Drop the last line, which is not whole, unless there is no other."""
    copy.flush()
    end = target.read_bytes().rfind(b"\n")
    if end >= 0:
        copy.truncate(end + 1)
