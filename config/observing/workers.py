"""What watching asks of worker processes: the health port, and counts of messages."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from time import monotonic
from typing import Any

from dramatiq.middleware import Middleware

# The broker is made before the models are there, so that what reads them is imported by the words that need it.


class HealthPort(Middleware):
    """For worker processes: opens the port once the threads run, and counts messages."""

    def __init__(self) -> None:
        self._worker: Any = None
        self._port: Any = None
        self._last: datetime | None = None
        self._began = threading.local()

    def after_worker_boot(self, _: Any, worker: Any) -> None:
        from config.observing.port import listen

        self._worker = worker
        self._port = listen(self.facts)

    def after_worker_shutdown(self, *_: Any) -> None:
        if self._port:
            self._port.shutdown()
            self._port.server_close()
            self._port = None

    def before_process_message(self, *_: Any) -> None:
        self._began.at = monotonic()

    def after_process_message(
        self, broker: Any, message: Any, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        from config.observing import metrics

        self._last = datetime.now(UTC)
        seconds = monotonic() - getattr(self._began, "at", monotonic())
        metrics.MESSAGES.labels(message.actor_name, "error" if exception else "ok").inc()
        metrics.MESSAGE_SECONDS.labels(message.actor_name).observe(seconds)

    def facts(self) -> dict[str, Any]:
        from config.observing.port import sweep_age

        threads = [thread for thread in self._worker.workers if thread.is_alive()] if self._worker else []
        last = self._last.isoformat(timespec="seconds") if self._last else None
        return {
            "kind": "worker",
            "threads_alive": len(threads),
            "last_message_at": last,
            "last_sweep_seconds_ago": sweep_age(),
        }
