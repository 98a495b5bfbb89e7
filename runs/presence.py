"""Each worker process says every quarter of a minute that it is there, idle or not; others ask here who was seen.
Nothing is decided by it: leases say who owns a task."""

from __future__ import annotations

import logging
import os
import socket
import threading
import tomllib
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from django.db import Error, close_old_connections, connection
from django.db.models.functions import Now
from dramatiq.middleware import Middleware

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from runs.models import Worker

# The broker is made before the models are there, so that what reads them is imported by the words that need it.

log = logging.getLogger(__name__)
EVERY: Final = 15.0  # seconds
LATELY: Final = timedelta(minutes=1)
FORGOTTEN: Final = timedelta(minutes=2)


def own_name() -> str:
    """What this process is known as; the workers that tasks name begin with it."""
    return f"{socket.gethostname()}:{os.getpid()}"


def seen() -> QuerySet[Worker]:
    """The worker processes of the last minute, by name."""
    from runs.models import Worker

    return Worker.objects.filter(at__gt=Now() - LATELY)


def forget_silent() -> int:
    """Delete the rows of processes that ended without a word; answers how many."""
    from runs.models import Worker

    return Worker.objects.filter(at__lt=Now() - FORGOTTEN).delete()[0]


def say(*, queues: list[str], threads: int) -> None:
    """One statement: this process is there, now."""
    from runs.models import Worker

    Worker.objects.bulk_create(
        [Worker(name=own_name(), at=Now(), queues=queues, threads=threads, version=version())],
        update_conflicts=True,
        unique_fields=["name"],
        update_fields=["at", "queues", "threads", "version"],
    )


def say_good_bye() -> None:
    from runs.models import Worker

    Worker.objects.filter(name=own_name()).delete()


def queues_of(broker: Any) -> set[str]:
    """The queues that actors have; without those of delays, which some brokers name beside them."""
    return {actor.queue_name for actor in broker.actors.values()}


@cache
def version() -> str:
    """Of this product, as its project file has it; "" where it was installed without one."""
    try:
        told = tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text())
    except FileNotFoundError:
        return ""
    return str(told["project"]["version"])


class Presence(Middleware):
    """For worker processes, the embedded one too: a small thread from boot until it is told to stop."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def after_worker_boot(self, broker: Any, worker: Any) -> None:
        queues = sorted(worker.consumer_whitelist or queues_of(broker))
        self._over = threading.Event()
        self._thread = threading.Thread(
            target=_stay, args=(self._over, queues, worker.worker_threads), name="presence", daemon=True
        )
        self._thread.start()

    def before_worker_shutdown(self, *_: Any) -> None:
        if self._thread:
            self._over.set()
            self._thread.join(EVERY)
            self._thread = None


def _stay(over: threading.Event, queues: list[str], threads: int) -> None:
    while not over.is_set():
        _try(lambda: say(queues=queues, threads=threads))
        over.wait(EVERY)
    _try(say_good_bye)


def _try(word: Callable[[], None]) -> None:
    """A database that is away is waited for; no connection is held until the next word."""
    close_old_connections()
    try:
        word()
    except Error as error:
        log.warning("this worker could not say that it is there: %s", type(error).__name__)
    finally:
        connection.close()
