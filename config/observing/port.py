"""A small HTTP port for processes that serve no pages: workers and the sweeper. Off until HEALTH_PORT is set.

Several processes of one host take ports that follow each other: HEALTH_PORT, the next, and so on.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from django.conf import settings
from django.db import Error, connection
from django.db.models import Max
from django.utils import timezone

from config.observing.pages import answer
from runs.models import Sweep

log = logging.getLogger(__name__)
NEIGHBOURS: Final = 64
Facts = Callable[[], Mapping[str, Any]]


class Port(ThreadingHTTPServer):
    """Answers in threads of its own, each with ten seconds for the one who asks."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], facts: Facts) -> None:
        self.facts = facts
        super().__init__(address, Asked)


class Asked(BaseHTTPRequestHandler):
    server: Port
    timeout = 10
    server_version, sys_version = "Headgate", ""

    def do_GET(self) -> None:
        try:
            given = answer(
                self.path.partition("?")[0],
                authorization=self.headers.get("Authorization", ""),
                facts=self.server.facts,
            )
        finally:
            connection.close()
        self.send_response(given.status)
        self.send_header("Content-Type", given.type)
        self.send_header("Content-Length", str(len(given.body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(given.body)

    def log_message(self, *_: Any) -> None:
        """Nothing: whoever watches asks every few seconds."""


def listen(facts: Facts, *, host: str = "", first: int | None = None) -> Port | None:
    """Listen on the first free port from HEALTH_PORT on; None when the setting is empty."""
    first = settings.HEALTH_PORT if first is None else first
    if first is None:
        return None
    for number in range(first, first + NEIGHBOURS):
        try:
            port = Port((host or settings.HEALTH_HOST, number), facts)
        except OSError:  # a neighbour has it
            continue
        threading.Thread(target=port.serve_forever, name="health-port", daemon=True).start()
        log.info("health and metrics are answered on port %s", number)
        return port
    log.error("no port from %s to %s is free: health and metrics are not answered", first, first + NEIGHBOURS - 1)
    return None


def sweep_age() -> float | None:
    """Seconds since any sweeper looked; None when none has lately, or the database cannot say."""
    try:
        last = Sweep.objects.aggregate(at=Max("at"))["at"]
    except Error:
        return None
    return round((timezone.now() - last).total_seconds(), 1) if last else None


@contextmanager
def watched() -> Iterator[None]:
    """For the sweeper: the port is open while the context lasts."""
    port = listen(lambda: {"kind": "sweeper", "last_sweep_seconds_ago": sweep_age()})
    try:
        yield
    finally:
        if port:
            port.shutdown()
            port.server_close()
