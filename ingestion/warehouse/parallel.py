"""Load the parts of one table on a few connections at once, while the caller's thread keeps the heartbeat.

Small parts with the same columns travel together: what they cost is mostly the statement, not the rows.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Final, Protocol

from ingestion.warehouse.base import CountMismatch, Part

CONNECTIONS: Final = 2  # one COPY fills one core of the server; measured 1.5 to 2 times the speed of one
BEAT_SECONDS: Final = 5.0
SMALL: Final = 256 << 10  # packed bytes of a part below which the statement costs more than the rows
BUNDLE: Final = 4 << 20  # packed bytes that travel together: well below a second of loading


class Stopped(Exception):
    """Inside a loading thread: the load as a whole has been given up."""


class Loader(Protocol):
    """How an engine loads. Both are called in several threads, and look at `stop` now and then."""

    def one(self, part: Part, stop: threading.Event) -> int:
        """Load a part; answers the number of rows that arrived."""
        ...

    def together(self, parts: Sequence[Part], stop: threading.Event) -> bool:
        """Load parts with the same columns in one go. False: nothing was loaded, since one of them is at fault."""
        ...

    def interrupt(self) -> None:
        """End the statements that run."""
        ...


def load_parts(parts: Sequence[Part], loader: Loader, *, heartbeat: Callable[[], None]) -> int:
    """Load every part; answers the number of rows. The first error, or the heartbeat's, ends all of it."""
    units = sorted(bundles(parts), key=_size, reverse=True)  # the largest first
    stop = threading.Event()
    if len(units) == 1 and _size(units[0]) <= BUNDLE:  # over before a heartbeat is due
        rows = _load(units[0], loader, stop)
        heartbeat()
        return rows
    with ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="stage") as pool:
        waiting = [pool.submit(_load, unit, loader, stop) for unit in units]
        try:
            return _collect(set(waiting), heartbeat)
        except BaseException:  # also the heartbeat's word to stop: the other copies must end before we do
            stop.set()
            for future in waiting:
                future.cancel()
            loader.interrupt()
            raise


def bundles(parts: Sequence[Part]) -> Iterator[list[Part]]:
    """The parts in groups that travel together: a large one by itself, small ones with the same columns."""
    open_bundles: dict[tuple[str, ...], list[Part]] = {}
    for part in parts:
        if part.size > SMALL:
            yield [part]
            continue
        bundle = open_bundles.setdefault(part.columns, [])
        if bundle and _size(bundle) + part.size > BUNDLE:
            yield open_bundles.pop(part.columns)
            bundle = open_bundles.setdefault(part.columns, [])
        bundle.append(part)
    yield from open_bundles.values()


def _size(unit: Sequence[Part]) -> int:
    return sum(part.size for part in unit)


def _load(unit: Sequence[Part], loader: Loader, stop: threading.Event) -> int:
    """Together where that works; else one by one, so that the one at fault is named."""
    if stop.is_set():
        raise Stopped
    if len(unit) > 1 and loader.together(unit, stop):
        return sum(part.rows for part in unit)
    return sum(_load_one(part, loader, stop) for part in unit)


def _load_one(part: Part, loader: Loader, stop: threading.Event) -> int:
    rows = loader.one(part, stop)
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
