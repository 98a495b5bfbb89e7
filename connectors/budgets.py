"""One budget of calls for all who use the same credentials: over tasks, runs, sources and hosts, kept in the control
database. Turns are taken ahead for half a second at once, so that a call costs no statement of its own."""

from __future__ import annotations

import hmac
import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from django.conf import settings as django_settings
from django.db import DatabaseError, connection
from django.db.models.functions import Now

from connectors.models import CallBudget

log = logging.getLogger(__name__)
AHEAD: Final = 0.5  # seconds of turns that are taken at once
LOOK_SECONDS: Final = 5.0  # between two looks whether another task was asked to slow down, where no rate is set
TRIES: Final = 50
LONG_FREE: Final = datetime(2000, 1, 1, tzinfo=UTC)


def budget_of(base_url: str, settings: Mapping[str, str], credentials: Mapping[str, str]) -> str:
    """Whose budget it is: that of the credentials; without any, that of the address."""
    named = json.dumps(dict(credentials) or [base_url, dict(settings)], sort_keys=True)
    return hmac.new(django_settings.SECRET_KEY.encode(), f"call budget {named}".encode(), "sha256").hexdigest()


def delete_unused() -> int:
    """Forget the budgets that nobody has used for a day; answers how many."""
    return CallBudget.objects.filter(next_at__lt=Now() - timedelta(days=1)).delete()[0]


class SharedPace:
    """See `connectors.rest.client.Pacing`. While the database cannot be asked, each task keeps the rate by itself."""

    def __init__(self, key: str, per_second: float | None, *, steady: Callable[[], float] = time.monotonic) -> None:
        self._key, self._gap = key, 1 / per_second if per_second else 0.0
        self._many = max(1, int(per_second * AHEAD)) if per_second else 0
        self._steady = steady
        self._home = threading.get_ident()
        self._lock = threading.Lock()
        self._next, self._left = 0.0, 0  # our next turn by the steady clock, and how many we have taken
        self._looked = float("-inf")

    def wait(self) -> float:
        with self._lock:
            now = self._steady()
            if not self._gap:
                self._look(now)
                return max(0.0, self._next - now)
            while self._left and self._next + self._gap < now:  # turns that have passed are not made up for
                self._next, self._left = self._next + self._gap, self._left - 1
            if not self._left:
                self._take(now)
            turn = self._next
            self._next, self._left = turn + self._gap, self._left - 1
            return max(0.0, turn - now)

    def hold(self, seconds: float) -> None:
        with self._lock:
            self._next, self._left = max(self._next, self._steady() + seconds), 0
            self._asked(lambda: self._move(lambda free, now: max(free, now + timedelta(seconds=seconds))))

    def _look(self, now: float) -> None:
        if now - self._looked >= LOOK_SECONDS:
            self._looked = now
            self._next = max(self._next, now + (self._asked(self._ahead) or 0.0))

    def _take(self, now: float) -> None:
        length = timedelta(seconds=self._many * self._gap)
        ahead = self._asked(lambda: self._move(lambda free, at: max(free, at) + length))
        self._next, self._left = max(self._next, now) if ahead is None else now + ahead, self._many

    def _asked(self, ask: Callable[[], float | None]) -> float | None:
        """What the database answers; None when it could not be asked."""
        try:
            return ask()
        except DatabaseError as error:
            log.warning("the shared budget of calls cannot be asked, so this task keeps its own: %s", error)
            return None
        finally:
            if threading.get_ident() != self._home:  # a thread that fetches has no use for a connection
                connection.close()

    def _read(self) -> tuple[datetime, datetime] | None:
        """When the next turn is free, and the database's now."""
        return CallBudget.objects.filter(key=self._key).annotate(now=Now()).values_list("next_at", "now").first()

    def _ahead(self) -> float:
        found = self._read()
        return max(0.0, (found[0] - found[1]).total_seconds()) if found else 0.0

    def _move(self, step: Callable[[datetime, datetime], datetime]) -> float | None:
        """Compare-and-set. Answers how many seconds ahead the next turn was before; None where others were faster each
        time."""
        for _ in range(TRIES):
            found = self._read()
            if found is None:
                CallBudget.objects.get_or_create(key=self._key, defaults={"next_at": LONG_FREE})
                continue
            free, now = found
            if CallBudget.objects.filter(key=self._key, next_at=free).update(next_at=step(free, now)):
                return max(0.0, (free - now).total_seconds())
        return None
