"""What a person should know before starting a run: what is in the way, how long it takes, what is live. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from connectors.models import DataSource
from ingestion.models import Dataset
from runs.models import Run
from runs.states import RunMode, RunStatus

LAST = 5  # completed runs of each type


@dataclass(frozen=True, kw_only=True)
class PastRun:
    """How long a completed run took."""

    run_id: int
    seconds: float
    row_count: int
    finished_at: datetime


@dataclass(frozen=True, kw_only=True)
class LiveTable:
    """A table as it stands now; `row_count` is None before anything was loaded."""

    name: str
    row_count: int | None
    live_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Preflight:
    """`refusal` is the sentence that a start would be answered with now; "" when it would be accepted."""

    source: DataSource
    mode: RunMode
    refusal: str
    open_run: Run | None
    past: dict[str, Sequence[PastRun]]  # by type, newest first
    tables: Sequence[LiveTable]


def look(source: DataSource, mode: RunMode) -> Preflight:
    """The facts of this moment. Nothing is locked or kept, so a start may still be answered otherwise."""
    blocker = Run.objects.open().filter(open_key__in=(str(source.pk), "all")).first()
    return Preflight(
        source=source,
        mode=mode,
        refusal=_refusal(source, blocker),
        open_run=blocker,
        past={str(mode): _past(source, mode) for mode in RunMode},
        tables=_tables(source),
    )


def _refusal(source: DataSource, blocker: Run | None) -> str:
    if not source.enabled:
        return f"“{source}” is disabled; enable it on its page before starting a run."
    if blocker:
        return f"Run {blocker.pk} is still open, so this start would be rejected; wait for it to end or cancel it."
    return ""


def _past(source: DataSource, mode: RunMode) -> list[PastRun]:
    done = Run.objects.filter(source=source, mode=mode, status=RunStatus.COMPLETED).order_by("-pk")
    return [
        PastRun(
            run_id=run.pk,
            seconds=(run.finished_at - run.started_at).total_seconds(),
            row_count=run.row_count,
            finished_at=run.finished_at,
        )
        for run in done[:LAST]
        if run.started_at and run.finished_at
    ]


def _tables(source: DataSource) -> list[LiveTable]:
    own = Dataset.objects.filter(
        organisation=source.organisation, sandbox=source.sandbox, namespace=source.namespace
    ).order_by("name")
    return [LiveTable(name=table.name, row_count=table.live_rows, live_at=table.live_at) for table in own]
