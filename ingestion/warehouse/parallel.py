"""Load the parts of one table on a few connections at once, while the caller's thread keeps the heartbeat."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from ingestion.warehouse.base import CountMismatch, Part

CONNECTIONS = 2  # one COPY fills one core of the server; measured 1.5 to 2 times the speed of one
BEAT_SECONDS = 5.0


class Stopped(Exception):
    """Inside a loading thread: the load as a whole has been given up."""


def load_parts(
    parts: Sequence[Part],
    load: Callable[[Part, threading.Event], int],
    *,
    heartbeat: Callable[[], None],
    interrupt: Callable[[], None],
) -> int:
    """Load every part; answers the number of rows. The first error, or the heartbeat's, ends all of it.

    `load` is called in several threads and looks at the event now and then; `interrupt` ends statements that run.
    """
    stop = threading.Event()
    with ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="stage") as pool:
        largest_first = sorted(parts, key=lambda part: part.size, reverse=True)
        waiting = {pool.submit(_load_one, part, load, stop): part for part in largest_first}
        try:
            return _collect(set(waiting), heartbeat)
        except BaseException:
            stop.set()
            for future in waiting:
                future.cancel()
            interrupt()
            raise


def _load_one(part: Part, load: Callable[[Part, threading.Event], int], stop: threading.Event) -> int:
    if stop.is_set():
        raise Stopped
    rows = load(part, stop)
    if rows != part.rows:
        raise CountMismatch(
            f"{part.uri} was staged with {part.rows} rows, but {rows} arrived in the warehouse. Nothing became live.",
            advice="The staged file was changed or damaged after it was written. Retry the run: it is read again.",
        )
    return rows


def _collect(waiting: "set[Future[int]]", heartbeat: Callable[[], None]) -> int:
    total = 0
    while waiting:
        done, waiting = wait(waiting, timeout=BEAT_SECONDS, return_when=FIRST_COMPLETED)
        total += sum(future.result() for future in done)
        heartbeat()
    return total
