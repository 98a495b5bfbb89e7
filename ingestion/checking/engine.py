"""The database engine that converts one piece of a file: a thread, and its share of the memory that a file may take."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from typing import Final

import duckdb

from ingestion.checking.base import CheckRequest
from ingestion.formats.duck import private_duck

OWN: Final = 256 << 20  # of the process itself: the interpreter, its libraries, blocks of bytes on their way
LEAST: Final = 128 << 20  # below it the engine cannot read a piece
MOST: Final = 256 << 20  # a piece needs no more; what it spills is written to disk


def memory_of(request: CheckRequest) -> int:
    """Bytes that each of the engines at work may take."""
    share = (request.limits.memory - OWN) // max(1, request.threads)
    return max(LEAST, min(MOST, share))


@contextmanager
def engine(request: CheckRequest, folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """An engine with a folder of its own, which is made and goes with it: two that spill must not meet."""
    folder.mkdir(exist_ok=True)
    try:
        with private_duck(folder, threads=1) as duck:
            duck.execute(f"SET memory_limit = '{memory_of(request) >> 20}MB'")
            yield duck
    finally:
        rmtree(folder, ignore_errors=True)
