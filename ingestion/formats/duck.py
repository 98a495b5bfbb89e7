"""A private DuckDB for one conversion: in memory, bounded, never on the network. And how its SQL is quoted."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import duckdb

MEMORY: Final = "256MB"  # beyond it DuckDB spills into the folder; a spool of 64 MB stays below


@contextmanager
def private_duck(folder: Path, *, threads: int) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection of its own, closed afterwards; what it spills lies in `folder` and goes with it."""
    settings: dict[str, str | bool | int | float | list[str]] = {
        "threads": threads,
        "memory_limit": MEMORY,
        "temp_directory": str(folder),
        "autoinstall_known_extensions": "false",
        "allow_community_extensions": "false",
    }
    connection = duckdb.connect(":memory:", config=settings)
    try:
        connection.execute("SET TimeZone = 'UTC'")  # what a time without an offset means
        yield connection
    finally:
        connection.close()


def name(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


def text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def listed(values: list[str]) -> str:
    return "[" + ", ".join(values) + "]"


def paths(files: list[Path]) -> str:
    return listed([text(str(file)) for file in files])
