"""A run in words for whoever takes it over: Markdown to paste into a ticket. Holds no values, hosts or details."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone

from runs.models import Run
from runs.reading.failures import failure_of, first_failure

NOTES = 20  # the newest


def handover(run: Run, *, address: str) -> str:
    """`address` is that of the run's page, whole."""
    said = [f"# Run {run.pk} of {run.source.name}: {run.get_status_display()}", "", *_facts(run, address)]
    failure = failure_of(run, first_failure(run), raw=False)
    if failure:
        said += [
            "",
            "## What happened",
            "",
            failure.cause,
            "",
            f"- Where the trouble lies: {failure.owner or 'unknown'}",
        ]
        said += [
            f"- Effect on the data: {failure.effect}",
            f"- Next step: {failure.advice}",
            f"- Retry: {failure.retry}",
        ]
        if failure.elsewhere:
            same = failure.elsewhere
            said.append(f"- The same failure in {same.runs:,} other runs of {same.sources:,} sources in 30 days")
    return "\n".join([*said, "", *_care(run), *_notes(run)]).rstrip() + "\n"


def _facts(run: Run, address: str) -> list[str]:
    asked = f"{run.trigger}, {run.requested_by}" if run.requested_by else run.trigger
    lineage = f", retry of run {run.retry_of_id}" if run.retry_of_id else ""
    facts = [
        f"- Page: {address}",
        f"- Type: {run.get_mode_display()}, asked for by {asked}{lineage}",
        f"- Asked for {_time(run.created_at)}; started {_time(run.started_at)}; ended {_time(run.finished_at)}",
        f"- Tasks: {run.ended_task_count:,} of {run.task_count:,} ended; rows extracted: {run.row_count:,}",
    ]
    return [*facts, f"- Outcome: {run.outcome}"] if run.outcome else facts


def _care(run: Run) -> list[str]:
    known = f"by {run.acknowledged_by}, {_time(run.acknowledged_at)}" if run.acknowledged_at else "by nobody"
    care = ["## Who looks after it", "", f"- Acknowledged {known}"]
    care.append(f"- Assigned to {run.assignee.get_username() if run.assignee else 'nobody'}")
    if run.snoozed_until:
        care.append(f"- Snoozed until {_time(run.snoozed_until)} by {run.snoozed_by}")
    return [*care, f"- Ticket: {run.ticket}"] if run.ticket else care


def _notes(run: Run) -> list[str]:
    notes = list(run.notes.order_by("-pk")[:NOTES])
    if not notes:
        return []
    lines = ["", "## Notes, the newest first", ""]
    for note in notes:
        text = note.text.replace("\r\n", "\n").replace("\n", "\n  ")
        lines.append(f"- {_time(note.created_at)}, {note.author}: {text}")
    return lines


def _time(value: datetime | None) -> str:
    return timezone.localtime(value).strftime("%Y-%m-%d %H:%M %Z") if value else "not yet"
