"""The five stages of a run, counted over its tasks, from one query."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Max, Min, Q, Sum
from django.db.models.functions import Now

from runs.models import Run
from runs.states import TASK_OPEN, TaskKind, TaskStatus

SILENT = Q(status=TaskStatus.RUNNING, lease_until__lt=Now())
STAGES: tuple[tuple[str, TaskKind], ...] = (
    ("Extraction", TaskKind.EXTRACTION),
    ("Metadata consolidation", TaskKind.METADATA),
    ("Table consolidation", TaskKind.CONSOLIDATION),
    ("Ingestion", TaskKind.INGESTION),
    ("Complete ingestion", TaskKind.COMPLETION),
)
COUNTED = ("total", "opened", "running", "failed", "completed", "cancelled", "silent", "rows")
NOTHING: Mapping[str, Any] = {**dict.fromkeys(COUNTED, 0), "first": None, "last": None}


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage. `share` is its part of the time that all stages took, in percent; None before it has ended."""

    name: str
    kind: str  # for the link that filters the tasks
    status: str
    total: int
    ended: int
    failed: int
    silent: int
    rows: int
    started_at: datetime | None
    finished_at: datetime | None
    share: int | None = None

    def duration(self, *, now: datetime) -> timedelta | None:
        return (self.finished_at or now) - self.started_at if self.started_at else None


def stages_of(run: Run) -> list[Stage]:
    counted: dict[str, Any] = {
        row["kind"]: row
        for row in run.tasks.order_by()
        .values("kind")
        .annotate(
            total=Count("pk"),
            opened=Count("pk", filter=Q(status__in=TASK_OPEN)),
            running=Count("pk", filter=Q(status=TaskStatus.RUNNING)),
            failed=Count("pk", filter=Q(status=TaskStatus.FAILED)),
            completed=Count("pk", filter=Q(status=TaskStatus.COMPLETED)),
            cancelled=Count("pk", filter=Q(status=TaskStatus.CANCELLED)),
            silent=Count("pk", filter=SILENT),
            rows=Sum("row_count"),
            first=Min("started_at"),
            last=Max("finished_at"),
        )
    }
    whole = run.finished_at - run.started_at if run.finished_at and run.started_at else None
    return [_stage(name, kind, counted.get(kind, NOTHING), whole) for name, kind in STAGES]


def _stage(name: str, kind: TaskKind, found: Mapping[str, Any], whole: timedelta | None) -> Stage:
    first, last = found["first"], None if found["opened"] else found["last"]
    return Stage(
        name=name,
        kind=str(kind),
        status=_status(found),
        total=found["total"],
        ended=found["total"] - found["opened"],
        failed=found["failed"],
        silent=found["silent"],
        rows=found["rows"] or 0,
        started_at=first,
        finished_at=last,
        share=min(round((last - first) / whole * 100), 100) if whole and first and last else None,
    )


def _status(found: Mapping[str, Any]) -> str:
    if found["failed"]:
        return TaskStatus.FAILED
    if found["running"] or (found["completed"] and found["opened"]):
        return TaskStatus.RUNNING
    if found["opened"] or not found["total"]:
        return TaskStatus.WAITING
    if found["cancelled"]:
        return TaskStatus.CANCELLED
    return TaskStatus.COMPLETED if found["completed"] else TaskStatus.SKIPPED
