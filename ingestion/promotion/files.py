"""Checking one file of a batch: its pieces are fetched, read by a child process, and what passed is staged as parts."""

from __future__ import annotations

import dataclasses
import logging
import re
import shutil
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from ingestion.checking.base import CheckReport, CheckRequest, CsvOptions
from ingestion.errors import TransientError
from ingestion.models import Batch, BatchFile, Diagnostic, Discarded, Part, Piece
from ingestion.promotion import judging, setbacks
from ingestion.promotion.keeping import kept
from ingestion.promotion.leases import claim_file, release_file, renew_file
from ingestion.rooms import checkers, store

log = logging.getLogger(__name__)
JUDGED = ("dataset", "files_left", "error_percent", "diagnostics")
UNFIT = re.compile(r"[^A-Za-z0-9_=+@-]")


def check_file(file_id: int) -> bool:
    """Check one file, if it is there to be checked; answers whether it was claimed. Safe to repeat."""
    file = claim_file(file_id)
    if file is None:
        return False
    folder = settings.SCRATCH_DIR / f"file-{file.pk}-{file.attempt}"
    try:
        with kept(lambda: renew_file(file)):
            _check(file, folder)
    except Exception as error:  # noqa: BLE001 - the one place where any error of a file becomes a setback of its batch
        release_file(file)
        setbacks.meet([file.batch_id], error, doing=f"checking {file.path}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return True


def _check(file: BatchFile, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    report = checkers().check(_request(file, folder))
    if report.problem and report.problem.retry:
        raise TransientError(report.problem.text)
    prefix = f"{prefix_of(file.batch)}/{file.ordinal}/{file.attempt}"
    parts = [_stored_part(file, part, number, prefix) for number, part in enumerate(report.parts)]
    found = [_stored_problems(file, item, prefix) for item in report.problem_files] if _wanted(file.batch) else []
    if not _settle(file, report, parts, found):
        log.warning("file %s was taken over by another worker", file.pk)
        keys = [*(part.key for part in parts), *(item.key for item in found)]
        Discarded.objects.bulk_create(Discarded(key=key) for key in keys)


def _wanted(batch: Batch) -> bool:
    return batch.diagnostics or batch.error_percent is not None


def prefix_of(batch: Batch) -> str:
    """Where a batch's objects are kept: by its organisation, sandbox, dataset and number."""
    owner = "/".join(f"o{UNFIT.sub('_', name)}" for name in (batch.organisation, batch.sandbox))
    return f"{owner}/{batch.dataset_id}/batch-{batch.pk}"


def _request(file: BatchFile, folder: Path) -> CheckRequest:
    batch, dataset = file.batch, file.batch.dataset
    pieces = [store().fetch(piece.key, folder / f"piece-{piece.first}") for piece in Piece.objects.filter(file=file)]
    return CheckRequest(
        pieces=tuple(pieces),
        name=file.path,
        format=batch.format,
        multi_line=bool(batch.input_format.get("isMultiLineJson")),
        csv=csv_options(batch.input_format),
        schema=dataset.schema,
        key=tuple(dataset.key),
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


def _stored_part(file: BatchFile, part: Any, number: int, prefix: str) -> Part:
    key = f"{prefix}/part-{number}.csv.gz"
    store().put(key, part.path, sha256=part.sha256)
    return Part(
        batch=file.batch,
        label=f"file/{file.ordinal}",
        number=file.first_part + number,
        key=key,
        columns=[column.to_json() for column in part.columns],
        row_count=part.rows,
        size=part.size,
        sha256=part.sha256,
        extracted_count=part.extracted,
        rejected_count=part.rejected,
        superseded_count=part.superseded,
        warnings=[[w.code, w.count, w.column, w.text] for w in part.warnings],
        exact=part.exact,
    )


def _stored_problems(file: BatchFile, item: Any, prefix: str) -> Diagnostic:
    key = f"{prefix}/{item.kind}-{file.ordinal}.json"
    store().put_bytes(key, item.path.read_bytes())
    return Diagnostic(batch=file.batch, file=file, kind=item.kind, key=key, rows=item.rows, size=item.size)


def _settle(file: BatchFile, report: CheckReport, parts: list[Part], found: list[Diagnostic]) -> bool:
    """Write down what checking found, if the file is still ours; the last file of a batch has it judged."""
    with transaction.atomic():
        batch = Batch.objects.select_for_update(no_key=True).only(*JUDGED).get(pk=file.batch_id)
        mine = BatchFile.objects.filter(pk=file.pk, attempt=file.attempt, checked_at=None).update(
            checked_at=Now(),
            lease_until=None,
            read_count=report.read,
            bad_count=report.bad,
            errors=[dataclasses.asdict(error) for error in report.errors],
            problem=dataclasses.asdict(report.problem) if report.problem else None,
        )
        if not mine:
            return False
        Part.objects.bulk_create(parts)
        Diagnostic.objects.bulk_create(found)
        batch.files_left -= 1
        Batch.objects.filter(pk=batch.pk).update(
            files_left=F("files_left") - 1,
            extracted_count=F("extracted_count") + report.read,
            rejected_count=F("rejected_count") + report.bad,
            staged_count=F("staged_count") + sum(part.row_count for part in parts),
            superseded_count=F("superseded_count") + sum(part.superseded_count for part in parts),
            output_size=F("output_size") + sum(part.size for part in parts),
        )
        if batch.files_left == 0:
            judging.judge(batch)
        return True
