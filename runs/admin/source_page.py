"""What the page of a data source shows above its form: how it is in a sentence, how it has been, what it fills."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format

from connectors.admin.connectors import read
from connectors.models import DataSource
from connectors.secrets import SealError
from runs.admin import charts
from runs.admin.verbs import address_of
from runs.models import Level, Run
from runs.reading import sources
from runs.reading.days import OUTCOMES
from runs.reading.durations import about, usual
from runs.reading.sources import Durations, SourceTable
from runs.states import RunMode, RunStatus
from runs.templatetags.headgate import number, plural, words

LABELLED: Final = 10  # every so many days a date stands below the bars


@dataclass(frozen=True, kw_only=True)
class State:
    """How the source is: what is so, and what to do. `address` is where to do it."""

    text: str
    todo: str
    address: str = ""
    link: str = ""


def context(source: DataSource, shown: Run | None, query: Mapping[str, str]) -> dict[str, Any]:
    """A fixed number of queries, whatever the source has run."""
    now = timezone.now()
    asked = query.get("revision", "")
    number_asked = int(asked) if asked.isascii() and asked.isdecimal() and len(asked) < 10 else 0
    days = sources.days_of(source, now=now)
    return {
        "state_now": state_of(source, shown, now=now),
        "outcomes": OUTCOMES,
        "days": [(day, list(day.counts.values())) for day in reversed(days) if day.total],
        "day_bars": charts.bars([(_short(day.day, place), _said(day), day.counts) for place, day in enumerate(days)]),
        "runs_lately": sum(day.total for day in days),
        "durations": [_drawn(sources.durations_of(source, mode)) for mode in RunMode],
        "tables": [_table(table) for table in sources.tables_of(source)],
        "credentials": credentials_of(source),
        "revisions": sources.revisions_of(source),
        "revision_asked": number_asked,
        "difference": sources.difference_of(source, number_asked) if number_asked else None,
    }


def state_of(source: DataSource, run: Run | None, *, now: datetime) -> State:
    """Last run, open run, next step."""
    if run is None:
        if not source.enabled:
            return State(text="No API run yet, and the source is disabled.", todo="Enable it below, then start one.")
        return State(text="No API run yet.", todo="Start the first one; first runs are destructive.")
    said = TELL[RunStatus(run.status)](run, now)
    if not source.enabled and not run.is_open:
        off = "The source is disabled: it takes no new runs until somebody enables it below."
        return State(text=said.text, todo=f"{said.todo} {off}".strip(), address=said.address, link=said.link)
    return said


def _ago(run: Run, now: datetime) -> str:
    return f"{words(now - (run.finished_at or run.created_at))} ago"


def _named(run: Run) -> str:
    return f"{run.get_mode_display().lower()} run {run.pk}"


def _open(run: Run, now: datetime) -> State:
    if run.status == RunStatus.WAITING:
        text = f"The {_named(run)} waits for a worker since {words(now - run.created_at)}."
        return State(text=text, todo="Nothing to do for a minute.", address=address_of(run), link="Watch it")
    if run.status == RunStatus.CANCELING:
        text = f"The {_named(run)} is stopping: {run.cancel_requested_by or 'somebody'} asked to cancel it."
        return State(text=text, todo="Wait until it has stopped.", address=address_of(run), link="Watch it")
    passed = run.duration(now=now)
    done = f"{number(run.ended_task_count)} of {plural(run.task_count, 'task')} ended"
    text = f"The {_named(run)} has been running for {words(passed)}: {done}, {plural(run.row_count, 'row')} so far."
    return State(text=text, todo="Nothing to do.", address=address_of(run), link="Watch it")


def _completed(run: Run, now: datetime) -> State:
    rows = f" with {plural(run.live_row_count, 'row')}" if run.live_row_count is not None else ""
    if run.worst_level >= Level.WARNING:
        text = f"The data is live{rows}, but the {_named(run)} that brought it {_ago(run, now)} left warnings."
        return State(text=text, todo="Read them.", address=f"{address_of(run)}?tab=messages", link="Its messages")
    text = f"Fine: the {_named(run)} completed {_ago(run, now)}, and its tables are live{rows}."
    return State(text=text, todo="Nothing to do.")


def _failed(run: Run, now: datetime) -> State:
    said = run.outcome or "No table was changed."
    text = f"The {_named(run)} failed {_ago(run, now)}. {said} {_still(run)}"
    return State(text=text, todo="Read why, then retry it.", address=address_of(run), link="Why it failed")


def _cancelled(run: Run, now: datetime) -> State:
    text = f"The {_named(run)} was cancelled {_ago(run, now)}. No table was changed. {_still(run)}"
    return State(text=text, todo="Retry it, if the data is wanted after all.", address=address_of(run), link="Open it")


def _rejected(run: Run, now: datetime) -> State:
    blocker = run.blocked_by
    by = f"run {blocker.pk} is still running" if blocker else "another run was open"
    text = f"Run {run.pk} was rejected {_ago(run, now)}: {by}."
    todo = "Wait for that one, or cancel it; then retry this one."
    return State(text=text, todo=todo, address=address_of(blocker or run), link="Open it")


def _still(run: Run) -> str:
    """What readers see after a run that changed nothing."""
    good = Run.objects.filter(source=run.source_id, status=RunStatus.COMPLETED, pk__lt=run.pk).order_by("-pk").first()
    if good is None or good.finished_at is None:
        return "Nothing of this source is live yet."
    when = date_format(timezone.localtime(good.finished_at), "d M Y H:i")
    return f"Readers see the data of run {good.pk}, of {when}."


TELL: Final = {
    RunStatus.WAITING: _open,
    RunStatus.RUNNING: _open,
    RunStatus.CANCELING: _open,
    RunStatus.COMPLETED: _completed,
    RunStatus.FAILED: _failed,
    RunStatus.CANCELLED: _cancelled,
    RunStatus.REJECTED: _rejected,
}


def _short(day: Any, place: int) -> str:
    return date_format(day, "j M") if place % LABELLED == LABELLED - 1 else ""


def _said(day: Any) -> str:
    told = [f"{count:,} {OUTCOMES[outcome].lower()}" for outcome, count in day.counts.items() if count]
    return f"{date_format(day.day, 'D j M')}: {', '.join(told) or 'no run'}"


def _drawn(found: Durations) -> dict[str, Any]:
    """One type of runs with its drawing and its sentence."""
    band = found.band
    levels = {}
    if band.enough:
        levels["median"] = (band.median.total_seconds(), "median")
        if band.p90 > band.median:
            levels["nine of ten are faster"] = (band.p90.total_seconds(), "p90")
    said = [
        f"Run {run.pk}, {date_format(run.finished_at or run.created_at, 'j M')}: {_took(run)}" for run in found.runs
    ]
    return {
        "mode": found.mode,
        "word": found.mode.title(),
        "usual": usual(band),
        "runs": [(run, _took(run)) for run in reversed(found.runs)],
        "first": found.runs[0].finished_at if found.runs else None,
        "last": found.runs[-1].finished_at if found.runs else None,
        "drawing": charts.dots(found.seconds, said, levels),
        "median": about(band.median),
        "p90": about(band.p90),
        "enough": band.enough,
    }


def _took(run: Run) -> str:
    return words(run.duration(now=timezone.now()))


def _table(table: SourceTable) -> dict[str, Any]:
    brought = table.brought
    said = [f"Run {each.run.pk}, {each.run.mode}: {number(each.rows)} rows" for each in brought]
    known = [each for each in brought if each.rows is not None]
    return {
        "dataset": table.dataset,
        "address": reverse("admin:ingestion_dataset_change", args=[table.dataset.pk]),
        "columns": table.column_count,
        "sparks": charts.sparks([each.rows for each in brought], said, [each.run.mode for each in brought]),
        "brought": known[::-1],
        "last": known[-1].rows if known else None,
    }


def credentials_of(source: DataSource) -> list[tuple[str, bool | None]]:
    """Each credential that the connector asks for, and whether it is set; None where that cannot be read."""
    manifest = read(source.connector.manifest)
    wanted = [(each.name, each.title) for each in manifest.credentials] if manifest else []
    try:
        kept = source.credentials
    except SealError:
        return [(title, None) for _, title in wanted]
    return [(title, bool(kept.get(name))) for name, title in wanted]
