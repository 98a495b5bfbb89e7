"""The summary above the list of runs: what is at work, what has gone wrong lately, each a link to exactly those."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

from django.db.models import Count, Min, Q
from django.urls import reverse

from runs.models import Run
from runs.states import RUN_OPEN, RunStatus
from runs.templatetags.headgate import words

DAY = timedelta(hours=24)
LONGEST = timedelta(days=30)  # an index by the time of asking finds those that ended lately: none takes longer


@dataclass(frozen=True, kw_only=True)
class Counter:
    """One number with its word; `address` chooses what was counted, and `chosen` says that the list shows it now."""

    name: str
    text: str
    about: str
    address: str
    chosen: bool


def counters(asked: Mapping[str, str], *, now: datetime) -> list[Counter]:
    """Three queries, by index, however many runs there are."""
    here = {name: value for name, value in asked.items() if name != "p"}
    found = Run.objects.filter(status__in=sorted(RUN_OPEN)).aggregate(
        running=Count("pk", filter=Q(status=RunStatus.RUNNING)),
        waiting=Count("pk", filter=Q(status=RunStatus.WAITING)),
        canceling=Count("pk", filter=Q(status=RunStatus.CANCELING)),
    )
    ended = Run.objects.filter(created_at__gte=now - LONGEST, finished_at__gte=now - DAY).aggregate(
        failed=Count("pk", filter=Q(status=RunStatus.FAILED)),
        rejected=Count("pk", filter=Q(status=RunStatus.REJECTED)),
        completed=Count("pk", filter=Q(status=RunStatus.COMPLETED)),
    )
    stopping = f"{found['canceling']:,} more canceling" if found["canceling"] else "At work now"
    lately = {"period": "ended24h"}
    of_day = "Ended in the last 24 hours"
    return [
        _counter("running", found["running"], "Running", stopping, here, {}),
        _counter("waiting", found["waiting"], "Waiting to start", "For a worker", here, {}),
        *_oldest(now),
        _counter("failed", ended["failed"], "Failed", of_day, here, lately),
        _counter("rejected", ended["rejected"], "Rejected", "In the last 24 hours", here, lately),
        _counter("completed", ended["completed"], "Completed", of_day, here, lately),
    ]


def _counter(name: str, count: int, word: str, about: str, here: Mapping[str, str], more: Mapping[str, str]) -> Counter:
    """`name` is the status that is counted."""
    query = {"status__exact": name, **more}
    address = "?" + urlencode(query)
    return Counter(name=name, text=f"{count:,} {word}", about=about, address=address, chosen=query == here)


def _oldest(now: datetime) -> list[Counter]:
    """The run that has been open longest; it leads to its page."""
    since = Run.objects.filter(status__in=sorted(RUN_OPEN)).aggregate(first=Min("pk"))["first"]
    run = Run.objects.select_related("source").filter(pk=since).first() if since else None
    if run is None:
        return []
    open_for = words(now - (run.started_at or run.created_at))
    address = reverse("admin:runs_run_change", args=[run.pk])
    text = f"Oldest open: run {run.pk}"
    return [Counter(name="oldest", text=text, about=f"{run.source.name}, {open_for}", address=address, chosen=False)]
