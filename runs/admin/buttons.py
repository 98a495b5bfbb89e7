"""The buttons of a run's page. One that is not allowed stays in sight and says why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.urls import reverse

from runs.lifecycle.allowing import allowed
from runs.lifecycle.caring import in_trouble
from runs.models import Run


@dataclass(frozen=True, kw_only=True)
class Button:
    """`reason` is empty where the button may be used."""

    name: str
    label: str
    icon: str
    address: str
    reason: str


def buttons(run: Run, user: Any, *, now: datetime) -> list[Button]:
    """Retry, Cancel, Compare and Support bundle always; Force close where there is something to force, Acknowledge
    where nobody has acknowledged a failure: it leads to the card that does it."""
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
    if in_trouble(run) and run.acknowledged_at is None:
        reason = why_not("acknowledge", run, user, now=now)
        offered.append(Button(name="acknowledge", label="Acknowledge", icon="done", address="#care", reason=reason))
    return offered


def _button(name: str, label: str, icon: str, run: Run, reason: str) -> Button:
    return Button(
        name=name, label=label, icon=icon, address=reverse(f"admin:runs_run_{name}", args=[run.pk]), reason=reason
    )


def why_not(verb: str, run: Run, user: Any, *, now: datetime) -> str:
    """The reason why this person cannot do this to this run now, or nothing."""
    return allowed(verb, run, user, now=now)


def why_not_compare(run: Run) -> str:
    earlier = Run.objects.filter(source=run.source_id, pk__lt=run.pk).exists()
    return "" if earlier else "This is the first run of its source; there is nothing to compare it with."
