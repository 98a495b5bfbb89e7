"""A private DuckDB for one conversion: in memory, bounded, never on the network. And how its SQL is quoted."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import duckdb

from ingestion.errors import DataFault

MEMORY: Final = 256  # MB; beyond it DuckDB spills into the folder; a spool of 64 MB stays below
USUAL_COLUMNS: Final = 200  # DuckDB pins blocks of 256 KB for each column of what it reads and writes


@contextmanager
def private_duck(folder: Path, *, threads: int) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection of its own, closed afterwards; what it spills lies in `folder` and goes with it."""
    settings: dict[str, str | bool | int | float | list[str]] = {
        "threads": threads,
        "memory_limit": f"{MEMORY}MB",
        "temp_directory": str(folder),
        "autoinstall_known_extensions": "false",
        "allow_community_extensions": "false",
    }
    connection = duckdb.connect(":memory:", config=settings)
    try:
        connection.execute("SET TimeZone = 'UTC'")  # what a time without an offset means
        yield connection
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
    finally:
        connection.close()


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
