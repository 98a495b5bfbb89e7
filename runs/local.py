"""Workers inside this process: for the embedded profile, where one process owns the warehouse file, and for commands
that work a run to its end when no server is running."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from time import monotonic, sleep

import dramatiq
from django.conf import settings
from django.db import Error, close_old_connections, connection

from runs.models import Run
from runs.shutdown import shutting_down
from runs.states import RUN_ENDED
from runs.upkeep import say_good_bye, sweep, tidy

log = logging.getLogger(__name__)


@cache
def boot() -> None:
    """Start the broker's own threads (time limits), which a worker in a process of ours does not: once a process."""
    dramatiq.get_broker().emit_after("process_boot")


@contextmanager
def workers(*, threads: int | None = None, sweep_every: float | None = None) -> Iterator[None]:
    """Workers and a sweeper in threads of this process, until the context ends; then they stop at a page."""
    broker = dramatiq.get_broker()
    boot()
    worker = dramatiq.Worker(broker, worker_threads=threads or settings.WORKER_THREADS, worker_timeout=50)
    over = threading.Event()
    sweeper = threading.Thread(
        target=sweep_until, args=(over, sweep_every or settings.SWEEP_SECONDS), name="sweeper", daemon=True
    )
    shutting_down.clear()
    worker.start()
    sweeper.start()
    try:
        yield
    finally:
        shutting_down.set()
        over.set()
        worker.stop(timeout=20_000)
        sweeper.join(20)
        say_good_bye()
        shutting_down.clear()


def sweep_until(over: threading.Event, every: float) -> None:
    """Sweep until told to stop. A database that is away is waited for; of any other trouble the log tells."""
    tidied = monotonic()
    try:
        while True:
            close_old_connections()
            try:
                found = sweep()
                if monotonic() - tidied > settings.TIDY_SECONDS:
                    tidied = monotonic()
                    found += tidy()
            except Error as error:
                log.warning("the sweep could not reach the database: %s", type(error).__name__)
            except Exception:  # whatever it is, the next look must come
                log.exception("the sweep failed; it goes on")
            else:
                if any(found.values()):
                    log.info("sweep: %s", dict(found))
            if over.wait(every):
                return
    finally:
        connection.close()


def wait_for(run_id: int, *, seconds: float, every: float = 0.05) -> Run:
    """Wait until a run has ended; answers it as it is when the time is up."""
    end = monotonic() + seconds
    while True:
        run = Run.objects.select_related("source").get(pk=run_id)
        if run.status in RUN_ENDED or monotonic() > end:
            return run
        sleep(every)
