"""How clients' batches of the last days went, day by day, drawn above their list. Bounded by days, found by the ids,
which begin with the time; past days may be a minute old."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from django.core.cache import cache
from django.db import connection
from django.db.models import Case, CharField, Count, Value, When
from django.db.models.functions import TruncDate
from django.utils import timezone

from ingestion.admin.filters import day_of, made_since
from ingestion.drawing import Day, Days, drawn
from ingestion.models import Batch
from ingestion.states import OPEN
from ingestion.states import BatchStatus as S

DAYS: Final = 14
KEPT: Final = 60  # seconds that days which are over are known for
OUTCOMES: Final = {  # class of the colour → word, from the ground up
    "completed": "Live",
    "warned": "Live without bad rows",
    "failed": "Failed",
    "cancelled": "Aborted or abandoned",
    "rejected": "Taken out of view",
    "open": "Not ended yet",
}
OUTCOME: Final = Case(
    When(status=S.SUCCESS, rejected_count__gt=0, then=Value("warned")),
    When(status=S.SUCCESS, then=Value("completed")),
    When(status=S.FAILED, then=Value("failed")),
    When(status__in=[S.ABORTED, S.ABANDONED], then=Value("cancelled")),
    When(status__in=sorted(OPEN), then=Value("open")),
    default=Value("rejected"),
    output_field=CharField(),
)


def days(asked: Mapping[str, str], *, now: datetime) -> Days:
    """Days without a batch too."""
    today = timezone.localtime(now).date()
    shown = [today - timedelta(DAYS - 1 - number) for number in range(DAYS)]
    counts = _known(shown)
    told = [_day(day, {name: counts.get((day, name), 0) for name in OUTCOMES}, asked) for day in shown]
    return drawn(told, title="Clients' batches", noun="batch", words=OUTCOMES)


def _day(day: date, counts: Mapping[str, int], asked: Mapping[str, str]) -> Day:
    query = {"created": day.isoformat()}
    return Day(day=day, counts=counts, address="?" + urlencode(query), chosen=asked.get("created") == query["created"])


def _known(days: Sequence[date]) -> dict[tuple[date, str], int]:
    """Today is counted anew each time."""
    key = f"batch-days:{connection.alias}:{days[0]}:{days[-1]}"
    past = cache.get(key)
    if past is None:
        past = _counts(days[0], days[-1])
        cache.set(key, past, KEPT)
    return {**past, **_counts(days[-1], days[-1] + timedelta(1))}


def _counts(first: date, end: date) -> dict[tuple[date, str], int]:
    begin = day_of(first.isoformat())
    assert begin
    made = Batch.objects.filter(made_since(begin), self_promoting=True, created_at__lt=day_of(end.isoformat()))
    rows: Any = made.order_by().values(day=TruncDate("created_at"), how=OUTCOME).annotate(count=Count("pk"))
    return {(row["day"], row["how"]): row["count"] for row in rows}
