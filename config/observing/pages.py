"""What programs that watch us may ask: /health/live, /health/ready, /metrics. The same for web, workers and sweeper."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings

from config.observing import metrics
from config.observing.probes import WATCH
from runs.shutdown import shutting_down

JSON: Final = "application/json"
PREFIXES: Final = ("/health/", "/metrics")


@dataclass(frozen=True, kw_only=True)
class Answer:
    status: int
    body: bytes
    type: str = JSON


def answer(path: str, *, authorization: str = "", facts: Callable[[], Mapping[str, Any]] = dict) -> Answer:
    """The answer to one of these paths. `facts` are what this kind of process knows of itself."""
    if path == "/health/live":
        return _json(200, {"status": "alive", **facts()})
    if path == "/health/ready":
        return _ready(facts())
    if path == "/metrics":
        return _metrics(authorization)
    return _json(404, {"status": "There is only /health/live, /health/ready and /metrics here."})


def _ready(facts: Mapping[str, Any]) -> Answer:
    if shutting_down.is_set():
        return _json(503, {"status": "stopping", "advice": "Send nothing more here: this process is about to end."})
    found = WATCH.answers()
    dead = facts.get("threads_alive") == 0
    ready = all(one.ok for one in found) and not dead
    checks = [one.to_json() for one in found]
    return _json(200 if ready else 503, {"status": "ready" if ready else "not ready", "checks": checks, **facts})


def _metrics(authorization: str) -> Answer:
    """Open without a token only where the setting says so: on the web it is off until one is set."""
    token = settings.METRICS_TOKEN
    if token and not hmac.compare_digest(authorization.encode(), f"Bearer {token}".encode()):
        return _json(401, {"status": "Send Authorization: Bearer with the value of METRICS_TOKEN."})
    return Answer(status=200, body=metrics.exposition(), type=metrics.CONTENT_TYPE)


def _json(status: int, body: Mapping[str, Any]) -> Answer:
    return Answer(status=status, body=json.dumps(body, default=str).encode())
