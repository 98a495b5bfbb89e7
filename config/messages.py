"""How worker processes take messages from the broker: no more than they can work on, and soon after they come."""

from __future__ import annotations

import os
from typing import Any, Final

from dramatiq.middleware import Middleware

LOOK_MS: Final = 200  # at most between two looks for messages; dramatiq's own 1,000 add up over the tasks of a run
CHOSEN: Final = "dramatiq_worker_timeout"  # dramatiq's own variable goes before


class Taking(Middleware):
    """A run is a chain of short tasks: by what each waits for a free thread to notice it, the run is longer."""

    def before_worker_boot(self, _: Any, worker: Any) -> None:
        """Messages that a process holds back for its busy threads are messages that other hosts could work on."""
        worker.queue_prefetch = min(worker.queue_prefetch, worker.worker_threads)
        if CHOSEN not in os.environ:
            worker.worker_timeout = min(worker.worker_timeout, LOOK_MS)
