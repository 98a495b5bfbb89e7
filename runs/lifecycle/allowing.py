"""Whether a person may do a verb to a run now: one answer for pages, lists and APIs, in the words that people see."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.utils import timezone

from runs.errors import Refused
from runs.lifecycle.caring import why_not_acknowledge, why_not_snooze
from runs.lifecycle.ending import why_not_close
from runs.lifecycle.retryable import why_not_retry
from runs.models import Run
from runs.states import RunMode, RunStatus

CARE: Final = ("acknowledge", "assign", "snooze", "note")
DESTRUCTIVE: Final = "connectors.start_destructive_run"
NO_RIGHT: Final = "You do not have the right to {verb} runs; an administrator can give it to you."


def allowed(verb: str, run: Run, user: Any, *, now: datetime | None = None) -> str:
    """The reason why this person cannot do this to this run now; "" when they can. `verb` is one of cancel, retry,
    close, acknowledge, assign, snooze, note."""
    missing = missing_right(verb, run, user)
    return missing or _why_not(verb, run, now=now or timezone.now())


def missing_right(verb: str, run: Run, user: Any) -> str:
    """The sentence about a right that this person lacks for it, whatever state the run is in."""
    right = "care" if verb in CARE else verb
    if not user.has_perm(f"runs.{right}_run"):
        return NO_RIGHT.format(verb=verb if right != "care" else "acknowledge, assign, snooze and note")
    if verb == "retry" and run.mode == RunMode.DESTRUCTIVE and not user.has_perm(DESTRUCTIVE):
        return (
            f"Run {run.pk} is destructive, and so is its retry: you do not have the right to start destructive runs; "
            "an administrator can give it to you."
        )
    return ""


def _why_not(verb: str, run: Run, *, now: datetime) -> str:
    if verb == "cancel":
        return why_not_cancel(run)
    refused: Refused | None = None
    if verb == "retry":
        refused = why_not_retry(run)
    elif verb == "close":
        refused = why_not_close(run, overdue=overdue(run, now=now))
    elif verb == "acknowledge":
        refused = why_not_acknowledge(run)
    elif verb == "snooze":
        refused = why_not_snooze(run)
    if verb == "acknowledge" and not refused and run.acknowledged_at:
        return f"{run.acknowledged_by} has acknowledged run {run.pk} already."
    return refused.message if refused else ""


def why_not_cancel(run: Run) -> str:
    if run.status == RunStatus.CANCELING:
        asked = run.cancel_requested_at
        when = f" at {timezone.localtime(asked):%d %b %Y %H:%M:%S %Z}" if asked else ""
        return f"{run.cancel_requested_by or 'Somebody'} asked to cancel already{when}; it is stopping."
    return "" if run.is_open else "This run has ended; there is nothing to cancel."


def overdue(run: Run, *, now: datetime) -> bool:
    """Whether a cancel was asked so long ago that the run may be forced closed."""
    asked = run.cancel_requested_at
    return asked is not None and now - asked > timedelta(seconds=settings.CANCEL_DEADLINE_SECONDS)
