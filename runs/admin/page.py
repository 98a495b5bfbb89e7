"""The page of one API run, from top to bottom: what a support person needs to know before any detail."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from runs.admin.buttons import buttons
from runs.admin.panels import panel
from runs.admin.view import TABS, View
from runs.models import Level, Run
from runs.reading.calls import quota_until
from runs.reading.durations import Band, about, band_of, last_good, longer_than, outlook, usual
from runs.reading.failures import failure_of, first_failure
from runs.reading.freshness import poll_seconds
from runs.reading.queue import tasks_ahead, workers_seen
from runs.reading.quick import quick_of
from runs.reading.stages import Stage, stages_of
from runs.states import KIND_WORDS, RUN_OPEN, RunStatus
from runs.templatetags.headgate import number, words

SLOW_START = timedelta(seconds=60)


def context(run: Run, user: Any, query: Mapping[str, str]) -> dict[str, Any]:
    """All that the page and its live fragment are drawn from."""
    view, now = View.read(query), timezone.now()
    stages = stages_of(run)
    failed, band = first_failure(run), band_of(run)
    raw = user.has_perm("runs.view_raw_data")
    earlier = Run.objects.filter(source=run.source_id, pk__lt=run.pk).order_by("-pk")
    previous = earlier.only("pk", "config_id").first()
    return {
        "run": run,
        "now": now,
        "view": view,
        "live": run.status in RUN_OPEN,
        "poll": poll_seconds(run, now=now),
        "sentence": sentence(run, stages, band, now=now),
        "failure": failure_of(run, failed, raw=raw),
        "warned": run.status == RunStatus.COMPLETED and run.worst_level >= Level.WARNING,
        "stages": stages,
        "band": band_words(run, band, now=now),
        "silent": sum(stage.silent for stage in stages),
        "buttons": buttons(run, user, now=now),
        "quick": quick_of(run, before=previous, now=now),
        "waiting_until": quota_until(run) if run.status in RUN_OPEN else None,
        "previous": previous,
        "next": Run.objects.filter(source=run.source_id, pk__gt=run.pk).order_by("pk").only("pk").first(),
        "tabs": tabs(run, view),
        "raw": raw,
        "may_see_configuration": user.has_perm("connectors.view_datasource"),
        "support_url": settings.SUPPORT_URL,
        "panel_template": f"admin/runs/run/{view.tab}.html",
        **panel(run, view, failed),
    }


def search_context(run: Run, query: Mapping[str, str]) -> dict[str, Any]:
    """What the panel of tasks alone is drawn from, for a search as one types."""
    view = View.read(query)
    found = panel(run, view, first_failure(run))
    stages = stages_of(run) if found["by_kind"] else []
    return {"run": run, "view": view, "stages": stages, "panel_template": "admin/runs/run/tasks.html", **found}


def tabs(run: Run, view: View) -> list[tuple[str, str, str, int | None]]:
    """Name, word, address and number of each tab."""
    counts = {"tasks": run.task_count, "messages": run.message_count}
    fresh = View(q=view.q, kind=view.kind)
    return [(name, word, fresh.link(tab=name), counts.get(name)) for name, word in TABS.items()]


def sentence(run: Run, stages: list[Stage], band: Band, *, now: datetime) -> str:
    """One sentence or two: how it went, or how it is going."""
    if run.status == RunStatus.WAITING:
        return _waiting(run, now=now)
    if run.status == RunStatus.RUNNING:
        return _running(run, stages, band, now=now)
    if run.status == RunStatus.CANCELING:
        return _canceling(run, now=now)
    return run.outcome or f"This run ended as “{run.get_status_display()}”."


def _waiting(run: Run, *, now: datetime) -> str:
    waited = now - run.created_at
    if waited > SLOW_START:
        seen = workers_seen(now=now)
        asks = ": is one running?" if not seen else "."
        return (
            f"Nothing has been called yet. No worker has taken this run for {about(waited)}. "
            f"Workers seen in the last minute: {seen}{asks}"
        )
    ahead = tasks_ahead(run)
    queue = f"{ahead:,} {'task is' if ahead == 1 else 'tasks are'} ahead of it" if ahead else "nothing is ahead of it"
    return f"Nothing has been called yet; the run is waiting for a worker, and {queue}."


def _running(run: Run, stages: list[Stage], band: Band, *, now: datetime) -> str:
    stage = next((stage for stage in stages if stage.kind == run.phase), None)
    phase = KIND_WORDS.get(run.phase, run.phase)
    done = f" {phase}: {stage.ended} of {stage.total} tasks ended." if stage else ""
    passed = run.duration(now=now)
    usually = outlook(band, passed) if passed is not None else ""
    rows = f"{number(run.row_count)} rows so far."
    return f"Running for {about(passed or timedelta())}.{done} {rows} {usually or _last(run, now)}".strip()


def _last(run: Run, now: datetime) -> str:
    """Where too few runs are known to say what is usual, how long the last one took."""
    last = last_good(run)
    return f"The last completed {run.mode} run took {words(last.duration(now=now))}." if last else ""


def band_words(run: Run, band: Band, *, now: datetime) -> str:
    """Beside the duration: what is usual, and where this run lies outside of it."""
    passed = run.duration(now=now)
    if not band.enough or passed is None:
        return ""
    long = f"; this is {longer_than(band, passed)}" if band.is_long(passed) else ""
    return f"usually {usual(band)}{long}"


def _canceling(run: Run, *, now: datetime) -> str:
    asked = run.cancel_requested_at or now
    left = asked + timedelta(seconds=settings.CANCEL_DEADLINE_SECONDS) - now
    stopped = f"{run.ended_task_count} of {run.task_count} tasks have ended."
    force = f"It can be forced closed in {words(left)}." if left > timedelta() else "It can be forced closed now."
    return f"{run.cancel_requested_by or 'Somebody'} asked to cancel {words(now - asked)} ago. {stopped} {force}"
