"""A run's log: one short line about each page, retry, part and step, for support engineers. Only ever adds.

Lines wait in memory and are written as one row in the transaction of the checkpoint that they belong to: that costs no
call to a store and no transaction of its own. They hold counts, times and names of tables, never values or addresses.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from connectors.secrets import IN_USE, redact
from runs.models import Level, LogChunk, Run, Task

KEPT = timedelta(days=90)  # after its run has ended
LIMIT = 50_000  # lines of a run; from then on only warnings and errors are kept
LONGEST = 600  # characters
AT_ONCE = 5_000  # lines that wait in memory; more than that were never checkpointed
Line = tuple[float, int, str, str]  # seconds of the calendar, level, code, text


class Lines:
    """What one attempt has to say and has not written yet. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Line] = []

    def info(self, code: str, text: str) -> None:
        self._add(Level.INFO, code, text, time.time())

    def warn(self, code: str, text: str, *, at: float | None = None) -> None:
        self._add(Level.WARNING, code, redact(text, IN_USE.values()), at or time.time())

    def error(self, code: str, text: str) -> None:
        self._add(Level.ERROR, code, redact(text, IN_USE.values()), time.time())

    @contextmanager
    def taken(self) -> Iterator[list[Line]]:
        """The lines to write. They wait again when the writing fails."""
        with self._lock:
            lines, self._waiting = self._waiting, []
        try:
            yield lines
        except BaseException:  # whatever stopped it, nothing was written
            with self._lock:
                self._waiting = [*lines, *self._waiting]
            raise

    def _add(self, level: Level, code: str, text: str, at: float) -> None:
        with self._lock:
            if len(self._waiting) < AT_ONCE:
                self._waiting.append((at, int(level), code, text[:LONGEST]))


def write(run: Run, task: Task, attempt: int, lines: Sequence[Line]) -> int:
    """Write them as one row; answers how many were kept, to be added to the run's count. Call in a transaction."""
    if run.log_line_count >= LIMIT:
        lines = [line for line in lines if line[1] >= Level.WARNING]
    if not lines:
        return 0
    LogChunk.objects.create(
        run=run,
        task=task,
        attempt=attempt,
        line_count=len(lines),
        worst_level=max(line[1] for line in lines),
        last_at=max(line[0] for line in lines),
        lines="\n".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")) for line in lines),
    )
    return len(lines)


def keep(log: Lines, task: Task, attempt: int) -> None:
    """Write what an attempt has left, once it has ended."""
    with log.taken() as lines, transaction.atomic():
        if lines and (run := Run.objects.filter(pk=task.run_id).only("pk", "log_line_count").first()):
            count = write(run, task, attempt, lines)
            Run.objects.filter(pk=run.pk).update(log_line_count=F("log_line_count") + count)


def read(chunk: LogChunk) -> list[Line]:
    return [(float(at), int(level), str(code), str(text)) for at, level, code, text in map(json.loads, _rows(chunk))]


def _rows(chunk: LogChunk) -> list[str]:
    return chunk.lines.split("\n")


def delete_old() -> int:
    """Lines of runs that ended longer ago than they are kept; answers how many rows went. Some at a time."""
    old = LogChunk.objects.filter(run__finished_at__lt=Now() - KEPT).order_by("pk").values_list("pk", flat=True)
    return LogChunk.objects.filter(pk__in=list(old[:AT_ONCE])).delete()[0]
