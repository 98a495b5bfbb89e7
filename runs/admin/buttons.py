"""The buttons of a run's page. One that is not allowed stays in sight and says why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.urls import reverse

from runs.lifecycle.ending import why_not_close
from runs.lifecycle.starting import why_not_retry
from runs.models import Run
from runs.states import RunStatus
from runs.templatetags.headgate import exact


@dataclass(frozen=True, kw_only=True)
class Button:
    """`reason` is empty where the button may be used."""

    name: str
    label: str
    icon: str
    address: str
    reason: str


def buttons(run: Run, user: Any, *, now: datetime) -> list[Button]:
    """Retry, Cancel, Compare and Support bundle always; Force close only where there is something to force."""
    offered = [
        _button("retry", "Retry", "replay", run, why_not("retry", run, user, now=now)),
        _button("cancel", "Cancel", "cancel", run, why_not("cancel", run, user, now=now)),
    ]
    offered += [
        _button("compare", "Compare", "compare_arrows", run, why_not_compare(run)),
        _button("bundle", "Support bundle", "folder_zip", run, ""),
    ]
    if run.is_open and user.has_perm("runs.close_run"):
        offered.append(_button("close", "Force close", "power_settings_new", run, why_not("close", run, user, now=now)))
    return offered


def _button(name: str, label: str, icon: str, run: Run, reason: str) -> Button:
    return Button(
        name=name, label=label, icon=icon, address=reverse(f"admin:runs_run_{name}", args=[run.pk]), reason=reason
    )


def why_not(verb: str, run: Run, user: Any, *, now: datetime) -> str:
    """The reason why this person cannot do this to this run now, or nothing."""
    if not user.has_perm(f"runs.{verb}_run"):
        return f"You do not have the right to {verb} runs; an administrator can give it to you."
    if verb == "cancel":
        return why_not_cancel(run)
    refused = why_not_retry(run) if verb == "retry" else why_not_close(run, overdue=overdue(run, now=now))
    return refused.message if refused else ""


def why_not_compare(run: Run) -> str:
    earlier = Run.objects.filter(source=run.source_id, pk__lt=run.pk).exists()
    return "" if earlier else "This is the first run of its source; there is nothing to compare it with."


def why_not_cancel(run: Run) -> str:
    if run.status == RunStatus.CANCELING:
        when = f" at {exact(run.cancel_requested_at)}" if run.cancel_requested_at else ""
        return f"{run.cancel_requested_by or 'Somebody'} asked to cancel already{when}; it is stopping."
    return "" if run.is_open else "This run has ended; there is nothing to cancel."


def overdue(run: Run, *, now: datetime) -> bool:
    deadline = timedelta(seconds=settings.CANCEL_DEADLINE_SECONDS)
    return run.cancel_requested_at is not None and now - run.cancel_requested_at > deadline
