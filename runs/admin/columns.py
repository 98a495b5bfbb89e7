"""Columns of the list of runs: their headings, what they sort by, and the cells of one row. Cells ask no query."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final

from django.db.models import Case, DurationField, Expression, ExpressionWrapper, F, Value, When
from django.db.models.functions import Coalesce, Now
from django.urls import get_script_prefix, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from runs.models import Level, Run
from runs.reading.durations import Band, bands_of, longer_than, usual
from runs.states import URGENCY, RunStatus
from runs.templatetags.headgate import badge, icon, lasted, level_badge, moment, number, trigger_word

Cell = SafeString | str
NO_BAND = Band()
MARK = '<span class="hg-badge hg-warning hg-late">{}<span>{}</span></span>'
SUB = '{}<span class="hg-sub hg-block">{}</span>'
WITH_WARNINGS = format_html('<span class="hg-sub">{}</span>', "with warnings")
PROGRESS = '<progress class="hg-progress" value="{}" max="{}" aria-label="Tasks ended"></progress> <span class="hg-nowrap">{} / {}</span>'  # noqa: E501
BY_URGENCY = Case(*(When(status=status, then=Value(place)) for place, status in enumerate(URGENCY)))
TOOK = ExpressionWrapper(Coalesce(F("finished_at"), Now()) - F("started_at"), output_field=DurationField())
WORST = F("worst_level") * 1_000_000 + F("message_count")


@lru_cache(maxsize=16)
def _pattern(name: str, prefix: str) -> str:
    return reverse(f"admin:runs_run_{name}", args=[0]).replace("/0/", "/{}/")


def place(pk: int, name: str = "change") -> str:
    """The address of a run's page, or of a verb's: there are two hundred on a page of the list."""
    return _pattern(name, get_script_prefix()).format(pk)


def with_bands(runs: Iterable[Run]) -> list[Run]:
    """The same runs; those at work carry their band. One query for all of them, none where none is at work."""
    shown = list(runs)
    working = [run for run in shown if run.is_open]
    bands = bands_of(working)
    for run in working:
        run.__dict__["band"] = bands[(run.source_id, run.mode)]
    return shown


def band_of_row(run: Run) -> Band:
    band: Band = run.__dict__.get("band", NO_BAND)
    return band


def late(run: Run, *, now: datetime) -> Cell:
    """A mark beside the status of a run that takes longer than nine of ten did."""
    band, passed = band_of_row(run), run.duration(now=now)
    if passed is None or not band.is_long(passed):
        return ""
    return format_html(MARK, icon("timer"), longer_than(band, passed))


def state(run: Run) -> Cell:
    warned = run.status == RunStatus.COMPLETED and run.worst_level >= Level.WARNING
    mark = late(run, now=timezone.now()) if run.is_open else ""
    known = ""
    if run.acknowledged_at:
        known = format_html('<span class="hg-sub hg-block">acknowledged by {}</span>', run.acknowledged_by)
    return format_html("{}{}{}{}", badge(run.status), WITH_WARNINGS if warned else "", mark, known)


def run_id(run: Run) -> Cell:
    return format_html('<a class="hg-link" data-open href="{}">{}</a>', place(run.pk), run.pk)


def trigger(run: Run) -> Cell:
    return " · ".join(filter(None, (trigger_word(run.trigger), run.requested_by)))


def took(run: Run) -> Cell:
    """How long, and what is usual."""
    band = band_of_row(run)
    return format_html(SUB, lasted(run), f"usually {usual(band)}") if band.enough else lasted(run)


def tasks(run: Run) -> Cell:
    counts = (number(run.ended_task_count), number(run.task_count))
    return format_html(PROGRESS, run.ended_task_count, max(run.task_count, 1), *counts)


def rows(run: Run) -> Cell:
    """Rows so far, and of how many: what is usual for its source and type."""
    band = band_of_row(run)
    if not band.enough or not band.usual_rows:
        return number(run.row_count)
    return format_html(SUB, number(run.row_count), f"of ~{number(band.usual_rows)}")


def messages(run: Run) -> Cell:
    told = level_badge(run.worst_level, run.message_count)
    if not run.message_count:
        return told
    return format_html('<a class="hg-told" href="{}?tab=messages">{}</a>', place(run.pk), told)


@dataclass(frozen=True, kw_only=True)
class Column:
    """`order` is what it sorts by, what is missing last; None for a column that does not sort."""

    name: str
    title: str
    cell: Callable[[Run], Cell]
    order: Expression | F | None = None
    hint: str = ""


COLUMNS: Final[tuple[Column, ...]] = (
    Column(name="state", title="Status", cell=state, order=BY_URGENCY, hint="By urgency: failed first, completed last"),
    Column(name="run_id", title="Run id", cell=run_id, order=F("pk")),
    Column(name="data_source", title="Data source", cell=lambda run: run.source.name, order=F("source__name")),
    Column(name="type", title="Type", cell=lambda run: run.get_mode_display(), order=F("mode")),
    Column(name="trigger", title="Trigger / by", cell=trigger, order=F("trigger")),
    Column(name="started", title="Started", cell=lambda run: moment(run.started_at), order=F("started_at")),
    Column(name="completed", title="Completed", cell=lambda run: moment(run.finished_at), order=F("finished_at")),
    Column(name="took", title="Duration", cell=took, order=TOOK, hint="Runs at work by the time until now"),
    Column(name="tasks", title="Tasks", cell=tasks, order=F("task_count")),
    Column(name="rows", title="Rows", cell=rows, order=F("row_count")),
    Column(
        name="messages", title="Messages", cell=messages, order=WORST, hint="By the worst of them, then their number"
    ),
)
BY_NAME: Final = {column.name: column for column in COLUMNS}


@dataclass(frozen=True, kw_only=True)
class Heading:
    """One heading: a link that sorts, or turns the order round; `sorted` is a word of aria-sort."""

    column: Column
    address: str
    sorted: str


def headings(order: str, link: Callable[[str], str]) -> list[Heading]:
    """`order` is a column's name, with a minus where it is turned round."""
    said = {"": "none", "-": "descending", "+": "ascending"}
    name, way = order.lstrip("-"), "-" if order.startswith("-") else "+"
    return [
        Heading(
            column=column,
            address=link(f"-{column.name}" if column.name == name and way == "+" else column.name),
            sorted=said[way if column.name == name else ""],
        )
        for column in COLUMNS
    ]


def cells(run: Run) -> SafeString:
    """All cells of a row; the one with the id is its heading."""
    text = '<{} class="field-{}" data-label="{}">{}</{}>'
    marks = {"run_id": 'th scope="row"'}
    drawn = ((SafeString(marks.get(c.name, "td")), c.name, c.title, c.cell(run), "th" if c.name in marks else "td") for c in COLUMNS)  # fmt: skip # noqa: E501
    return format_html_join("", text, drawn)
