"""Random kill -9 and pauses of workers while runs go through, then a check of every row. Prints one JSON line.

`python -m tests.chaos.kills --runs 20 --kills 30 --pauses 8 --seed 1 [--mutant no_fence]`; exits 1 when a row is lost,
duplicated or wrong, a run is stuck or not completed, or fewer faults than asked were injected.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import Any

from tests.chaos.house import LEASE, MANIFEST, ROOT, Crew, house

PAUSE_BEYOND_LEASE = 0.8  # long enough to lose the task, short enough to come back while another works on it
PATIENCE = 60  # seconds after the last fault by which every run must have ended


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--pauses", type=int, default=8)
    parser.add_argument("--sources", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mutant", default="none")
    options = parser.parse_args()
    with house() as api:
        os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
        import django

        django.setup()
        from tests.chaos.story import Story

        story = Story(api.url, MANIFEST, sources=options.sources, runs=options.runs)
        crew = Crew(options.mutant)
        sweeper = subprocess.Popen([sys.executable, "manage.py", "sweep"], cwd=ROOT)
        try:
            crew.start()
            started = time.monotonic()
            _trouble(crew, story, random.Random(options.seed), kills=options.kills, pauses=options.pauses)
            last_fault = time.monotonic()
            while not story.advance() and time.monotonic() - last_fault < PATIENCE:
                time.sleep(0.2)
            facts = {
                "recovered_after_s": round(time.monotonic() - last_fault, 1),
                "seconds": round(time.monotonic() - started),
            }
        finally:
            crew.stop()
            sweeper.terminate()
            sweeper.wait()
        answer = {"kills": crew.kills, "pauses": crew.pauses, "mutant": options.mutant} | facts | story.verdict()
        enough = crew.kills >= options.kills and crew.pauses >= options.pauses and answer["runs"] >= options.runs
        print(json.dumps(answer | {"enough_faults": enough}), flush=True)
        return 0 if enough and not answer["wrong"] else 1


def _trouble(crew: Crew, story: Any, dice: random.Random, *, kills: int, pauses: int) -> None:
    """Inject the faults in a random order, spread over the runs, which the story keeps coming."""
    faults = ["kill"] * kills + ["pause"] * pauses
    dice.shuffle(faults)
    paused: list[tuple[float, int]] = []
    for fault in faults:
        story.advance()
        index = _victim(crew, story, dice, frozen={pid for _, pid in paused})
        if fault == "kill":
            crew.kill(index)
        else:
            paused.append((time.monotonic() + LEASE + PAUSE_BEYOND_LEASE, crew.pause(index)))
        end = time.monotonic() + dice.uniform(0.5, 1.6)
        while time.monotonic() < end:
            story.advance()
            paused = [pair for pair in paused if not _resumed(*pair)]
            time.sleep(0.1)
    time.sleep(max([0.0, *(when - time.monotonic() for when, _ in paused)]))
    for pair in paused:
        _resumed(*pair)


def _victim(crew: Crew, story: Any, dice: random.Random, *, frozen: set[int]) -> int:
    """Mostly a worker that holds a task: a fault that hits nobody's work tests nothing."""
    awake = [pid for pid in crew.members if pid not in frozen] or crew.members
    busy = [pid for pid in story.busy_workers() if pid in awake]
    return crew.members.index(dice.choice(busy if busy and dice.random() < 0.8 else awake))


def _resumed(when: float, pid: int) -> bool:
    """Let a paused worker go on once it is time; it does not know that any has passed."""
    if time.monotonic() < when:
        return False
    with suppress(ProcessLookupError):  # killed meanwhile
        os.kill(pid, signal.SIGCONT)
    return True


if __name__ == "__main__":
    raise SystemExit(main())
