"""What a run's calls to its source came to, by endpoint, and which tasks wait because the source asked them to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q
from django.db.models.functions import Now

from connectors.protocol import CallCount
from runs.models import Run, Task
from runs.states import TaskKind, TaskStatus

CLASSES = ("2xx", "3xx", "4xx", "5xx", "none")
WAITS = Q(status__in=(TaskStatus.QUEUED, TaskStatus.RUNNING), quota_until__gt=Now())


@dataclass(frozen=True, kw_only=True)
class EndpointCalls:
    """One endpoint, over all tasks and attempts."""

    endpoint: str
    count: CallCount
    tasks: int

    @property
    def answers(self) -> list[int]:
        """By class of status, in the order of `CLASSES`."""
        return [self.count.answers.get(kind, 0) for kind in CLASSES]


@dataclass(frozen=True, kw_only=True)
class Totals:
    calls: int
    throttled: int
    retried: int
    waited_seconds: float
    wire_bytes: int


@dataclass(frozen=True, kw_only=True)
class Ledger:
    rows: list[EndpointCalls]
    totals: Totals


def ledger_of(run: Run) -> Ledger:
    """One query. The endpoint with the most calls comes first."""
    called = run.tasks.filter(kind=TaskKind.EXTRACTION).exclude(calls={})
    rows = _by_endpoint(called.values_list("calls", flat=True))
    return Ledger(rows=rows, totals=_totals(row.count for row in rows))


def waiting_for_quota(run: Run) -> list[Task]:
    """Tasks that wait for a time that the source named, the longest wait first."""
    return list(run.tasks.filter(WAITS).only("pk", "name", "quota_until", "run_id").order_by("-quota_until", "pk"))


def quota_until(run: Run) -> datetime | None:
    """Until when the last of them waits."""
    found: datetime | None = (
        run.tasks.filter(WAITS).order_by("-quota_until").values_list("quota_until", flat=True).first()
    )
    return found


def _by_endpoint(tasks: Iterable[Mapping[str, Any]]) -> list[EndpointCalls]:
    sums: dict[str, CallCount] = {}
    counts: dict[str, int] = {}
    for calls in tasks:
        for endpoint, value in calls.items():
            sums.setdefault(endpoint, CallCount()).add(CallCount.from_json(value))
            counts[endpoint] = counts.get(endpoint, 0) + 1
    rows = [EndpointCalls(endpoint=name, count=count, tasks=counts[name]) for name, count in sums.items()]
    return sorted(rows, key=lambda row: (-row.count.calls, row.endpoint))


def _totals(counts: Iterable[CallCount]) -> Totals:
    whole = CallCount()
    for count in counts:
        whole.add(count)
    return Totals(
        calls=whole.calls,
        throttled=whole.throttled,
        retried=whole.retried,
        waited_seconds=whole.waited_seconds,
        wire_bytes=whole.wire_bytes,
    )
