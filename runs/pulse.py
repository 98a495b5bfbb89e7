"""Keeping a claim alive: a small thread renews the lease, and the stage asks at each page whether to go on."""

from __future__ import annotations

import logging
import threading
from time import monotonic
from typing import Any

from django.conf import settings
from django.db import Error, close_old_connections, connection

from runs.errors import Ghost, Released, Stopped
from runs.lifecycle.working import Claim, beat
from runs.shutdown import shutting_down
from runs.states import RunStatus

log = logging.getLogger(__name__)
LOOK_SECONDS = 0.3  # how often, at most, a page asks the database whether its run is being cancelled
SELF_FENCE = 0.8  # of the lease: without a renewal for so long, a worker stops by itself


class Pulse:
    """The heartbeat of one claim. A context; `check` is cheap enough for every page and file."""

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self.error: Exception | None = None
        self._over = threading.Event()
        self._renewed = self._looked = monotonic()
        self._thread = threading.Thread(target=self._run, name=f"pulse-{claim.task.pk}", daemon=True)

    def __enter__(self) -> Pulse:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def check(self, **progress: Any) -> None:
        """Raise Stopped, Ghost or Released when this attempt should not go on."""
        if self.error:
            raise self.error
        if shutting_down.is_set():
            raise Released
        if monotonic() - self._looked >= LOOK_SECONDS:
            self._look(**progress)
            if self.error:
                raise self.error

    def _look(self, **progress: Any) -> None:
        self._looked = monotonic()
        try:
            status = beat(self.claim, **progress)
        except Ghost as ghost:
            self.error = ghost
        except Error as error:
            # The database may be back before the lease ends; until then nothing is known to be wrong.
            log.warning("%s could not renew its lease: %s", self.claim.task.label, type(error).__name__)
            if monotonic() - self._renewed > settings.LEASE_SECONDS * SELF_FENCE:
                self.error = Ghost(self.claim.task.name)
        else:
            self._renewed = monotonic()
            if status == RunStatus.CANCELING:
                self.error = Stopped()
            elif status != RunStatus.RUNNING:
                self.error = Ghost(self.claim.task.name)

    def _run(self) -> None:
        try:
            while not self._over.wait(settings.LEASE_SECONDS / 4):
                close_old_connections()
                self._look()
        finally:
            connection.close()
