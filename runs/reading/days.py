"""How the runs of the last days went, day by day: what the bars above the list are drawn from. Bounded by days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from django.core.cache import cache
from django.db import connection
from django.db.models import Case, CharField, Count, F, Value, When
from django.db.models.functions import TruncDate
from django.utils import timezone

from runs.models import Level, Run
from runs.states import RUN_OPEN, RunStatus

DAYS: Final = 14
KEPT: Final = 60  # seconds that days which are over are known for
OUTCOMES: Final = {  # in the order that the bars are stacked in, from below
    "completed": "Completed",
    "warned": "With warnings",
    "failed": "Failed",
    "cancelled": "Cancelled",
    "rejected": "Rejected",
    "open": "At work",
}
_WARNED = When(status=RunStatus.COMPLETED, worst_level__gte=Level.WARNING, then=Value("warned"))
_OPEN = When(status__in=sorted(RUN_OPEN), then=Value("open"))
OUTCOME: Final = Case(_WARNED, _OPEN, default=F("status"), output_field=CharField())


@dataclass(frozen=True, kw_only=True)
class Day:
    """The runs that were asked for on one day, by their outcome; those of `OUTCOMES` that there are none of are 0."""

    day: date
    counts: dict[str, int]

    @property
    def total(self) -> int:
        return sum(self.counts.values())


def last_days(*, now: datetime, days: int = DAYS) -> Sequence[Day]:
    """The last days, the oldest first and today last, those without a run too. Past days may be a minute old."""
    today = timezone.localtime(now).date()
    first = today - timedelta(days - 1)
    key = f"days:{connection.alias}:{first}:{today}"
    counts = cache.get(key)
    if counts is None:
        counts = _counts(first, today)
        cache.set(key, counts, KEPT)
    counts = {**counts, **_counts(today, today + timedelta(1))}
    return [
        Day(day=day, counts={outcome: counts.get((day, outcome), 0) for outcome in OUTCOMES})
        for day in (first + timedelta(number) for number in range(days))
    ]


def _counts(first: date, end: date) -> dict[tuple[date, str], int]:
    """The runs of the days before `end`, by day and outcome: from the index alone, `run_by_day`."""
    found = Run.objects.filter(created_at__gte=_midnight(first), created_at__lt=_midnight(end)).order_by()
    grouped = found.values(day=TruncDate("created_at"), how=OUTCOME).annotate(count=Count("pk"))
    return {(row["day"], row["how"]): row["count"] for row in grouped}


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, datetime.min.time()))
