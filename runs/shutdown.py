"""A worker host that is told to stop lets its tasks stop at a page: they go back to the queue with nothing counted."""

import threading
from typing import Any

from dramatiq.middleware import Middleware

shutting_down = threading.Event()  # of this process; every pulse looks at it


class StopAtPages(Middleware):
    """Says that it is time, before the broker's worker waits for its threads."""

    def before_worker_shutdown(self, _: Any, __: Any) -> None:
        shutting_down.set()
