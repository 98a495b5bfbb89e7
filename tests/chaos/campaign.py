"""A whole house under load: servers, workers, a sweeper and runs that keep coming, for scenarios that break a part."""

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from tests.chaos.house import LEASE, MANIFEST, NOTHING, Crew, Servers, servers
from tests.chaos.scenario import Answer, Options, set_up_django

STUCK_S = 60.0  # without any move of any run or task: a run that is open then is stuck


@dataclass
class Campaign:
    """What a scenario has in its hands. `story` starts the runs and judges them."""

    servers: Servers
    crew: Crew
    story: Any
    answer: Answer

    def go_on(self, seconds: float, *, meanwhile: Callable[[], object] = lambda: None) -> None:
        """Let runs come and go for a while."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.story.advance()
            meanwhile()
            time.sleep(0.1)

    def go_on_until(self, seen: Callable[[], bool], *, at_most: float) -> bool:
        """Let runs come and go, more of them than were asked for if need be, until something has happened; answers
        whether it has."""
        end = time.monotonic() + at_most
        while not seen() and time.monotonic() < end:
            self.story.left = max(self.story.left, 1)
            self.go_on(0.02)
        return seen()

    def finish(self, *, stuck_after: float = STUCK_S, meanwhile: Callable[[], object] = lambda: None) -> None:
        """Start no more, wait until every run has ended or nothing has moved for long, and judge all of it. Recovery
        is the time from here to the end of the last run, its ordinary work included."""
        self.story.left = 0
        began = moved = time.monotonic()
        seen = -1
        while not self.story.advance() and time.monotonic() - moved < stuck_after:
            meanwhile()
            time.sleep(0.1)
            if (count := self.story.moves()) != seen:
                seen, moved = count, time.monotonic()
        self.answer.recovery_s = round(time.monotonic() - began, 1)
        verdict = self.story.verdict()
        self.answer.wrong += verdict.pop("wrong")
        self.answer.facts |= verdict

    def victim(self, dice: random.Random, *, sparing: set[int], always_busy: bool = False) -> int:
        """Mostly a worker that holds a task: a fault that hits nobody's work tests nothing."""
        awake = [pid for pid in self.crew.members if pid not in sparing] or self.crew.members
        held = self.story.held()
        busy = [pid for pid in held if pid in awake]
        pid = dice.choice(busy if busy and (always_busy or dice.random() < 0.85) else awake)
        self.story.aimed.update(held.get(pid, ["nothing"]))
        return self.crew.members.index(pid)


@contextmanager
def campaign(
    options: Options,
    *,
    runs: int,
    sources: int = 4,
    size: int = 4,
    sweeper: bool = True,
    manifest: str = MANIFEST,
    credentials: Mapping[str, str] | None = None,
    environment: Mapping[str, str] = NOTHING,
    **of_servers: Any,
) -> Iterator[Campaign]:
    """Everything started, and taken down at the end whatever happened."""
    with servers(environment=environment, **of_servers) as found:
        set_up_django({})
        from tests.chaos.story import TOKEN, Story

        story = Story(found.api.url, manifest, sources=sources, runs=runs, credentials=credentials or TOKEN)
        crew = Crew(options.mutant, size=size)
        try:
            crew.start()
            if sweeper:
                crew.start_sweeper()
            yield Campaign(servers=found, crew=crew, story=story, answer=Answer())
        finally:
            crew.stop()


class Pauses:
    """Workers that are frozen now. Each goes on by a timer: who waits for what it holds must not have to wake it."""

    def __init__(self, seconds: float = LEASE + 3.0) -> None:
        self.seconds = seconds
        self.timers: dict[int, threading.Timer] = {}

    @property
    def pids(self) -> set[int]:
        return {pid for pid, timer in self.timers.items() if timer.is_alive()}

    def add(self, pid: int) -> None:
        self.timers[pid] = threading.Timer(self.seconds, _go_on, [pid])
        self.timers[pid].start()

    def wait(self) -> None:
        for timer in self.timers.values():
            timer.join()


def _go_on(pid: int) -> None:
    """It does not know that any time has passed."""
    with suppress(ProcessLookupError):  # killed meanwhile
        os.kill(pid, signal.SIGCONT)
