"""When each task of a run waited and worked, attempt by attempt, from the history. Two queries for a page of tasks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from runs.models import Event, Run, Task
from runs.states import TASK_WORDS, TaskStatus

STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 604800)
TICKS = 6  # at most, beside the one at zero
THINNEST = 0.25  # percent of the width: a shorter span is drawn so wide, to be seen at all


@dataclass(frozen=True, kw_only=True)
class Span:
    """A wait, or one attempt. `left` and `width` are percent of the whole; `ended_as` is "" while it goes on."""

    kind: str  # wait | work
    attempt: int  # 0 for a wait
    began: datetime
    ended: datetime
    ended_as: str
    reason: str
    left: float
    width: float

    @property
    def lasted(self) -> timedelta:
        return self.ended - self.began

    @property
    def look(self) -> str:
        """What it is drawn as: an attempt that did not end well looks different, by more than its colour."""
        if self.kind == "wait":
            return "wait"
        return {"": "running", TaskStatus.COMPLETED: "completed"}.get(self.ended_as, "lost")


@dataclass(frozen=True, kw_only=True)
class Lane:
    """One task with its spans."""

    task: Task
    spans: Sequence[Span]

    @property
    def waited(self) -> timedelta:
        return sum((span.lasted for span in self.spans if span.kind == "wait"), timedelta())

    @property
    def worked(self) -> timedelta:
        return sum((span.lasted for span in self.spans if span.kind == "work"), timedelta())

    @property
    def attempts(self) -> list[Span]:
        return [span for span in self.spans if span.kind == "work"]


@dataclass(frozen=True, kw_only=True)
class Scale:
    """The time that the drawing covers."""

    began: datetime
    seconds: float

    @classmethod
    def of(cls, run: Run, *, now: datetime) -> Scale:
        ended = run.finished_at or now
        return cls(began=run.created_at, seconds=max((ended - run.created_at).total_seconds(), 1.0))

    def place(self, moment: datetime) -> float:
        share = (moment - self.began).total_seconds() / self.seconds * 100
        return round(min(max(share, 0.0), 100.0), 3)

    def ticks(self) -> list[tuple[float, timedelta]]:
        """Round times after the beginning, each with its place."""
        step = next((step for step in STEPS if self.seconds / step <= TICKS), STEPS[-1])
        count = min(int(self.seconds // step), 4 * TICKS)
        return [(round(step * n / self.seconds * 100, 3), timedelta(seconds=step * n)) for n in range(count + 1)]


def lanes_of(tasks: Iterable[Task], scale: Scale, *, now: datetime) -> list[Lane]:
    """The lanes of these tasks, in their order."""
    tasks = list(tasks)
    fields = ("task_id", "after", "reason", "at")
    rows = Event.objects.filter(task__in=tasks).order_by("task_id", "pk").values_list(*fields)
    moves = {task: list(found) for task, found in groupby(rows, key=lambda row: row[0])}
    return [Lane(task=task, spans=_spans(task, moves.get(task.pk, []), scale, now=now)) for task in tasks]


Move = tuple[int | None, str, str, datetime]


def _spans(task: Task, moves: Sequence[Move], scale: Scale, *, now: datetime) -> list[Span]:
    if not any(after in (TaskStatus.QUEUED, TaskStatus.RUNNING) for _, after, _, _ in moves):
        return _without_history(task, scale, now=now)
    found: list[Span] = []
    attempt = 0
    moves = [move for move in moves if move[1] in TASK_WORDS]  # a late attempt that was turned away moved nothing
    for (_, state, _, began), following in zip(moves, [*moves[1:], None], strict=True):
        if state not in (TaskStatus.QUEUED, TaskStatus.RUNNING):
            continue
        attempt += state == TaskStatus.RUNNING
        number = attempt if state == TaskStatus.RUNNING else 0
        end, why = (following[1], following[2]) if following else ("", "")
        found.append(_span(scale, number, began, following[3] if following else now, end, why))
    return found


def _without_history(task: Task, scale: Scale, *, now: datetime) -> list[Span]:
    """A task that was worked before its moves were kept, or whose moves are gone: what its own row knows."""
    if task.started_at is None:
        return []
    ended = str(task.status) if task.finished_at else ""
    return [_span(scale, max(task.attempt, 1), task.started_at, task.finished_at or now, ended, "")]


def _span(scale: Scale, attempt: int, began: datetime, ended: datetime, end: str, why: str) -> Span:
    left = scale.place(began)
    width = min(max(scale.place(ended) - left, THINNEST), 100.0)
    return Span(
        kind="work" if attempt else "wait",
        attempt=attempt,
        began=began,
        ended=ended,
        ended_as=end,
        reason=why,
        left=min(left, 100.0 - width),
        width=round(width, 3),
    )
