"""What a person should know before starting a run: what is in the way, how long it takes, what it calls and replaces,
and whether anybody will work it. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Final

from django.conf import settings
from django.db.models import Sum

from connectors.engines import open_data_source
from connectors.manifest import ManifestError
from connectors.models import Bookmark, DataSource
from connectors.protocol import SourceError
from connectors.secrets import SealError
from ingestion.models import Dataset
from runs import planning, presence
from runs.models import Run
from runs.planning import PlannedTable
from runs.states import RUN_ENDED, RunMode, RunStatus

LAST: Final = 5  # completed runs of each type
NO_SCHEDULE: Final = "No schedule"


@dataclass(frozen=True, kw_only=True)
class PastRun:
    """How long a completed run took."""

    run_id: int
    seconds: float
    row_count: int
    finished_at: datetime


@dataclass(frozen=True, kw_only=True)
class Calls:
    """What the last run that called the source at all has met there."""

    run_id: int
    call_count: int
    throttled_count: int  # answers of 429, or of 503 that said when to come again
    waited_seconds: float


@dataclass(frozen=True, kw_only=True)
class LiveTable:
    """A table as it stands now; `row_count` is None before anything was loaded. `replaced` says what a run does."""

    name: str
    row_count: int | None
    live_at: datetime | None
    replaced: bool


@dataclass(frozen=True, kw_only=True)
class Preflight:
    """`refusal` is the sentence that a start would be answered with now; "" when it would be accepted. `trouble` says
    why the tables of the run cannot be told."""

    source: DataSource
    mode: RunMode
    refusal: str
    open_run: Run | None
    past: dict[str, Sequence[PastRun]]  # by type, newest first
    tables: Sequence[LiveTable]
    trouble: str
    calls: Calls | None
    workers: int  # processes seen in the last minute, idle ones too
    schedule: str = NO_SCHEDULE

    @property
    def medians(self) -> dict[str, float | None]:
        """Seconds, by type; None where no run of it has completed."""
        return {mode: median(run.seconds for run in past) if past else None for mode, past in self.past.items()}

    @property
    def replaced_row_count(self) -> int:
        return sum(table.row_count or 0 for table in self.tables if table.replaced)

    @property
    def confirm(self) -> str:
        """What must be typed before this start is taken: the source's name, where many live rows are replaced."""
        many = not settings.DESTRUCTIVE_CONFIRM_ROWS or self.replaced_row_count > settings.DESTRUCTIVE_CONFIRM_ROWS
        return self.source.name if self.mode == RunMode.DESTRUCTIVE and many else ""


def look(source: DataSource, mode: RunMode) -> Preflight:
    """The facts of this moment. Nothing is locked or kept, so a start may still be answered otherwise."""
    blocker = Run.objects.open().filter(open_key__in=(str(source.pk), "all")).first()
    planned, trouble = _planned(source, mode)
    return Preflight(
        source=source,
        mode=mode,
        refusal=_refusal(source, blocker),
        open_run=blocker,
        past={str(mode): _past(source, mode) for mode in RunMode},
        tables=_tables(source, planned),
        trouble=trouble,
        calls=_calls(source),
        workers=presence.seen().count(),
    )


def why_not_confirmed(source: DataSource, mode: RunMode, typed: str) -> str:
    """The sentence for a start that replaces many live rows and whose asker has not typed the source's name."""
    if mode != RunMode.DESTRUCTIVE:
        return ""
    facts = look(source, mode)
    if not facts.confirm or typed.strip() == facts.confirm:
        return ""
    return (
        f"This start replaces {facts.replaced_row_count:,} live rows. To confirm it, give the name of the data source "
        f"exactly as it is: “{facts.confirm}”."
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


def _calls(source: DataSource) -> Calls | None:
    last = Run.objects.filter(source=source, status__in=RUN_ENDED, call_count__gt=0).order_by("-pk").first()
    if last is None:
        return None
    met = last.tasks.aggregate(throttled=Sum("throttled_count"), waited=Sum("waited_seconds"))
    return Calls(
        run_id=last.pk,
        call_count=last.call_count,
        throttled_count=met["throttled"] or 0,
        waited_seconds=met["waited"] or 0.0,
    )


def _tables(source: DataSource, planned: Sequence[PlannedTable]) -> list[LiveTable]:
    """What the run fills, in its order; then what else is live beside it and stays."""
    own = Dataset.objects.filter(
        organisation=source.organisation, sandbox=source.sandbox, namespace=source.namespace
    ).order_by("name")
    known = {dataset.source_name or dataset.name: dataset for dataset in own}
    replaced = {table.table.name: table.mode == "replace" for table in planned}
    names = [*replaced, *(name for name in known if name not in replaced)]
    return [_table(name, known.get(name), replaced=replaced.get(name, False)) for name in names]


def _table(name: str, dataset: Dataset | None, *, replaced: bool) -> LiveTable:
    return LiveTable(
        name=dataset.name if dataset else name,
        row_count=dataset.live_rows if dataset else None,
        live_at=dataset.live_at if dataset else None,
        replaced=replaced,
    )


def _planned(source: DataSource, mode: RunMode) -> tuple[list[PlannedTable], str]:
    """The tables that a run of this type fills; or none, and why that cannot be told."""
    try:
        opened = open_data_source(source)
    except (SourceError, ManifestError, SealError) as error:
        return [], str(error)
    try:
        marks = dict(Bookmark.objects.filter(source=source).values_list("endpoint", "value"))
        return [
            table
            for endpoint in planning.endpoints_of(opened, source.endpoints)
            for table in planning.tables_of(endpoint, incremental=planning.is_incremental(endpoint, mode, marks))
        ], ""
    finally:
        opened.close()
