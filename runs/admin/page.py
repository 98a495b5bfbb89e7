"""The page of one API run, from top to bottom: what a support person needs to know before any detail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, Max, Min, Q, Sum
from django.utils import timezone

from runs.admin.buttons import buttons
from runs.admin.panels import SILENT, panel
from runs.admin.view import TABS, View
from runs.models import Level, Message, Run, Task
from runs.states import KIND_WORDS, RUN_OPEN, TASK_OPEN, RunStatus, TaskKind, TaskStatus
from runs.templatetags.headgate import number, words

SLOW_START = timedelta(seconds=60)
STAGES: tuple[tuple[str, tuple[TaskKind, ...]], ...] = (
    ("Extraction", (TaskKind.EXTRACTION,)),
    ("Consolidation", (TaskKind.METADATA, TaskKind.CONSOLIDATION)),
    ("Ingestion", (TaskKind.INGESTION,)),
    ("Data load", (TaskKind.COMPLETION,)),
)
FAULTS = {
    "transient": "Trouble that did not pass",
    "rate_limited": "The source asked us to wait",
    "auth": "The source refused our login",
    "config": "A setting is wrong",
    "data": "The data cannot be read",
    "schema": "The columns have changed",
    "disk": "No room to stage",
    "lost": "Its worker died",
    "closed": "The run was closed",
    "bug": "An error of Headgate's own",
}


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One of the four stages, counted over its tasks."""

    name: str
    kind: str  # for the link that filters the tasks
    status: str
    total: int
    ended: int
    silent: int
    rows: int
    started_at: datetime | None
    finished_at: datetime | None

    def duration(self, *, now: datetime) -> timedelta | None:
        return (self.finished_at or now) - self.started_at if self.started_at else None


@dataclass(frozen=True, kw_only=True)
class Failure:
    """The card of a run that failed: what, where, what it did to the data, what to do."""

    title: str
    cause: str
    task: Task | None
    advice: str
    detail: str


def context(run: Run, user: Any, query: Mapping[str, str]) -> dict[str, Any]:
    """All that the page and its live fragment are drawn from."""
    view, now = View.read(query), timezone.now()
    stages = stages_of(run)
    failed = run.tasks.filter(status=TaskStatus.FAILED).order_by("finished_at", "pk").first()
    raw = user.has_perm("runs.view_raw_data")
    return {
        "run": run,
        "now": now,
        "view": view,
        "live": run.status in RUN_OPEN,
        "sentence": sentence(run, stages, now=now),
        "failure": failure_of(run, failed, raw=raw),
        "warned": run.status == RunStatus.COMPLETED and run.worst_level >= Level.WARNING,
        "stages": stages,
        "silent": sum(stage.silent for stage in stages),
        "buttons": buttons(run, user, now=now),
        "previous": Run.objects.filter(source=run.source_id, pk__lt=run.pk).order_by("-pk").only("pk").first(),
        "next": Run.objects.filter(source=run.source_id, pk__gt=run.pk).order_by("pk").only("pk").first(),
        "tabs": tabs(run, view),
        "raw": raw,
        "support_url": settings.SUPPORT_URL,
        "panel_template": f"admin/runs/run/{view.tab}.html",
        **panel(run, view, failed),
    }


def tabs(run: Run, view: View) -> list[tuple[str, str, str, int | None]]:
    """Name, word, address and number of each tab."""
    counts = {"tasks": run.task_count, "messages": run.message_count}
    fresh = View(q=view.q, kind=view.kind)
    return [(name, word, fresh.link(tab=name), counts.get(name)) for name, word in TABS.items()]


def stages_of(run: Run) -> list[Stage]:
    """The four stages, from one query."""
    counted: dict[str, Any] = {
        row["kind"]: row
        for row in run.tasks.values("kind").annotate(
            total=Count("pk"),
            opened=Count("pk", filter=Q(status__in=TASK_OPEN)),
            running=Count("pk", filter=Q(status=TaskStatus.RUNNING)),
            failed=Count("pk", filter=Q(status=TaskStatus.FAILED)),
            completed=Count("pk", filter=Q(status=TaskStatus.COMPLETED)),
            cancelled=Count("pk", filter=Q(status=TaskStatus.CANCELLED)),
            silent=Count("pk", filter=SILENT),
            rows=Sum("row_count"),
            first=Min("started_at"),
            last=Max("finished_at"),
        )
    }
    return [_stage(name, kinds, [counted[kind] for kind in kinds if kind in counted]) for name, kinds in STAGES]


def _stage(name: str, kinds: tuple[TaskKind, ...], rows: list[dict[str, Any]]) -> Stage:
    totals = {key: sum(row[key] or 0 for row in rows) for key in COUNTED}
    first = min((row["first"] for row in rows if row["first"]), default=None)
    last = max((row["last"] for row in rows if row["last"]), default=None)
    return Stage(
        name=name,
        kind=",".join(kinds),
        status=_stage_status(totals),
        total=totals["total"],
        ended=totals["total"] - totals["opened"],
        silent=totals["silent"],
        rows=totals["rows"],
        started_at=first,
        finished_at=None if totals["opened"] else last,
    )


COUNTED = ("total", "opened", "running", "failed", "completed", "cancelled", "silent", "rows")


def _stage_status(totals: Mapping[str, int]) -> str:
    if totals["failed"]:
        return TaskStatus.FAILED
    if totals["running"] or (totals["completed"] and totals["opened"]):
        return TaskStatus.RUNNING
    if totals["opened"] or not totals["total"]:
        return TaskStatus.WAITING
    if totals["cancelled"]:
        return TaskStatus.CANCELLED
    return TaskStatus.COMPLETED if totals["completed"] else TaskStatus.SKIPPED


def sentence(run: Run, stages: list[Stage], *, now: datetime) -> str:
    """One sentence or two: how it went, or how it is going."""
    if run.status == RunStatus.WAITING:
        return _waiting(run, now=now)
    if run.status == RunStatus.RUNNING:
        return _running(run, stages, now=now)
    if run.status == RunStatus.CANCELING:
        return _canceling(run, now=now)
    return run.outcome or f"This run ended as “{run.get_status_display()}”."


def _waiting(run: Run, *, now: datetime) -> str:
    waited = now - run.created_at
    if waited > SLOW_START:
        return f"Nothing has been called yet. No worker has taken this run for {words(waited)}: is one running?"
    return "Nothing has been called yet; the run is waiting for a worker."


def _running(run: Run, stages: list[Stage], *, now: datetime) -> str:
    phase = KIND_WORDS.get(run.phase, run.phase)
    stage = next((stage for stage in stages if run.phase in stage.kind.split(",")), None)
    done = f" {phase}: {stage.ended} of {stage.total} tasks ended." if stage else ""
    last = Run.objects.filter(source=run.source_id, mode=run.mode, status=RunStatus.COMPLETED).order_by("-pk").first()
    usual = f" The last completed {run.mode} run took {words(last.duration(now=now))}." if last else ""
    return f"Running for {words(run.duration(now=now))}.{done} {number(run.row_count)} rows so far.{usual}"


def _canceling(run: Run, *, now: datetime) -> str:
    asked = run.cancel_requested_at or now
    left = asked + timedelta(seconds=settings.CANCEL_DEADLINE_SECONDS) - now
    stopped = f"{run.ended_task_count} of {run.task_count} tasks have ended."
    force = f"It can be forced closed in {words(left)}." if left > timedelta() else "It can be forced closed now."
    return f"{run.cancel_requested_by or 'Somebody'} asked to cancel {words(now - asked)} ago. {stopped} {force}"


def failure_of(run: Run, failed: Task | None, *, raw: bool) -> Failure | None:
    """The card, from the first task that failed and the last that it said."""
    if run.status != RunStatus.FAILED:
        return None
    said = Message.objects.filter(run=run, task=failed, level=Level.ERROR).order_by("-pk").first()
    return Failure(
        title=FAULTS.get(run.fault, run.fault or "The run failed"),
        cause=said.text if said else "No message was left; the history says how it ended.",
        task=failed,
        advice=said.advice if said else "",
        detail=said.detail if said and raw else "",
    )
