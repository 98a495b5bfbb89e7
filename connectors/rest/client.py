"""Calls one source: login, rate limit, and the only place that retries. Every wait can be interrupted.

A call ends with what its reader made of the answer, or with the SourceError that says why not.
"""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Protocol, TypeVar

from connectors import manifest
from connectors.protocol import CallCount, Incident, Usage
from connectors.rest import errors
from connectors.rest.auth import Login
from connectors.rest.body import WireError
from connectors.rest.errors import Place, Stopped
from connectors.rest.wire import Answer, Request, Wire

PATIENCE: Final = 30.0  # a longer wait gives the worker back
THROTTLES: Final = 10  # answers of "slow down" to one call before the worker is given back
RENEWALS: Final = 3
FIRST_BACKOFF: Final = 0.5
TICK: Final = 0.25  # how often a wait looks whether it should end
THROTTLED: Final = (429, 503)
TRANSIENT: Final = (408, 425)

Read = TypeVar("Read")


class TryAgain(Exception):
    """The answer is worth another try. `reason` completes "could not be read: …"."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, kw_only=True)
class Clock:
    """Time as the client sees it: a steady clock for waits, the calendar for dates in headers."""

    steady: Callable[[], float] = time.monotonic
    calendar: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.random


class Halt:
    """Says to waiting threads that they should end."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        self._event.set()

    def check(self) -> None:
        if self._event.is_set():
            raise Stopped


class Pacing(Protocol):
    """When the next call may be made. Safe to use from several threads."""

    def wait(self) -> float:
        """Seconds until the turn that this call has just been given."""
        ...

    def hold(self, seconds: float) -> None:
        """Nobody's turn comes before that: the source has asked for it."""
        ...


class Pace:
    """A token bucket of one token, for the calls of one opened source."""

    def __init__(self, per_second: float | None, clock: Clock) -> None:
        self._gap = 1 / per_second if per_second else 0.0
        self._clock = clock
        self._lock = threading.Lock()
        self._next_at = 0.0

    def wait(self) -> float:
        with self._lock:
            now = self._clock.steady()
            turn = max(now, self._next_at)
            self._next_at = turn + self._gap
            return turn - now

    def hold(self, seconds: float) -> None:
        with self._lock:
            self._next_at = max(self._next_at, self._clock.steady() + seconds)


class Client:
    """Safe to use from several threads."""

    def __init__(
        self, wire: Wire, settings: manifest.Client, *, login: Login, usage: Usage, clock: Clock, pace: Pacing
    ) -> None:
        self.login = login
        self._wire = wire
        self._settings = settings
        self._usage = usage
        self._clock = clock
        self._pace = pace
        self._count = threading.Lock()

    def call(self, request: Request, place: Place, *, read: Callable[[Answer], Read], halt: Halt) -> Read:
        """Send until `read` takes the answer; it raises TryAgain or SourceError where it does not.

        Raises SourceError, and Stopped when `halt` was set.
        """
        failures = throttles = renewals = 0
        while True:
            self._pause(self._pace.wait(), halt, place)
            headers, number = self.login.headers()
            try:
                answer = self._send(replace(request, secret={**request.secret, **headers}), place)
                if answer.status == 401:
                    renewals = self._renew(number, renewals, place)
                    continue
                wait = self._throttled(answer, throttles)
                if wait is not None:
                    throttles += 1
                    self._slow_down(wait, throttles, place)
                    continue
                self.login.accepted(number)
                return read(answer)
            except (WireError, TryAgain) as problem:
                failures += 1
                halt.check()  # a broken connection may be our own doing, to end quickly
                self._back_off(failures, str(problem), place, halt, cause=problem)

    def anonymous(self, request: Request, place: Place, *, halt: Halt) -> Answer:
        """Send without a login, as asking for a token must; server errors are tried again."""
        failures = 0
        while True:
            try:
                answer = self._send(request, place)
                if answer.status not in TRANSIENT + THROTTLED and answer.status < 500:
                    return answer
                raise TryAgain(f"it answered {answer.status}")
            except (WireError, TryAgain) as problem:
                failures += 1
                halt.check()
                self._back_off(failures, str(problem), place, halt, cause=problem)

    def _send(self, request: Request, place: Place) -> Answer:
        with self._count:
            self._usage.calls += 1
            self._ledger(place).calls += 1
        began = self._clock.steady()
        try:
            answer = self._wire.send(request)
        except WireError:
            with self._count:
                self._ledger(place).answered(None, self._clock.steady() - began)
            raise
        seconds = self._clock.steady() - began
        with self._count:
            self._usage.wire_bytes += answer.wire_bytes
            self._ledger(place).answered(answer.status, seconds, answer.wire_bytes)
        return replace(answer, seconds=seconds)

    def _ledger(self, place: Place) -> CallCount:
        return self._usage.ledger.setdefault(place.endpoint, CallCount())

    def _renew(self, number: int, renewals: int, place: Place) -> int:
        if renewals >= RENEWALS or not self.login.refused(number, renewals=renewals):
            raise errors.refused_login(401, place, self.login.style)
        return renewals + 1

    def _throttled(self, answer: Answer, throttles: int) -> float | None:
        """How long to wait when the answer says "slow down": 429, or 503 that says until when."""
        asked = errors.retry_after(answer.headers.get("retry-after"), now=self._clock.calendar())
        if answer.status not in THROTTLED or (answer.status == 503 and asked is None):
            return None
        return asked if asked is not None else self._backoff(throttles + 2)

    def _slow_down(self, wait: float, throttles: int, place: Place) -> None:
        until = self._clock.calendar() + wait
        with self._count:
            self._usage.throttled += 1
            self._ledger(place).throttled += 1
            self._usage.quota_until = max(self._usage.quota_until, until)
        self._tell(f"The source asked us to slow down {place}: {wait:.1f} s.")
        if wait > PATIENCE or throttles > THROTTLES:
            raise errors.busy(place, max(wait, PATIENCE) if throttles > THROTTLES else wait)
        self._pace.hold(wait)

    def _tell(self, text: str) -> None:
        self._usage.incidents.append(Incident(at=self._clock.calendar(), text=text))

    def _back_off(self, failures: int, reason: str, place: Place, halt: Halt, *, cause: Exception) -> None:
        if failures >= self._settings.attempts:
            raise errors.gave_up(reason, place, failures) from cause
        with self._count:
            self._usage.retried += 1
            self._ledger(place).retried += 1
        wait = self._backoff(failures)
        self._tell(f"A call {place} is tried again after {wait:.1f} s: {reason}.")
        self._pause(wait, halt, place)

    def _backoff(self, failures: int) -> float:
        """0.5, 1, 2, 4 … seconds, less up to a half by chance, so that callers do not come back in step."""
        whole = min(FIRST_BACKOFF * 2.0 ** (failures - 1), 2 * PATIENCE)
        return whole * (1 - self._clock.jitter() / 2)

    def _pause(self, seconds: float, halt: Halt, place: Place) -> None:
        halt.check()
        until = self._clock.steady() + seconds
        while (left := until - self._clock.steady()) > 0:
            self._clock.sleep(min(left, TICK))
            halt.check()
        if seconds > 0:
            with self._count:
                self._usage.waited_seconds += seconds
                self._ledger(place).waited_seconds += seconds


def status_reason(status: int) -> str | None:
    """Why a status is worth another try; None when it is not."""
    return f"it answered {status}" if status in TRANSIENT + THROTTLED or status >= 500 else None
