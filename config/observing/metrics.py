"""The metrics of this process, and how all of them are written out. Names are explained in docs/observing.md.

Under gunicorn with several processes PROMETHEUS_MULTIPROC_DIR is set before any of them starts: they count in files
there, and whichever is asked answers for all.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from time import monotonic
from typing import Final

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

from config.observing.figures import Installation

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
FAST: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
SLOW: Final = (0.05, 0.25, 1, 5, 15, 60, 300, 900, 3600)
EVERY: Final = 5.0  # seconds between looks at one's own memory

REQUESTS: Final = Counter("headgate_http_requests", "Requests answered.", ["view", "method", "status"])
REQUEST_SECONDS: Final = Histogram("headgate_http_request_seconds", "Time to answer.", ["area"], buckets=FAST)
MESSAGES: Final = Counter("headgate_messages", "Messages of the broker worked on.", ["actor", "outcome"])
MESSAGE_SECONDS: Final = Histogram("headgate_message_seconds", "Time of a message.", ["actor"], buckets=SLOW)
MEMORY: Final = Gauge("headgate_process_memory_bytes", "Resident memory of a process.", multiprocess_mode="liveall")
FILES: Final = Gauge("headgate_process_open_files", "Open files of a process.", multiprocess_mode="liveall")

_lock = threading.Lock()
_looked = float("-inf")


def look_at_self() -> None:
    """Note this process's memory and open files; on systems without /proc nothing is noted."""
    global _looked
    with _lock:
        if monotonic() - _looked < EVERY:
            return
        _looked = monotonic()
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        MEMORY.set(pages * os.sysconf("SC_PAGE_SIZE"))
        FILES.set(sum(1 for _ in Path("/proc/self/fd").iterdir()))
    except OSError:
        return


def exposition() -> bytes:
    """All metrics as text: those of the process (or of all web processes), then those of the installation."""
    look_at_self()
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry) + generate_latest(_INSTALLATION)


_INSTALLATION: Final = CollectorRegistry()
_INSTALLATION.register(Installation())
