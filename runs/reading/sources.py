"""How a data source has been doing: its days, how long its good runs take, its tables, its configurations. Each is
one or two queries, bounded by days or by a number of runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from django.conf import settings
from django.db.models import Count
from django.db.models.functions import TruncDate
from django.utils import timezone

from connectors.models import ConfigRevision, DataSource
from ingestion.models import Batch, Dataset
from runs.models import Run
from runs.reading.compare import config_diff
from runs.reading.days import OUTCOME, OUTCOMES, Day
from runs.reading.durations import Band
from runs.reading.redaction import Censor
from runs.states import RunMode, RunStatus

DAYS: Final = 30
GOOD_RUNS: Final = 50
TABLE_RUNS: Final = 12
TABLES: Final = 100
REVISIONS: Final = 50


@dataclass(frozen=True, kw_only=True)
class Durations:
    """The last good runs of one type, the oldest first."""

    mode: RunMode
    runs: Sequence[Run]
    band: Band

    @property
    def seconds(self) -> list[float]:
        return list(reversed(self.band.seconds))


@dataclass(frozen=True, kw_only=True)
class Brought:
    """The rows that one completed run brought into a table; None where it had no part in it."""

    run: Run
    rows: int | None


@dataclass(frozen=True, kw_only=True)
class SourceTable:
    """A table of the source as it is live now, and what the last runs brought into it, the oldest first."""

    dataset: Dataset
    column_count: int
    brought: Sequence[Brought]


@dataclass(frozen=True, kw_only=True)
class Revision:
    """A configuration that runs were started on. `added` and `removed` count lines against the one before."""

    revision: ConfigRevision
    run_count: int
    before: int | None  # the number of the one before
    added: int
    removed: int


def days_of(source: DataSource, *, now: datetime, days: int = DAYS) -> list[Day]:
    """The runs asked for on each of the last days, the oldest first, by outcome."""
    today = timezone.localtime(now).date()
    first = today - timedelta(days - 1)
    midnight = timezone.make_aware(datetime.combine(first, datetime.min.time()))
    found = Run.objects.filter(source=source, created_at__gte=midnight).order_by()
    grouped = found.values(day=TruncDate("created_at"), how=OUTCOME).annotate(count=Count("pk"))
    counts: dict[tuple[date | None, str], int] = {(row["day"], row["how"]): row["count"] for row in grouped}
    return [
        Day(day=day, counts={outcome: counts.get((day, outcome), 0) for outcome in OUTCOMES})
        for day in (first + timedelta(number) for number in range(days))
    ]


def durations_of(source: DataSource, mode: RunMode) -> Durations:
    """A retry reuses what was staged, so that its time says little: it is left out, as it is from what is usual."""
    good = Run.objects.filter(source=source, mode=mode, status=RunStatus.COMPLETED, retry_of=None)
    timed = good.filter(started_at__isnull=False, finished_at__isnull=False).order_by("-finished_at")
    newest = list(timed.only("pk", "started_at", "finished_at", "row_count")[:GOOD_RUNS])
    seconds = tuple((run.finished_at - run.started_at).total_seconds() for run in newest)  # type: ignore[operator]
    band = Band(seconds=seconds, rows=tuple(run.row_count for run in newest))
    return Durations(mode=mode, runs=newest[::-1], band=band)


def datasets_of(source: DataSource) -> list[Dataset]:
    """The tables that its runs fill, by name; at most `TABLES`."""
    found = Dataset.objects.filter(
        organisation=settings.ORGANISATION, sandbox=settings.SANDBOX, namespace=source.namespace, deleted_at=None
    )
    return list(found.defer("schema", "tags", "wire", "key").order_by("name")[:TABLES])


def tables_of(source: DataSource) -> list[SourceTable]:
    """Its tables, each with what the last completed runs brought into it."""
    datasets = datasets_of(source)
    done = Run.objects.filter(source=source, status=RunStatus.COMPLETED).order_by("-pk")
    runs = list(done.only("pk", "mode", "finished_at")[:TABLE_RUNS])[::-1]
    batches = Batch.objects.filter(dataset__in=datasets, owner__in=[run.owner for run in runs])
    loaded = {(row[0], row[1]): row[2] for row in batches.values_list("dataset_id", "owner", "loaded_count")}
    return [
        SourceTable(
            dataset=dataset,
            column_count=len(dataset.blueprint),
            brought=[Brought(run=run, rows=loaded.get((dataset.pk, run.owner))) for run in runs],
        )
        for dataset in datasets
    ]


def revisions_of(source: DataSource) -> list[Revision]:
    """Its configurations, the newest first; at most `REVISIONS`."""
    found = source.revisions.annotate(run_count=Count("runs")).order_by("-number")[: REVISIONS + 1]
    listed = list(found)
    pairs = zip(listed, [*listed[1:], None][: len(listed)], strict=True)
    return [_revision(revision, before) for revision, before in pairs][:REVISIONS]


def _revision(revision: ConfigRevision, before: ConfigRevision | None) -> Revision:
    lines = _named(config_diff(before, revision)) if before else []
    return Revision(
        revision=revision,
        run_count=getattr(revision, "run_count", 0),
        before=before.number if before else None,
        added=sum(line.startswith("+") for line in lines),
        removed=sum(line.startswith("-") for line in lines),
    )


def _named(lines: Iterable[str]) -> list[str]:
    """A unified diff without the two lines that name its sides."""
    return list(lines)[2:]


def difference_of(source: DataSource, number: int) -> list[str] | None:
    """What a revision changed, line by line, with whatever looks like a secret blanked; all of it, where it is the
    first. None where there is no such revision."""
    after = source.revisions.filter(number=number).first()
    if after is None:
        return None
    before = source.revisions.filter(number__lt=number).order_by("-number").first()
    censor = Censor()
    if before is None:
        return [censor.text(line) for line in after.manifest.splitlines()]
    return [censor.text(line) for line in config_diff(before, after)]
