"""The summary above the list of runs: what is at work, what asks for attention, how the last days went; each a link."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from django.db.models import Count, Min, Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from ingestion.drawing import Day, Days, drawn
from runs.models import Run
from runs.reading.days import OUTCOMES, last_days
from runs.reading.days import Day as CountedDay
from runs.states import RUN_OPEN, RunStatus
from runs.templatetags.headgate import words

DAY = timedelta(hours=24)
MOST_COUNTED: Final = 1_000


@dataclass(frozen=True, kw_only=True)
class Counter:
    """One number with its word; `address` chooses what was counted, and `chosen` says that the list shows it now."""

    name: str
    text: str
    about: str
    address: str
    chosen: bool
    loud: bool = False


def counters(asked: Mapping[str, str], *, now: datetime) -> list[Counter]:
    """Four queries, by index and bounded, however many runs there are."""
    here = {name: value for name, value in asked.items() if name not in ("p", "o")}
    found = Run.objects.filter(status__in=sorted(RUN_OPEN)).aggregate(
        running=Count("pk", filter=Q(status=RunStatus.RUNNING)),
        waiting=Count("pk", filter=Q(status=RunStatus.WAITING)),
        canceling=Count("pk", filter=Q(status=RunStatus.CANCELING)),
        oldest=Min("pk"),
    )
    ended = Run.objects.filter(finished_at__gte=now - DAY).aggregate(
        failed=Count("pk", filter=Q(status=RunStatus.FAILED)),
        rejected=Count("pk", filter=Q(status=RunStatus.REJECTED)),
        completed=Count("pk", filter=Q(status=RunStatus.COMPLETED)),
    )
    stopping = f"{found['canceling']:,} more canceling" if found["canceling"] else "At work now"
    lately = {"period": "ended24h"}
    of_day = "Ended in the last 24 hours"
    return [
        _attention(here),
        _counter("running", found["running"], "Running", stopping, here, {}),
        _counter("waiting", found["waiting"], "Waiting to start", "For a worker", here, {}),
        *_oldest(found["oldest"], now),
        _counter("failed", ended["failed"], "Failed", of_day, here, lately),
        _counter("rejected", ended["rejected"], "Rejected", "In the last 24 hours", here, lately),
        _counter("completed", ended["completed"], "Completed", of_day, here, lately),
    ]


def at_home(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """The same numbers on the first page, for who may see runs."""
    home: dict[str, Any] = {"title": "Home"}
    if request.user.has_perm("runs.view_run"):
        home["strip"] = counters({}, now=timezone.now())
    return context | home


def _counter(name: str, count: int, word: str, about: str, here: Mapping[str, str], more: Mapping[str, str]) -> Counter:
    """`name` is the status that is counted."""
    query = {"status": name, **more}
    address = "?" + urlencode(query)
    return Counter(name=name, text=f"{count:,} {word}", about=about, address=address, chosen=query == here)


def _attention(here: Mapping[str, str]) -> Counter:
    """The inbox: failed or warned, and nobody has said that they know."""
    count = len(Run.objects.needing_attention().order_by("-pk").values_list("pk")[: MOST_COUNTED + 1])
    query = {"attention": "needed"}
    return Counter(
        name="attention",
        text=f"{min(count, MOST_COUNTED):,}{'+' if count > MOST_COUNTED else ''} Need{'s' * (count == 1)} attention",
        about="Failed or warned, not acknowledged" if count else "Nothing is left to look at",
        address="?" + urlencode(query),
        chosen=query == here,
        loud=count > 0,
    )


def _oldest(pk: int | None, now: datetime) -> list[Counter]:
    """The run that has been open longest; it leads to its page."""
    run = Run.objects.select_related("source").filter(pk=pk).first() if pk else None
    if run is None:
        return []
    open_for = words(now - (run.started_at or run.created_at))
    address = reverse("admin:runs_run_change", args=[run.pk])
    text = f"Oldest open: run {run.pk}"
    return [Counter(name="oldest", text=text, about=f"{run.source.name}, {open_for}", address=address, chosen=False)]


def days(asked: Mapping[str, str], *, now: datetime) -> Days:
    """The last days; each leads to the runs that were asked for on it."""
    told = [_day(day, asked) for day in last_days(now=now)]
    return drawn(told, title="Runs", noun="run", words=OUTCOMES)


def _day(day: CountedDay, asked: Mapping[str, str]) -> Day:
    text = day.day.isoformat()
    chosen = asked.get("from") == text and asked.get("to") == text
    return Day(day=day.day, counts=day.counts, address="?" + urlencode({"from": text, "to": text}), chosen=chosen)
