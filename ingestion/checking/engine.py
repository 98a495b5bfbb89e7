"""The database engines that convert the pieces of a file: one thread each, and its share of the memory that a file may
take. They are kept from piece to piece: a new one has to ask the system for all its memory again.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from shutil import rmtree
from typing import Final, Self

import duckdb

from ingestion.checking.base import CheckRequest
from ingestion.formats.duck import Ducks

OWN: Final = 256 << 20  # of the process itself: the interpreter, its libraries, blocks of bytes on their way
LEAST: Final = 128 << 20  # below it the engine cannot read a piece
MOST: Final = 256 << 20  # a piece needs no more; what it spills is written to disk


def memory_of(request: CheckRequest) -> int:
    """Bytes that each of the engines at work may take."""
    share = (request.limits.memory - OWN) // max(1, request.threads)
    return max(LEAST, min(MOST, share))


class Engines:
    """Those of one file. Use as a context; what they spill goes with it. Each piece borrows one for itself."""

    def __init__(self, request: CheckRequest) -> None:
        self._request = request
        self._folder = request.folder / "spool-engines"
        self._ducks = Ducks(self._folder, threads=1)

    def __enter__(self) -> Self:
        self._folder.mkdir(exist_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._ducks.close()
        rmtree(self._folder, ignore_errors=True)

    @contextmanager
    def borrow(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A session whose tables go with it. Raises DataFault where the memory is too little, and OSError."""
        with self._ducks.borrow() as duck:
            duck.execute(f"SET memory_limit = '{memory_of(self._request) >> 20}MB'")
            yield duck
