"""What the server counts: calls, faults, tokens, bytes, and its own use of the machine."""

import resource
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

STATUS = Path("/proc/self/status")


class Stats:
    """Counts since the start or the last reset."""

    def __init__(self) -> None:
        self.in_flight = 0
        self.reset()

    def reset(self) -> None:
        self.calls: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.faults: Counter[str] = Counter()
        self.tokens_issued = 0
        self.connections = 0
        self.most_in_flight = self.in_flight
        self.bytes_sent = 0
        self._cpu_before = time.process_time()

    def began(self) -> None:
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)

    def ended(self, sent_bytes: int) -> None:
        self.in_flight -= 1
        self.bytes_sent += sent_bytes

    def as_json(self) -> dict[str, Any]:
        return {
            "calls": self.calls,
            "faults": self.faults,
            "tokens_issued": self.tokens_issued,
            "connections": self.connections,
            "most_in_flight": self.most_in_flight,
            "bytes_sent": self.bytes_sent,
            "cpu_seconds": round(time.process_time() - self._cpu_before, 6),
            "peak_rss_bytes": _peak_rss_bytes(),
        }


def _peak_rss_bytes() -> int:
    # On Linux ru_maxrss of a started program begins with the size of the process that started it.
    if STATUS.exists():
        line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    scale = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, others KiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale
