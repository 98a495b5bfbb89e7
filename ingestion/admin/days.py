"""How clients' batches of the last days went, day by day, drawn above their list. Bounded by days, found by the ids,
which begin with the time; past days may be a minute old."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from django.core.cache import cache
from django.db import connection
from django.db.models import Case, CharField, Count, Value, When
from django.db.models.functions import TruncDate
from django.utils import timezone
from django.utils.formats import date_format

from ingestion.admin.filters import day_of, made_since
from ingestion.models import Batch
from ingestion.states import OPEN
from ingestion.states import BatchStatus as S
from ingestion.words import plural

DAYS: Final = 14
KEPT: Final = 60  # seconds that days which are over are known for
WIDTH, GAP, HEIGHT = 24, 4, 48  # of a bar, as in the template
THINNEST: Final = 2.0
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


@dataclass(frozen=True, kw_only=True)
class Part:
    outcome: str
    top: float
    height: float


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One day; `address` chooses its batches."""

    left: int
    label: str
    short: str
    counts: Mapping[str, int]
    parts: Sequence[Part]
    address: str
    chosen: bool

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def said(self) -> str:
        told = [f"{count:,} {OUTCOMES[name].lower()}" for name, count in self.counts.items() if count]
        return f"{self.label}: {plural(self.total, 'batch')}" + (f" ({', '.join(told)})" if told else "")


def bars(asked: Mapping[str, str], *, now: datetime) -> list[Bar]:
    """The oldest day first, today last; days without a batch too."""
    today = timezone.localtime(now).date()
    days = [today - timedelta(DAYS - 1 - number) for number in range(DAYS)]
    counts = _known(days)
    told = {day: {name: counts.get((day, name), 0) for name in OUTCOMES} for day in days}
    most = max(sum(each.values()) for each in told.values())
    return [_bar(place, day, told[day], most, asked) for place, day in enumerate(days)]


def _bar(place: int, day: date, counts: Mapping[str, int], most: int, asked: Mapping[str, str]) -> Bar:
    return Bar(
        left=place * (WIDTH + GAP),
        label=date_format(day, "D j M"),
        short=str(day.day),
        counts=counts,
        parts=_parts(counts, most),
        address="?" + urlencode({"created": day.isoformat()}),
        chosen=asked.get("created") == day.isoformat(),
    )


def _parts(counts: Mapping[str, int], most: int) -> list[Part]:
    parts, top = list[Part](), float(HEIGHT)
    for outcome, count in counts.items():
        if count:
            height = max(count / most * HEIGHT, THINNEST)
            top = max(top - height, 0.0)
            parts.append(Part(outcome=outcome, top=round(top, 1), height=round(height, 1)))
    return parts


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
