"""What people have done about a run, and what this person may do next: the card on its page. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.contrib.auth.models import User
from django.utils import timezone

from runs.lifecycle.allowing import allowed
from runs.lifecycle.caring import in_trouble
from runs.models import Note, Run

NAMED: Final = 200  # people to choose from
MORNING: Final = 8  # the hour that "tomorrow" means
SNOOZES: Final[dict[str, str]] = {
    "1h": "For an hour",
    "4h": "For 4 hours",
    "tomorrow": "Until tomorrow morning",
    "3d": "For 3 days",
    "7d": "For a week",
}


@dataclass(frozen=True, kw_only=True)
class Care:
    """`trouble` is true of a run that asks to be acknowledged; reasons are "" for what may be done."""

    trouble: bool
    asleep: bool
    mine: bool
    notes: Sequence[Note]
    people: Sequence[User]
    snoozes: dict[str, str]
    why_not: dict[str, str]

    @property
    def silent(self) -> bool:
        """Nothing to show but the form: the card may stay folded."""
        return not (self.trouble or self.notes)


def care_of(run: Run, user: Any) -> Care:
    now = timezone.now()
    why_not = {verb: allowed(verb, run, user, now=now) for verb in ("acknowledge", "assign", "snooze", "note")}
    return Care(
        trouble=in_trouble(run),
        asleep=run.snoozed_until is not None and run.snoozed_until > now,
        mine=run.assignee_id is not None and run.assignee_id == user.pk,
        notes=list(run.notes.order_by("-pk")),
        people=[] if why_not["assign"] else people(),
        snoozes=SNOOZES,
        why_not=why_not,
    )


def people() -> list[User]:
    """Those whom a run can be assigned to."""
    return list(User.objects.with_perm("runs.view_run", is_active=True).order_by("username")[:NAMED])


def snoozed_until(choice: str, *, now: datetime) -> datetime | None:
    """The end of a snooze chosen from `SNOOZES`; None for what is not among them."""
    if choice == "tomorrow":
        morning = timezone.localtime(now) + timedelta(days=1)
        return morning.replace(hour=MORNING, minute=0, second=0, microsecond=0)
    if choice not in SNOOZES:
        return None
    number, unit = int(choice[:-1]), choice[-1]
    return now + (timedelta(hours=number) if unit == "h" else timedelta(days=number))
