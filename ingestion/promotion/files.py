"""Checking files of batches: their pieces are fetched, read by a child process, and what passed is staged as parts.

A worker that finds many small files waiting checks them together: what one file costs the control database is then
shared by all of them.
"""

from __future__ import annotations

import logging
import shutil
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings

from ingestion.errors import TransientError
from ingestion.marks import marked
from ingestion.models import BatchFile, Diagnostic, Discarded, Part, Piece
from ingestion.promotion import setbacks
from ingestion.promotion.keeping import kept
from ingestion.promotion.leases import claim_files, release_file, renew_files
from ingestion.promotion.requests import prefix_of, request_of
from ingestion.promotion.settling import Checked, settle
from ingestion.rooms import checkers, store

log = logging.getLogger(__name__)


def check_file(file_id: int) -> bool:
    """Check one file, if it is there to be checked; answers whether it was claimed. Safe to repeat."""
    return bool(check_files([file_id]))


def check_files(file_ids: Sequence[int]) -> int:
    """Check those of these files that are there to be checked, and settle them together; answers how many were
    claimed. The trouble of one is a setback of its batch alone."""
    files = claim_files(file_ids)
    if not files:
        return 0
    with kept(partial(renew_files, files)):
        pieces = _pieces_of(files)
        checked = [done for file in files if (done := _tried(file, pieces[file.pk]))]
        try:
            given_up = settle(checked)
        except Exception as error:  # noqa: BLE001 - the database's trouble is a setback of all of them
            for file in files:
                _set_back(file, error)
            return len(files)
    for done in given_up:
        log.warning("file %s was taken over by another worker", done.file.pk)
        keys = [*(part.key for part in done.parts), *(problem.key for problem in done.problems)]
        Discarded.objects.bulk_create(Discarded(key=key) for key in keys)
    return len(files)


def _pieces_of(files: Sequence[BatchFile]) -> dict[int, list[Piece]]:
    found: dict[int, list[Piece]] = defaultdict(list)
    for piece in Piece.objects.filter(file__in=files).only("file", "first", "key"):
        found[piece.file_id].append(piece)
    return found


def _tried(file: BatchFile, pieces: Sequence[Piece]) -> Checked | None:
    folder = settings.SCRATCH_DIR / f"file-{file.pk}-{file.attempt}"
    try:
        with marked(batch=file.batch_id, file=file.pk, attempt=file.attempt):
            return _check(file, pieces, folder)
    except Exception as error:  # noqa: BLE001 - the one place where any error of a file becomes a setback of its batch
        _set_back(file, error)
        return None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _set_back(file: BatchFile, error: Exception) -> None:
    release_file(file)
    setbacks.meet([file.batch_id], error, doing=f"checking {file.path}")


def _check(file: BatchFile, pieces: Sequence[Piece], folder: Path) -> Checked:
    folder.mkdir(parents=True, exist_ok=True)
    report = checkers().check(request_of(file, pieces, folder))
    if report.problem and report.problem.retry:
        raise TransientError(report.problem.text)
    prefix = f"{prefix_of(file.batch)}/{file.ordinal}/{file.attempt}"
    wanted = file.batch.diagnostics or file.batch.error_percent is not None
    return Checked(
        file=file,
        report=report,
        parts=[_stored_part(file, part, number, prefix) for number, part in enumerate(report.parts)],
        problems=[_stored_problems(file, item, prefix) for item in report.problem_files] if wanted else [],
    )


def _stored_part(file: BatchFile, part: Any, number: int, prefix: str) -> Part:
    key = f"{prefix}/part-{number}.csv.gz"
    store().take(key, part.path, sha256=part.sha256)
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
