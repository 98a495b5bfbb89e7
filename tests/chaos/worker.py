"""Worker processes for the chaos tests: the product's actors on a real broker, with one rule switched off on demand.

`python -m tests.chaos.worker [mutant]` boots once; each line that it reads makes a worker process by forking and
answers its pid, so that a killed one is replaced at once. A mutant is what the harness must catch.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

import django

django.setup()

import dramatiq

from ingestion.models import Batch
from ingestion.promotion import grouping, publishing
from runs.lifecycle import working
from runs.models import Task
from runs.stages import extraction


def without_fence() -> None:
    """Writes back name the task alone: neither attempt nor status, in the control rows and in the parts' numbers."""
    working._held = lambda claim: Task.objects.filter(pk=claim.task.pk)
    working.move_task = _forgetting(working.move_task)
    working.queue = _forgetting(working.queue)
    writer = extraction.Writer
    extraction.Writer = lambda destinations, label, attempt, first: writer(
        destinations, label, attempt, first + attempt * 1000
    )


def _forgetting(move: Callable[..., bool]) -> Callable[..., bool]:
    def moved(*arguments: Any, fence: int | None = None, **facts: Any) -> bool:
        return move(*arguments, **facts) or True  # and a worker that is too late does not hear of it

    return moved


def with_a_new_load_for_each_try() -> None:
    """Client batches whose publish was broken off are published again as another load, which the ledger cannot know."""
    taken = grouping.take

    def take(dataset_id: int) -> list[Batch]:
        waiting = grouping.ready(dataset_id).exclude(load=None)
        Batch.objects.filter(pk__in=list(waiting.values_list("pk", flat=True))).update(load=None)
        return taken(dataset_id)

    grouping.take = take


def _slowly(settle: Callable[..., None]) -> Callable[..., None]:
    """A longer moment between a publish and the word of it, so that kills find it."""

    def settled(*arguments: Any) -> None:
        time.sleep(0.2)
        settle(*arguments)

    return settled


publishing.settle = _slowly(publishing.settle)
MUTANTS = {"none": lambda: None, "no_fence": without_fence, "new_load": with_a_new_load_for_each_try}


def main(mutant: str) -> None:
    MUTANTS[mutant]()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the dead are not waited for
    for _ in sys.stdin:
        pid = os.fork()
        if not pid:
            work()
            os._exit(0)
        print(pid, flush=True)


def work() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    broker = dramatiq.get_broker()
    broker.emit_after("process_boot")
    worker = dramatiq.Worker(broker, worker_threads=2, worker_timeout=100)
    worker.start()
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    over.wait()
    worker.stop(timeout=5000)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "none")
