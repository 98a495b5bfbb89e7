"""Writing down what checking found, for several files in one transaction. The last file of a batch has it judged."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models.functions import Now

from ingestion.checking.base import CheckReport
from ingestion.models import Batch, BatchFile, Diagnostic, Part
from ingestion.promotion import judging

COUNTS = ("files_left", "extracted_count", "rejected_count", "staged_count", "superseded_count", "output_size")
NEEDED = ("status", "dataset", "error_percent", "diagnostics", *COUNTS)
FOUND = ("checked_at", "lease_until", "read_count", "bad_count", "errors", "problem")


@dataclass(frozen=True)
class Checked:
    """A file that has been checked; its parts and problem files are in the store, and no row names them yet."""

    file: BatchFile
    report: CheckReport
    parts: Sequence[Part]
    problems: Sequence[Diagnostic]


def settle(checked: Sequence[Checked]) -> list[Checked]:
    """Answers those that are another worker's by now: nothing is written of them."""
    if not checked:
        return []
    with transaction.atomic():
        numbers = {done.file.batch_id for done in checked}
        locked = Batch.objects.select_for_update(no_key=True).only(*NEEDED).order_by("pk")
        batches = {batch.pk: batch for batch in locked.filter(pk__in=numbers)}
        attempts = dict(
            BatchFile.objects.filter(pk__in=[done.file.pk for done in checked], checked_at=None)
            .order_by()
            .values_list("pk", "attempt")
        )
        mine = [done for done in checked if attempts.get(done.file.pk) == done.file.attempt]
        for done in mine:
            _note(done, batches[done.file.batch_id])
        if mine:
            _write(mine, [batches[number] for number in sorted({done.file.batch_id for done in mine})])
        return [done for done in checked if done not in mine]


def _note(done: Checked, batch: Batch) -> None:
    file, report = done.file, done.report
    file.checked_at, file.lease_until = Now(), None
    file.read_count, file.bad_count = report.read, report.bad
    file.errors = [dataclasses.asdict(error) for error in report.errors]
    file.problem = dataclasses.asdict(report.problem) if report.problem else None
    batch.files_left -= 1
    batch.extracted_count += report.read
    batch.rejected_count += report.bad
    batch.staged_count += sum(part.row_count for part in done.parts)
    batch.superseded_count += sum(part.superseded_count for part in done.parts)
    batch.output_size += sum(part.size for part in done.parts)


def _write(mine: Sequence[Checked], batches: Sequence[Batch]) -> None:
    Part.objects.bulk_create([part for done in mine for part in done.parts])
    Diagnostic.objects.bulk_create([problem for done in mine for problem in done.problems])
    BatchFile.objects.bulk_update([done.file for done in mine], FOUND)
    Batch.objects.bulk_update(batches, COUNTS)
    judging.judge([batch for batch in batches if batch.files_left == 0])
