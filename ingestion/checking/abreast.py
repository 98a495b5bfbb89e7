"""Pieces of one file converted side by side. What concerns the whole file, positions, numbers of parts, the problems of
records, is done piece after piece in the order of the file: each has its turn.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Condition
from typing import Final, TypeVar

NEVER: Final = 1 << 62
T = TypeVar("T")
R = TypeVar("R")


def even(size: int, *, most: int, threads: int) -> int:
    """The size of pieces of which no thread gets one more than another, and none is much larger than `most`."""
    rounds = max(1, math.ceil(size / (most * max(1, threads))))
    return math.ceil(size / (rounds * max(1, threads)))


class _Abandoned(Exception):
    """A piece before this one failed, so nobody wants to know."""


@dataclass
class Tally:
    """What the pieces before had in them. The piece whose turn it is adds its own."""

    next_part: int
    read: int = 0

    def take_part(self) -> int:
        """The number of a part; without gaps, so only for one that will be written."""
        self.next_part += 1
        return self.next_part - 1


class Turns:
    """Lets pieces through, one after the other."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._changed = Condition()
        self._at = 0
        self._failed = NEVER

    def wait(self, number: int) -> Tally:
        with self._changed:
            self._changed.wait_for(lambda: self._at == number or self._failed < number)
            if self._failed < number:
                raise _Abandoned
        return self._tally

    def pass_on(self, number: int) -> None:
        with self._changed:
            self._at = number + 1
            self._changed.notify_all()

    def fail(self, number: int) -> None:
        """No piece behind this one will have its turn: the first failure in the file is the one that is told."""
        with self._changed:
            self._failed = min(self._failed, number)
            self._changed.notify_all()


@dataclass(frozen=True)
class Ticket:
    """One piece's right to its turn."""

    turns: Turns
    number: int

    @contextmanager
    def turn(self, *, is_last: bool = True) -> Iterator[Tally]:
        """Waits for the pieces before. `is_last` false: the turn stays with this piece, which will ask again."""
        yield self.turns.wait(self.number)
        if is_last:  # not where an error came: nothing behind it may have its turn
            self.turns.pass_on(self.number)


def side_by_side(items: Iterable[T], convert: Callable[[T, Ticket], R], *, tally: Tally, threads: int) -> Iterator[R]:
    """What `convert` makes of the items, in their order; `threads` of them at a time, and no more items are taken than
    that and one. Each must take its turn to the end. Raises what the first of them raises."""
    turns = Turns(tally)
    if threads < 2:
        for number, item in enumerate(items):
            yield convert(item, Ticket(turns, number))
        return
    with ThreadPoolExecutor(threads, "headgate-piece") as pool:
        running: deque[Future[R]] = deque()
        try:
            for number, item in enumerate(items):
                running.append(pool.submit(_converted, convert, item, Ticket(turns, number)))
                while len(running) > threads:
                    yield running.popleft().result()
            while running:
                yield running.popleft().result()
        finally:
            turns.fail(-1)
            for future in running:
                future.cancel()


def _converted(convert: Callable[[T, Ticket], R], item: T, ticket: Ticket) -> R:
    try:
        return convert(item, ticket)
    except BaseException:  # those whose turn comes later must not wait for one that will never be given
        ticket.turns.fail(ticket.number)
        raise
