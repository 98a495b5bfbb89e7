"""The facts in short that stand on a run's page. The number of queries does not depend on how large the run is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, F, Q, Sum

from ingestion.models import Batch, Part
from runs.models import Run
from runs.reading.failures import LIVE
from runs.stages.telling import size_words
from runs.states import RunMode

WINDOWS = 3  # named; the rest is counted
TASK_FACTS = ("worker", "endpoint", "since", "calls", "call_count", "throttled_count", "waited_seconds")
LONGEST_CHAIN = 20  # retries that are followed in either direction


@dataclass(frozen=True, kw_only=True)
class Lineage:
    """A run among those that retried each other: "2 of 3". `others` are the rest, the oldest first."""

    place: int
    count: int
    others: Sequence[Run]


@dataclass(frozen=True, kw_only=True)
class Quick:
    """`waited` is the time until the first task was taken up. `changed` tables went live in this run."""

    lineage: Lineage
    waited: timedelta
    windows: str
    workers: Sequence[str]
    calls: int
    throttled: int
    waited_for: float  # seconds that calls waited, all together
    fetched: str
    staged_size: str
    extracted: int
    staged: int
    loaded: int
    rejected: int
    tables: int
    changed: int
    altered: int
    changed_since: Run | None


def quick_of(run: Run, *, before: Run | None, now: datetime) -> Quick:
    """`before` is the run of the same source before this one, with its configuration."""
    tasks = list(run.tasks.order_by("endpoint", "pk").values(*TASK_FACTS, cursor=F("checkpoint__cursor")))
    rows = _rows(run)
    return Quick(
        lineage=_lineage(run),
        waited=(run.started_at or run.finished_at or now) - run.created_at,
        windows=_windows(tasks) if run.mode == RunMode.INCREMENTAL else "",
        workers=_workers(tasks),
        calls=sum(task["call_count"] for task in tasks),
        throttled=sum(task["throttled_count"] for task in tasks),
        waited_for=sum(task["waited_seconds"] for task in tasks),
        fetched=size_words(_fetched(tasks)),
        staged_size=size_words(_staged_size(run)),
        changed_since=before if before and before.config_id != run.config_id else None,
        **rows,
    )


def _rows(run: Run) -> Mapping[str, int]:
    own = Batch.objects.filter(load=run.load_id, owner=run.owner).order_by()
    sums = own.aggregate(
        extracted=Sum("extracted_count"),
        staged=Sum("staged_count"),
        loaded=Sum("loaded_count"),
        rejected=Sum("rejected_count"),
        tables=Count("pk"),
        changed=Count("pk", filter=Q(status__in=LIVE)),
        altered=Count("pk", filter=~Q(changes=[])),
    )
    return {name: value or 0 for name, value in sums.items()}


def _staged_size(run: Run) -> int:
    parts = Part.objects.filter(batch__load=run.load_id, batch__owner=run.owner, merged_into=None)
    return parts.aggregate(size=Sum("size"))["size"] or 0


def _lineage(run: Run) -> Lineage:
    """The chain of retries that the run is part of: one query for each other run of it, each by its key."""
    known = Run.objects.only("pk", "status", "retry_of_id")
    before = _walk(run, lambda one: known.filter(pk=one.retry_of_id).first() if one.retry_of_id else None)
    after = _walk(run, lambda one: known.filter(retry_of=one.pk).first())
    return Lineage(place=len(before) + 1, count=len(before) + 1 + len(after), others=[*before[::-1], *after])


def _walk(run: Run, following: Callable[[Run], Run | None]) -> list[Run]:
    found: list[Run] = []
    step = following(run)
    while step is not None and len(found) < LONGEST_CHAIN:
        found.append(step)
        step = following(step)
    return found


def _fetched(tasks: Sequence[Mapping[str, Any]]) -> int:
    return sum(count.get("wire_bytes", 0) for task in tasks for count in task["calls"].values())


def _workers(tasks: Sequence[Mapping[str, Any]]) -> list[str]:
    """The processes that worked on it, by host and number."""
    names = (task["worker"] for task in tasks if task["worker"])
    return sorted({name.rpartition("/")[0] or name for name in names})


def _windows(tasks: Sequence[Mapping[str, Any]]) -> str:
    """From where to where an incremental run read, for a few endpoints."""
    found = {task["endpoint"]: task for task in tasks if task["since"]}
    words = [_window(task) for task in list(found.values())[:WINDOWS]]
    more = f"; and {len(found) - WINDOWS:,} more endpoints" if len(found) > WINDOWS else ""
    return "; ".join(words) + more


def _window(task: Mapping[str, Any]) -> str:
    until = task["cursor"]
    return f"{task['endpoint']} from {task['since']}" + (f" to {until}" if until else "")
