"""One thread of a worker process that renews the leases of all its claims, for as long as they are held."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic

from django.conf import settings
from django.db import Error, close_old_connections, connection

log = logging.getLogger(__name__)


@dataclass(eq=False)
class Held:
    """A lease that is to be renewed. `lost` is set once it is known to be another worker's."""

    renew: Callable[[], bool]
    lost: threading.Event
    due: float


@dataclass
class Keeper:
    """Starts its thread with the first lease; the thread ends when none has been held for a while."""

    pid: int = field(default_factory=os.getpid)
    _held: set[Held] = field(default_factory=set)
    _change: threading.Condition = field(default_factory=threading.Condition)
    _running: bool = False

    def hold(self, held: Held) -> None:
        with self._change:
            self._held.add(held)
            if not self._running:
                self._running = True
                threading.Thread(target=self._run, name="leases", daemon=True).start()

    def let_go(self, held: Held) -> None:
        with self._change:
            self._held.discard(held)

    def _run(self) -> None:
        try:
            while True:
                with self._change:
                    self._change.wait(min(1.0, settings.LEASE_SECONDS / 10))
                    if not self._held:
                        self._running = False
                        return
                    due = [held for held in self._held if held.due <= monotonic()]
                for held in due:
                    _renew(held)
        finally:
            connection.close()


def _renew(held: Held) -> None:
    close_old_connections()
    try:
        if not held.renew():
            held.lost.set()
    except Error as error:  # the database may be back before the lease ends
        log.warning("a lease could not be renewed: %s", type(error).__name__)
    held.due = monotonic() + settings.LEASE_SECONDS / 4


_keeper = Keeper()


@contextmanager
def kept(renew: Callable[[], bool], *, lost: threading.Event | None = None) -> Iterator[threading.Event]:
    """Have a lease renewed while the context lasts; the event it yields is set once the lease is known to be lost."""
    global _keeper
    if _keeper.pid != os.getpid():  # a fork has no thread of its parent's
        _keeper = Keeper()
    keeper = _keeper
    held = Held(renew=renew, lost=lost or threading.Event(), due=monotonic() + settings.LEASE_SECONDS / 4)
    keeper.hold(held)
    try:
        yield held.lost
    finally:
        keeper.let_go(held)
