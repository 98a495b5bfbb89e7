"""Which call meets which fault. The draw hangs on the seed, the address and how often it was asked, so a run can be
repeated even where calls arrive in another order.
"""

import math
import random
import time
from collections import Counter
from email.utils import formatdate
from typing import Any

from runs.demo.switches import Switches
from runs.demo.wire import Cut, Response, problem

HTML = b"<!doctype html><html><head><title>Maintenance</title></head><body><h1>We will be back soon</h1></body></html>"
KINDS = ("reset", "429", "500", "html", "truncated")


class Faults:
    """Draws at most one fault for each call, in the order of KINDS."""

    def __init__(self) -> None:
        self._asked: Counter[str] = Counter()

    def forget(self) -> None:
        """Begin the sequence of draws again."""
        self._asked.clear()

    def draw(self, target: str, switches: Switches) -> str | None:
        """The kind of fault for this call of `target` (path and query), or None."""
        rates = [getattr(switches, f"rate_{kind}") for kind in KINDS]
        if not any(rates):
            return None
        self._asked[target] += 1
        dice = random.Random(f"{switches.seed} {self._asked[target]} {target}")  # noqa: S311 - must be repeatable
        # Every kind has its own number, so that one rate changes no other kind's draws.
        drawn = [dice.random() < rate for rate in rates]
        return next((kind for kind, hit in zip(KINDS, drawn, strict=True) if hit), None)


def instead(kind: str, switches: Switches) -> Response | None:
    """The answer that takes the place of the real one, or None for a kind that spoils the real one."""
    if kind == "429":
        return _too_many(switches)
    if kind == "500":
        return problem(500, "internal_error", "Something went wrong on our side.")
    if kind == "html":
        return Response(200, (HTML,), content_type="text/html; charset=utf-8")
    if kind == "reset":
        return Response(0, (), cut=Cut.RESET)
    return None


def _too_many(switches: Switches) -> Response:
    headers: dict[str, Any] = {
        "seconds": {"Retry-After": str(switches.retry_after)},
        "date": {"Retry-After": formatdate(math.ceil(time.time()) + switches.retry_after, usegmt=True)},
        "none": {},
    }
    answer = problem(429, "too_many_requests", "The limit of calls is reached.")
    return Response(answer.status, answer.body, headers=headers[switches.retry_after_style])
