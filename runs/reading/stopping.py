"""How far a cancel has come: who asked and when, what has stopped, what has not, and from when force may be used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings

from runs.models import Run
from runs.states import RunStatus, TaskStatus

NAMED: Final = 5  # tasks still at work that are named; the rest are counted


@dataclass(frozen=True, kw_only=True)
class Stopping:
    """`left` is the time until the run may be forced closed; None once it may."""

    asked_by: str
    asked_at: datetime
    stopped: int
    total: int
    at_work: Sequence[str]
    more: int
    force_at: datetime
    left: timedelta | None


def stopping(run: Run, *, now: datetime) -> Stopping | None:
    """None for a run that is not being cancelled."""
    if run.status != RunStatus.CANCELING:
        return None
    asked = run.cancel_requested_at or now
    force_at = asked + timedelta(seconds=settings.CANCEL_DEADLINE_SECONDS)
    names = list(run.tasks.filter(status=TaskStatus.RUNNING).values_list("name", flat=True))
    return Stopping(
        asked_by=run.cancel_requested_by or "Somebody",
        asked_at=asked,
        stopped=run.ended_task_count,
        total=run.task_count,
        at_work=names[:NAMED],
        more=max(len(names) - NAMED, 0),
        force_at=force_at,
        left=force_at - now if force_at > now else None,
    )
