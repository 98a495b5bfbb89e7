"""Reading a run's log: the newest lines first in pages, filtered by level, task and text; and all of it as text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from runs import runlog
from runs.models import Level, LogChunk, Run, Task
from runs.reading.redaction import Censor

LINES_PER_PAGE = 500
MOST_TASKS = 300  # to choose from


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which lines: from this level on, of this task, with this text; nothing asks for all."""

    level: int = 0
    task: int = 0
    find: str = ""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line. `key` tells it from all others of the run."""

    key: str
    at: datetime
    level: int
    code: str
    text: str
    task: int
    attempt: int

    @property
    def level_word(self) -> str:
        return Level(self.level).label


@dataclass(frozen=True, kw_only=True)
class Tail:
    """One page of lines, the oldest first as one reads; `older` says whether there are more before them."""

    entries: list[Entry]
    older: bool


def tail(run: Run, wanted: Wanted, *, page: int = 1) -> Tail:
    """Page 1 is the newest. Reads no more chunks than it needs to be sure of the order."""
    need = page * LINES_PER_PAGE + 1
    found: list[Entry] = []
    for chunk in _chunks(run, wanted, "-last_at", "-pk"):
        if len(found) >= need:
            found.sort(key=_place, reverse=True)
            if found[need - 1].at.timestamp() > chunk.last_at:
                break
        found += _entries(chunk, wanted)
    found.sort(key=_place, reverse=True)
    shown = found[need - 1 - LINES_PER_PAGE : need - 1]
    return Tail(entries=shown[::-1], older=len(found) >= need)


def whole(run: Run, wanted: Wanted) -> Iterator[str]:
    """All lines as text, the oldest first. The log is bounded (`runlog.LIMIT`), so it is sorted in memory."""
    entries = [entry for chunk in _chunks(run, wanted, "pk") for entry in _entries(chunk, wanted)]
    names = dict(run.tasks.values_list("pk", "name"))
    for entry in sorted(entries, key=_place):
        where = f"T{entry.task} {names.get(entry.task, '')} #{entry.attempt}"
        yield f"{entry.at:%Y-%m-%dT%H:%M:%S.%fZ} {entry.level_word.upper():7} {where}: {entry.text}\n"


def tasks_in(run: Run) -> list[Task]:
    """The tasks that have said something, to choose one."""
    said = LogChunk.objects.filter(run=run).values("task")
    return list(run.tasks.filter(pk__in=said).only("pk", "name").order_by("pk")[:MOST_TASKS])


def _chunks(run: Run, wanted: Wanted, *order: str) -> Iterator[LogChunk]:
    chunks = LogChunk.objects.filter(run=run, worst_level__gte=wanted.level)
    if wanted.task:
        chunks = chunks.filter(task=wanted.task)
    return chunks.order_by(*order).iterator(chunk_size=100)


def _entries(chunk: LogChunk, wanted: Wanted) -> Iterator[Entry]:
    needle, censor = wanted.find.casefold(), Censor()
    for number, (at, level, code, text) in enumerate(runlog.read(chunk)):
        if level >= wanted.level and (not needle or needle in text.casefold()):
            yield Entry(
                key=f"{chunk.pk}-{number}",
                at=datetime.fromtimestamp(at, UTC),
                level=level,
                code=code,
                text=censor.text(text),
                task=chunk.task_id,
                attempt=chunk.attempt,
            )


def _place(entry: Entry) -> tuple[datetime, int, int]:
    chunk, _, number = entry.key.partition("-")
    return entry.at, int(chunk), int(number)
