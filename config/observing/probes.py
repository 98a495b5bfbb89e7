"""Whether what this process stands on can be reached: database, migrations, broker, store, warehouse. Writes nothing.

Answers hold for a few seconds, so that asking often costs nothing, and say neither names of hosts nor secrets.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from time import monotonic
from typing import Any, Final

import redis
from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from redis.backoff import NoBackoff
from redis.retry import Retry

from ingestion.rooms import store, warehouse

WITHIN: Final = 2.0  # seconds for each; they are asked side by side
HOLDS: Final = 5.0
ADVICE: Final[Mapping[str, str]] = {
    "database": "Look at DATABASE_URL and at the server it names.",
    "migrations": "Run manage.py migrate, once, before the new version is started.",
    "broker": "Look at REDIS_URL and at the server it names. Runs go on from the database, with delays, meanwhile.",
    "store": "Look at STAGING_URL, its credentials, and the bucket or folder it names.",
    "warehouse": "Look at WAREHOUSE_URL and at the warehouse it names; manage.py doctor says more.",
}


class NotMigrated(Exception):
    """Migrations are waiting to be applied."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """What one probe found."""

    name: str
    ok: bool
    seconds: float
    problem: str = ""
    advice: str = ""

    def to_json(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value != ""}


def database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def migrations() -> None:
    """Applied ones are never unapplied while a process runs, so that once is enough."""
    if not _migrated.is_set():
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            raise NotMigrated
        _migrated.set()


_migrated = threading.Event()


def impatient(url: str) -> redis.Redis:
    """A client that waits two seconds at most and tries nothing twice."""
    return redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2, retry=Retry(NoBackoff(), 0))


@cache
def _redis(url: str) -> redis.Redis:
    return impatient(url)


def broker() -> None:
    if settings.REDIS_URL:
        _redis(settings.REDIS_URL).ping()


def reach_store() -> None:
    next(iter(store().list("health")), None)


def reach_warehouse() -> None:
    warehouse().query("SELECT 1")


PROBES: Final[Mapping[str, Callable[[], None]]] = {
    "database": database,
    "migrations": migrations,
    "broker": broker,
    "store": reach_store,
    "warehouse": reach_warehouse,
}


class Asking(threading.Thread):
    """One probe under way. A thread of its own, since nothing can stop a call that hangs."""

    def __init__(self, name: str, probe: Callable[[], None]) -> None:
        super().__init__(name=f"probe-{name}", daemon=True)
        self.probe, self.subject = probe, name
        self.began = monotonic()
        self.ended: float | None = None
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            self.probe()
        except Exception as error:  # noqa: BLE001 - whatever it is, that is the answer
            self.error = error
        finally:
            self.ended = monotonic()
            with suppress(Exception):  # a connection that is broken already
                connection.close()

    def answer(self) -> Found:
        seconds = round((self.ended or monotonic()) - self.began, 3)
        if self.ended is None:
            problem = f"No answer within {WITHIN:.0f} s."
        elif isinstance(self.error, NotMigrated):
            problem = "The database is of another version: migrations are waiting."
        elif self.error is not None:
            problem = f"It does not answer as it should ({type(self.error).__name__})."
        else:
            return Found(name=self.subject, ok=True, seconds=seconds)
        return Found(name=self.subject, ok=False, seconds=seconds, problem=problem, advice=ADVICE[self.subject])


class Watch:
    """The answers of all probes. Any number of threads may ask; a probe that hangs is not begun a second time."""

    def __init__(self, probes: Mapping[str, Callable[[], None]] = PROBES, *, holds: float = HOLDS) -> None:
        self._probes, self._holds = probes, holds
        self._lock = threading.Lock()
        self._under_way: dict[str, Asking] = {}
        self._answers: tuple[Found, ...] = ()
        self._asked = float("-inf")

    def answers(self) -> tuple[Found, ...]:
        with self._lock:
            if monotonic() - self._asked > self._holds:
                self._answers = self._ask()
                self._asked = monotonic()
            return self._answers

    def _ask(self) -> tuple[Found, ...]:
        for name, probe in self._probes.items():
            if name not in self._under_way:
                self._under_way[name] = Asking(name, probe)
                self._under_way[name].start()
        end = monotonic() + WITHIN
        for asking in self._under_way.values():
            asking.join(max(0.0, end - monotonic()))
        found = tuple(asking.answer() for asking in self._under_way.values())
        self._under_way = {name: one for name, one in self._under_way.items() if one.is_alive()}
        return tuple(sorted(found, key=lambda one: list(self._probes).index(one.name)))


WATCH: Final = Watch()
