"""What people do about a run: acknowledge, assign, snooze, note. The one writer of those fields; moves no status."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from runs.errors import Refused
from runs.journal import record
from runs.lifecycle.moves import lock
from runs.models import Level, Note, Run
from runs.states import RunStatus

LONGEST_SNOOZE: Final = timedelta(days=30)
LONGEST_NOTE: Final = 10_000
WORDS: Final = {  # of the history, where other rows name a status
    "acknowledged": "Acknowledged",
    "ticket": "Ticket named",
    "assigned": "Assigned",
    "snoozed": "Snoozed",
    "woken": "Snooze ended",
    "noted": "Note added",
}


@dataclass(frozen=True, kw_only=True)
class Acknowledged:
    """The answer to an acknowledgement: the same for everybody, whoever was first."""

    run: Run
    first: bool


def acknowledge(run_id: int, *, actor: str, ticket: str = "") -> Acknowledged:
    """Say that a run in trouble is known, and optionally in which ticket it is worked on. Asking again changes the
    ticket at most. Raises Refused for a run that is not in trouble."""
    with transaction.atomic():
        run = lock(run_id)
        if refused := why_not_acknowledge(run):
            raise refused
        if run.acknowledged_at is None:
            _write(run, "acknowledged", actor=actor, reason=ticket, **_known(actor), ticket=ticket or run.ticket)
            return Acknowledged(run=Run.objects.get(pk=run_id), first=True)
        if ticket and ticket != run.ticket:
            _write(run, "ticket", actor=actor, reason=ticket, ticket=ticket)
        return Acknowledged(run=Run.objects.get(pk=run_id), first=False)


def acknowledge_earlier(run: Run) -> int:
    """A retry has completed: the runs that it stands for are acknowledged by that. Answers how many. Safe to repeat."""
    count, earlier = 0, run.retry_of
    while earlier is not None:
        still = Run.objects.filter(pk=earlier.pk, acknowledged_at=None).in_trouble()
        if still.update(**_known(f"run {run.pk}"), version=F("version") + 1):
            record(
                earlier, earlier.status, "acknowledged", actor="system", reason=f"its retry, run {run.pk}, completed"
            )
            count += 1
        earlier = earlier.retry_of
    return count


def assign(run_id: int, *, to: User | None, actor: str) -> Run:
    """Make somebody the one who looks after the run, or nobody. Raises Refused for who may not see runs."""
    if to is not None and not (to.is_active and to.has_perm("runs.view_run")):
        raise Refused(f"{to.get_username()} may not see runs, so none can be assigned to them.", code="assignee")
    with transaction.atomic():
        run = lock(run_id)
        if run.assignee_id != (to.pk if to else None):
            reason = f"to {to.get_username()}" if to else "to nobody"
            _write(run, "assigned", actor=actor, reason=reason, assignee=to)
        return Run.objects.get(pk=run_id)


def snooze(run_id: int, *, until: datetime | None, actor: str, now: datetime) -> Run:
    """Keep a run in trouble out of the list that asks for attention until then; None ends that now. Raises Refused."""
    with transaction.atomic():
        run = lock(run_id)
        if until is None:
            if run.snoozed_until is not None:
                _write(run, "woken", actor=actor, snoozed_until=None, snoozed_by="")
        else:
            if refused := why_not_snooze(run) or _bad_time(run, until, now=now):
                raise refused
            reason = f"until {until:%Y-%m-%d %H:%M %Z}".strip()
            _write(run, "snoozed", actor=actor, reason=reason, snoozed_until=until, snoozed_by=actor)
        return Run.objects.get(pk=run_id)


def note(run_id: int, *, text: str, actor: str) -> Note:
    """Add a note; it can be neither changed nor taken away. Raises Refused for an empty or far too long one."""
    text = text.strip()
    if not text:
        raise Refused("The note is empty; write a word.", code="empty_note", run_id=run_id)
    if len(text) > LONGEST_NOTE:
        raise Refused(f"The note is longer than {LONGEST_NOTE:,} characters; shorten it.", code="long_note")
    with transaction.atomic():
        run = lock(run_id)
        _write(run, "noted", actor=actor)
        return Note.objects.create(run=run, text=text, author=actor)


def in_trouble(run: Run) -> bool:
    """Failed, or completed with warnings: what `RunQuerySet.in_trouble` answers of a row."""
    warned = run.status == RunStatus.COMPLETED and run.worst_level >= Level.WARNING
    return run.status == RunStatus.FAILED or warned


def why_not_acknowledge(run: Run) -> Refused | None:
    """The reason why there is nothing to acknowledge about this run."""
    if in_trouble(run):
        return None
    word = run.get_status_display()
    text = f"Run {run.pk} is “{word}”: only a run that failed or completed with warnings can be acknowledged."
    return Refused(text, code="not_in_trouble", run_id=run.pk)


def why_not_snooze(run: Run) -> Refused | None:
    """The reason why this run asks for no attention that could be put off."""
    if refused := why_not_acknowledge(run):
        return Refused(refused.message.replace("acknowledged", "snoozed"), code=refused.code, run_id=run.pk)
    if run.acknowledged_at is not None:
        text = f"Run {run.pk} was acknowledged by {run.acknowledged_by}; it asks for no attention any more."
        return Refused(text, code="acknowledged", run_id=run.pk)
    return None


def _bad_time(run: Run, until: datetime, *, now: datetime) -> Refused | None:
    if now < until <= now + LONGEST_SNOOZE:
        return None
    text = f"A run can be snoozed until a time within the next {LONGEST_SNOOZE.days} days; give one of these."
    return Refused(text, code="snooze_time", run_id=run.pk)


def _known(actor: str) -> dict[str, Any]:
    return {"acknowledged_at": Now(), "acknowledged_by": actor, "snoozed_until": None, "snoozed_by": ""}


def _write(run: Run, what: str, *, actor: str, reason: str = "", **facts: Any) -> None:
    """Write fields of a locked run, with a row of its history."""
    Run.objects.filter(pk=run.pk).update(version=F("version") + 1, **facts)
    record(run, run.status, what, actor=actor, reason=reason)
