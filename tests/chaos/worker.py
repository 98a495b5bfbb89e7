"""Worker processes for the chaos tests: the product's actors on a real broker, with one rule switched off on demand.

`python -m tests.chaos.worker [mutant]` boots once; each line that it reads, "work" or "sweep", makes a process by
forking and answers its pid, so that a killed one is replaced at once. A mutant is what the harness must catch.
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
from django.conf import settings

from ingestion.promotion import publishing
from runs.local import sweep_until
from runs.stages import completion
from tests.chaos import mutants, points
from tests.chaos.mutants import MUTANTS


def _slowly(settle: Callable[..., Any]) -> Callable[..., Any]:
    """A longer moment between a publish and the word of it, so that kills find it."""

    def settled(*arguments: Any) -> Any:
        time.sleep(0.2)
        return settle(*arguments)

    return settled


publishing.settle = _slowly(publishing.settle)
completion.settle_published = _slowly(completion.settle_published)


def main(mutant: str) -> None:
    MUTANTS[mutant]()
    points.install()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the dead are not waited for
    for role in sys.stdin:
        pid = os.fork()
        if not pid:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.environ["PGAPPNAME"] = (
                f"worker {os.getpid()}"  # so that the control database can say whose session is whose
            )
            ROLES[role.strip() or "work"]()
            os._exit(0)
        print(pid, flush=True)


def work() -> None:
    broker = dramatiq.get_broker()
    broker.emit_after("process_boot")
    worker = dramatiq.Worker(broker, worker_threads=2, worker_timeout=100)
    worker.start()
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    over.wait()
    worker.stop(timeout=mutants.STOP_MS)


def sweep() -> None:
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    sweep_until(over, settings.SWEEP_SECONDS)


ROLES: dict[str, Callable[[], None]] = {"work": work, "sweep": sweep}


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "none")
