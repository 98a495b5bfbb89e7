"""Runs as a CSV file, for a spreadsheet: bounded, and no cell is ever taken for a formula."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from typing import Any, Final

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.utils import timezone

from runs.models import Level, Run
from runs.reading.failures import FAULTS
from runs.templatetags.headgate import trigger_word

MOST: Final = 10_000
AT_ONCE: Final = 500
HEADINGS: Final = (
    "Run id", "Status", "With warnings", "Data source", "Type", "Trigger", "By", "Asked for", "Started", "Completed",
    "Seconds", "Tasks", "Tasks ended", "Rows", "Messages", "Failure", "Acknowledged by", "Outcome",
)  # fmt: skip
FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


class _Echo:
    """What the writer writes to: it hands each line on."""

    def write(self, line: str) -> str:
        return line


def answer(runs: QuerySet[Run]) -> StreamingHttpResponse:
    """The newest of these, at most ten thousand, line by line."""
    name = f"runs-{timezone.localtime():%Y-%m-%d-%H%M}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return StreamingHttpResponse(_text(runs), content_type="text/csv; charset=utf-8", headers=headers)


def _text(runs: QuerySet[Run]) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield "\ufeff" + writer.writerow(HEADINGS)  # by its mark, spreadsheets know UTF-8
    for run in _bounded(runs):
        yield writer.writerow([safe(value) for value in _values(run)])


def _bounded(runs: QuerySet[Run]) -> Iterable[Run]:
    newest = runs.order_by("-pk").select_related("source")
    return newest[:MOST].iterator(chunk_size=AT_ONCE)


def _values(run: Run) -> tuple[Any, ...]:
    now = timezone.now()
    passed = run.duration(now=now)
    warned = run.worst_level >= Level.WARNING and run.status == "completed"
    return (
        run.pk,
        run.get_status_display(),
        "yes" if warned else "",
        run.source.name,
        run.get_mode_display(),
        trigger_word(run.trigger),
        run.requested_by,
        *(moment.isoformat(timespec="seconds") if moment else "" for moment in _moments(run)),
        round(passed.total_seconds()) if passed is not None else "",
        run.task_count,
        run.ended_task_count,
        run.row_count,
        run.message_count,
        FAULTS.get(run.fault, run.fault),
        run.acknowledged_by,
        run.outcome,
    )


def _moments(run: Run) -> tuple[Any, ...]:
    return run.created_at, run.started_at, run.finished_at


def safe(value: Any) -> Any:
    """A text that a spreadsheet would take for a formula gets an apostrophe before it."""
    if not isinstance(value, str):
        return value
    return f"'{value}" if value.lstrip(" ").startswith(FORMULAS) or value.startswith(FORMULAS) else value
