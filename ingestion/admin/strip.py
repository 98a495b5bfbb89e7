"""The summary above the list of batches: how many are in which trouble, each a link to exactly those."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlencode

from django.db.models import Count, QuerySet

from ingestion.admin.filters import SEVERAL, made_since
from ingestion.models import Batch
from ingestion.states import OPEN
from ingestion.states import BatchStatus as S

DAY: Final = timedelta(hours=24)


@dataclass(frozen=True, kw_only=True)
class Counter:
    """One number with its word. `status` is for the badge's look; `query` chooses what was counted."""

    word: str
    status: str
    count: int
    about: str
    query: str
    chosen: bool  # the list shows these now


def counters(asked: Mapping[str, str], *, now: datetime) -> list[Counter]:
    """Of clients' batches. Two queries, both of them by index."""
    found = dict(
        Batch.objects.filter(self_promoting=True, status__in=sorted(OPEN))
        .order_by()
        .values_list("status")
        .annotate(count=Count("pk"))
    )
    failed = Batch.objects.filter(made_since(now - DAY), self_promoting=True, status=S.FAILED)
    work = sum(found.get(status, 0) for status in SEVERAL["work"][1])
    told = (
        ("Loading", S.LOADING, found.get(S.LOADING, 0), "Clients are uploading", {"status": str(S.LOADING)}),
        ("In work", S.STAGING, work, "Checked and made live", {"status": "work"}),
        ("Retrying", S.RETRYING, found.get(S.RETRYING, 0), "Tried again by itself", {"status": str(S.RETRYING)}),
        ("Stalled", S.STALLED, found.get(S.STALLED, 0), "Waits for you", {"status": str(S.STALLED)}),
        ("Failed", S.FAILED, _count(failed), "Of the last 24 hours", {"status": str(S.FAILED), "created": "24h"}),
    )
    return [
        Counter(
            word=word,
            status=status,
            count=count,
            about=about,
            query="?" + urlencode(query),
            chosen=query == {name: value for name, value in asked.items() if name != "p"},
        )
        for word, status, count, about, query in told
    ]


def _count(batches: QuerySet[Batch]) -> int:
    return int(batches.aggregate(count=Count("pk"))["count"])
