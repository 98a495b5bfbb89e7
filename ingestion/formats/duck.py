"""Private DuckDBs for conversions: in memory, bounded, never on the network. And how its SQL is quoted."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Final

import duckdb

from ingestion.errors import DataFault

MEMORY: Final = 256  # MB; beyond it DuckDB spills into the folder; a spool of 64 MB stays below
USUAL_COLUMNS: Final = 200  # DuckDB pins blocks of 256 KB for each column of what it reads and writes


class Ducks:
    """DuckDBs that a writer keeps between its conversions: a new one has to ask the system for all its memory again,
    a tenth of a conversion. Safe to use from several threads; each borrows one of its own."""

    def __init__(self, folder: Path, *, threads: int) -> None:
        self.folder = folder
        self.threads = threads
        self._idle: list[duckdb.DuckDBPyConnection] = []
        self._numbers = count()

    def close(self) -> None:
        """Close all, when nobody has borrowed one."""
        while self._idle:
            self._idle.pop().close()

    @contextmanager
    def borrow(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A session with tables of its own, which go with it. A database that failed is not used again."""
        database = self._take()
        try:
            with _errors_of(self.folder), database.cursor() as session:
                _begin(session)
                yield session
        except (DataFault, OSError, duckdb.Error):
            database.close()
            raise
        except BaseException:  # its user's own error: the database itself is sound
            self._idle.append(database)
            raise
        self._idle.append(database)

    def _take(self) -> duckdb.DuckDBPyConnection:
        try:
            return self._idle.pop()
        except IndexError:  # no look beforehand: another thread may take the last one
            return _open(self.folder / f"duck-{next(self._numbers)}", threads=self.threads)


@contextmanager
def private_duck(folder: Path, *, threads: int) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection of its own, closed afterwards; what it spills lies in `folder` and goes with it."""
    connection = _open(folder, threads=threads)
    try:
        with _errors_of(folder):
            _begin(connection)
            yield connection
    finally:
        connection.close()


def _open(folder: Path, *, threads: int) -> duckdb.DuckDBPyConnection:
    settings: dict[str, str | bool | int | float | list[str]] = {
        "threads": threads,
        "memory_limit": f"{MEMORY}MB",
        "temp_directory": str(folder),
        "autoinstall_known_extensions": "false",
        "allow_community_extensions": "false",
    }
    return duckdb.connect(":memory:", config=settings)


def _begin(duck: duckdb.DuckDBPyConnection) -> None:
    duck.execute(f"SET memory_limit = '{MEMORY}MB'")  # an earlier session may have made room
    duck.execute("SET TimeZone = 'UTC'")  # what a time without an offset means


@contextmanager
def _errors_of(folder: Path) -> Iterator[None]:
    try:
        yield
    except duckdb.IOException as error:
        if "No space left" in str(error):  # DuckDB keeps the system's number to itself
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder)) from error
        raise
    except duckdb.OutOfMemoryException as error:
        raise DataFault(
            "The records could not be converted within the memory that a conversion may use.",
            advice="Set a smaller depth for this endpoint, so that nested objects stay JSON, and retry.",
            detail=str(error),
        ) from error


def make_room(duck: duckdb.DuckDBPyConnection, *, columns: int) -> None:
    """Let a wide table have what its columns need at least; a narrow one stays within the usual limit."""
    if columns > USUAL_COLUMNS:
        duck.execute(f"SET memory_limit = '{MEMORY + columns}MB'")


def name(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


def text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def listed(values: list[str]) -> str:
    return "[" + ", ".join(values) + "]"


def paths(files: list[Path]) -> str:
    return listed([text(str(file)) for file in files])
