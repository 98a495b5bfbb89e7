"""A pool of child processes that read uploaded files. One that dies, hangs or grows is killed and replaced, and its
file gets a problem in words; nothing that a file does reaches the worker.
"""

import atexit
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final, Self

from ingestion.checking import codes
from ingestion.checking.base import CheckReport, CheckRequest, FileProblem, Preview
from ingestion.checking.codes import FileCode
from ingestion.checking.sizes import spoken
from ingestion.checking.supervision import Child, Ended, memory_of
from ingestion.checking.wire import Answer, Ask

RECYCLE_AFTER: Final = 500  # files
GROWN: Final = 256 << 20  # bytes that an idle child may hold


class Pool:
    """Shared by the threads of a worker; children start when they are needed. A fork has a pool of its own."""

    def __init__(self, size: int = 1, *, recycle_after: int = RECYCLE_AFTER) -> None:
        self._size, self._recycle_after = size, recycle_after
        self._reset()
        atexit.register(self.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def check(self, request: CheckRequest) -> CheckReport:
        """Like `checking.check`, in a child. Whatever happens there is a report; waits while all children work."""
        answer = self._ask(Ask(request=request))
        return answer if isinstance(answer, CheckReport) else CheckReport(problem=_problem(answer, request))

    def preview(self, request: CheckRequest, rows: int) -> Preview:
        """Like `checking.preview`, in a child."""
        answer = self._ask(Ask(request=request, rows=rows))
        return (
            answer if isinstance(answer, Preview) else Preview(columns=(), rows=(), problem=_problem(answer, request))
        )

    @property
    def pids(self) -> list[int]:
        """The process ids of its children, idle and at work."""
        with self._lock:
            return sorted(child.pid for child in self._children)

    def close(self) -> None:
        """End all children that are idle, and those at work when they are done."""
        with self._lock:
            self._is_closed = True
            idle = list(self._idle)
            self._idle.clear()
        if os.getpid() == self._pid:
            for child in idle:
                self._let_go(child, Child.end)
            self._starter.shutdown(wait=False)

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._slots = threading.Semaphore(self._size)
        self._idle: list[Child] = []
        self._children: set[Child] = set()
        self._is_closed = False
        # The kernel kills a child when the thread that started it ends: one thread that lives as long as the pool.
        self._starter = ThreadPoolExecutor(1, "headgate-checking")

    def _ask(self, ask: Ask) -> CheckReport | Preview | Ended | str:
        if os.getpid() != self._pid:
            self._reset()
        with self._slots:
            found = self._asked(ask)
            if isinstance(found, Ended) and not found.had_begun:  # it had died while it was idle
                found = self._asked(ask)
        return found if isinstance(found, Ended) else found.report or found.preview or found.failure

    def _asked(self, ask: Ask) -> Answer | Ended:
        child = self._taken()
        try:
            answer = child.ask(ask)
        except Ended as ended:
            self._let_go(child, Child.kill)
            return ended
        except BaseException:  # an answer may come that nobody waits for any more
            self._let_go(child, Child.kill)
            raise
        self._give_back(child)
        return answer

    def _taken(self) -> Child:
        with self._lock:
            while self._idle:
                child = self._idle.pop()
                if child.is_alive:
                    return child
                self._children.discard(child)
                child.kill()
        child = self._starter.submit(Child).result()
        with self._lock:
            self._children.add(child)
        return child

    def _give_back(self, child: Child) -> None:
        is_worn = child.served >= self._recycle_after or memory_of(child.pid) > GROWN
        with self._lock:
            if not (is_worn or self._is_closed):
                self._idle.append(child)
                return
        self._let_go(child, Child.end)

    def _let_go(self, child: Child, how: Callable[[Child], None]) -> None:
        how(child)
        with self._lock:
            self._children.discard(child)


def _problem(ended: Ended | Answer | str | CheckReport | Preview, request: CheckRequest) -> FileProblem:
    """Why there is no answer, in words."""
    if not isinstance(ended, Ended):
        return codes.READER_FAILED.problem(name=request.name, why=ended)
    code: FileCode = codes.ENDINGS[ended.cause]
    limits = request.limits
    expected = spoken(limits.memory) if ended.cause == "memory" else f"{limits.seconds:g} seconds"
    made = code.problem(name=request.name, expected=expected, why=ended.why)
    return replace(made, retry=code.retry)
