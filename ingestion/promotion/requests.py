"""What the readers of untrusted files are asked: which bytes, read how, checked against what, put where."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.conf import settings

from ingestion.checking.base import CheckRequest, CsvOptions
from ingestion.models import Batch, BatchFile, Piece
from ingestion.rooms import store
from ingestion.warehouse.base import Mode

UNFIT = re.compile(r"[^A-Za-z0-9_=+@-]")


def prefix_of(batch: Batch) -> str:
    """Where a batch's objects are kept: by its organisation, sandbox, dataset and number."""
    owner = "/".join(f"o{UNFIT.sub('_', name)}" for name in (batch.organisation, batch.sandbox))
    return f"{owner}/{batch.dataset_id}/batch-{batch.pk}"


def request_of(file: BatchFile, pieces: Sequence[Piece], folder: Path) -> CheckRequest:
    """`pieces` are the file's, in order; they are fetched into `folder`, which is the file's own."""
    batch, dataset = file.batch, file.batch.dataset
    return CheckRequest(
        pieces=tuple(store().fetch(piece.key, folder / f"piece-{piece.first}") for piece in pieces),
        name=file.path,
        format=batch.format,
        multi_line=bool(batch.input_format.get("isMultiLineJson")),
        csv=csv_options(batch.input_format),
        schema=dataset.schema,
        key=tuple(dataset.key) if batch.mode == Mode.MERGE else (),  # added rows replace nothing
        first_part=file.first_part,
        folder=folder,
        threads=settings.CHECK_THREADS if file.size > settings.SPOOL_BYTES else 1,
    )


def csv_options(told: dict[str, Any]) -> CsvOptions:
    """The options of a delimited file, as the batch was created with them."""
    default = CsvOptions()
    return CsvOptions(
        delimiter=told.get("delimiter") or default.delimiter,
        quote=told.get("quote") or default.quote,
        escape=told.get("escape") or default.escape,
        null_marker=told.get("nullMarker") or default.null_marker,
        header=str(told.get("header", "true")).lower() != "false",
        charset=told.get("charset") or default.charset,
    )
