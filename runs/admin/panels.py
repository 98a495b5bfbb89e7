"""The panels of a run's page: tasks, tables, messages, history; those for engineers are in `inside`. Each asks a fixed
number of queries."""

from dataclasses import dataclass
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import Case, F, QuerySet, Value, When
from django.utils import timezone

from ingestion.models import Batch
from runs.admin.inside import INSIDE
from runs.admin.view import View
from runs.lifecycle.caring import WORDS as CARE_WORDS
from runs.models import Event, Message, Run, TableLoad, Task
from runs.reading.bars import chart_of
from runs.reading.chains import Chain, chains_of
from runs.reading.durations import about
from runs.reading.grouping import groups_of
from runs.reading.stages import SILENT
from runs.reading.timeline import Scale, lanes_of
from runs.search import matching, rule_that_matched
from runs.stages.telling import change_words
from runs.states import KIND_WORDS, RUN_WORDS, TASK_WORDS, TaskStatus

TASKS_PER_PAGE, MESSAGES_PER_PAGE, EVENTS_PER_PAGE, LANES_PER_PAGE = 100, 100, 200, 50
GROUPED_FROM = 200  # tasks; a run with more shows them by kind first
LANE_HEIGHT = 30  # pixels, as in the stylesheet
PLACE = Case(  # failed, running without a sign of life, running, waiting, the rest
    When(status=TaskStatus.FAILED, then=Value(0)),
    When(SILENT, then=Value(1)),
    When(status=TaskStatus.RUNNING, then=Value(2)),
    When(status=TaskStatus.QUEUED, then=Value(3)),
    When(status=TaskStatus.WAITING, then=Value(4)),
    default=Value(5),
)
TASK_ORDER = (PLACE, F("started_at").asc(nulls_last=True), "pk")


@dataclass(frozen=True, kw_only=True)
class TaskRow:
    """One line of the task table, with the panel that is open below it."""

    task: Task
    silent: bool  # running, but its worker has given no sign of life
    first_failure: bool
    rule: str  # why the search found it
    tables: list[TableLoad] | None
    messages: list[Message] | None

    @property
    def is_open(self) -> bool:
        return self.tables is not None or self.messages is not None


@dataclass(frozen=True, kw_only=True)
class TableRow:
    """One table: the chain of its counts, and how its columns change."""

    chain: Chain
    changes: tuple[str, ...]

    @property
    def batch(self) -> Batch:
        return self.chain.batch


def panel(run: Run, view: View, first_failure: Task | None) -> dict[str, Any]:
    """What the open tab shows, for its template."""
    builders = {"tables": _tables, "timeline": _timeline, "messages": _messages, "history": _history, **INSIDE}
    return builders[view.tab](run, view) if view.tab in builders else _tasks(run, view, first_failure)


def _tasks(run: Run, view: View, first_failure: Task | None) -> dict[str, Any]:
    found: QuerySet[Task] = run.tasks.annotate(silent=Case(When(SILENT, then=True), default=False))
    if view.kinds:
        found = found.filter(kind__in=view.kinds)
    if view.q:
        found = matching(found, view.q, run_id=run.pk)
    page = Paginator(found.order_by(*TASK_ORDER), TASKS_PER_PAGE).get_page(view.page)
    failed = first_failure.pk if first_failure else 0
    rows = [_task_row(task, view, failed) for task in page]
    many = run.task_count > GROUPED_FROM and not (view.kinds or view.q)
    return {"rows": rows, "page": page, "by_kind": many, "kind_words": [KIND_WORDS[kind] for kind in view.kinds]}


def _task_row(task: Any, view: View, first_failure: int) -> TaskRow:
    opened = {"task": task, "silent": task.silent, "first_failure": task.pk == first_failure}
    return TaskRow(
        **opened,
        rule=rule_that_matched(task, view.q) or "" if view.q else "",
        tables=list(task.tables.all()) if view.tables == task.pk else None,
        messages=list(task.messages.all()[:MESSAGES_PER_PAGE]) if view.messages == task.pk else None,
    )


def _tables(run: Run, view: View) -> dict[str, Any]:
    chains = chains_of(run)
    rows = [TableRow(chain=chain, changes=tuple(map(change_words, chain.batch.changes))) for chain in chains.rows]
    return {"rows": rows, "compared_with": chains.compared_with, "chart": chart_of(chains)}


def _timeline(run: Run, view: View) -> dict[str, Any]:
    now = timezone.now()
    scale = Scale.of(run, now=now)
    tasks = run.tasks.defer("partition", "checkpoint", "output").order_by(F("started_at").asc(nulls_last=True), "pk")
    page = _page(tasks, LANES_PER_PAGE, view)
    lanes = lanes_of(page.object_list, scale, now=now)
    height = len(lanes) * LANE_HEIGHT
    ticks = [(place, about(passed)) for place, passed in scale.ticks()]
    placed = [(number * LANE_HEIGHT, lane) for number, lane in enumerate(lanes)]
    return {"lanes": placed, "page": page, "ticks": ticks, "height": height, "scale": scale}


def _messages(run: Run, view: View) -> dict[str, Any]:
    """By kind; or, where one kind was chosen, its messages one by one."""
    if not view.group:
        groups, page = groups_of(run, page=view.page)
        return {"groups": groups, "page": page}
    messages = run.messages.filter(fingerprint=view.group).select_related("task").order_by("-last_at", "-pk")
    return {"page": _page(messages, MESSAGES_PER_PAGE, view)}


def _history(run: Run, view: View) -> dict[str, Any]:
    page = _page(run.events.select_related("task").order_by("-pk"), EVENTS_PER_PAGE, view)
    return {"page": page, "rows": [(event, *_moved(event)) for event in page]}


def _moved(event: Event) -> tuple[str, str]:
    words = TASK_WORDS if event.task_id else RUN_WORDS
    return words.get(event.before, "new"), words.get(event.after) or CARE_WORDS.get(event.after, event.after)


def _page(queryset: QuerySet[Any], size: int, view: View) -> Page[Any]:
    return Paginator(queryset, size).get_page(view.page)
