"""How soon an open page of a run should look again, and whether it would see anything new."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Count, Max, Q, Sum
from django.db.models.functions import Now
from django.utils import timezone

from runs.models import Run
from runs.reading.calls import WAITS
from runs.reading.stages import SILENT
from runs.states import RUN_ENDED, RunStatus, TaskStatus

BUSY, QUIET = 3, 10  # seconds between two looks: while tasks start or end, and while they only work
LATELY: Final = timedelta(seconds=15)
WORDS_LAST = 30  # seconds; "Running for 22 min" is drawn anew at least so often


def poll_seconds(run: Run, *, now: datetime) -> int:
    """How soon an open page should look again; 0 when nothing will change any more."""
    if run.status in RUN_ENDED:
        return 0
    if run.status != RunStatus.RUNNING:
        return BUSY
    found = run.tasks.aggregate(begun=Max("started_at"), ended=Max("finished_at"), due=Count("pk", filter=_due()))
    moved = max(filter(None, (found["begun"], found["ended"])), default=None)
    return BUSY if found["due"] or (moved and now - moved < LATELY) else QUIET


def _due() -> Q:
    return Q(status=TaskStatus.QUEUED) & (Q(not_before=None) | Q(not_before__lte=Now()))


def mark(run: Run, view: Mapping[str, Any]) -> str:
    """Changes with all that the page shows: the run's version, and what moves without raising it."""
    moving: dict[str, Any] = {"silent": Count("pk", filter=SILENT), "waits": Count("pk", filter=WAITS)}
    if view.get("tab") == "calls":
        moving["calls"] = Sum("call_count")
    found = run.tasks.aggregate(**moving)
    slow = int(timezone.now().timestamp()) // WORDS_LAST
    parts = (run.version, run.log_line_count, *found.values(), slow, sorted(view.items()))
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:20]
