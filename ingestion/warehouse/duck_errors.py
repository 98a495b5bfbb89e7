"""What DuckDB answers, in our words: may the same be tried again, what was tried where, and what to do."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import duckdb

from ingestion.errors import DiskFull, IngestionError
from ingestion.warehouse.base import LoadFault, WarehouseRefused, WarehouseUnavailable

HOLDER: Final = re.compile(r"\(PID (\d+)\)|PID (\d+)")


@contextmanager
def translated(path: Path, doing: str) -> Iterator[None]:
    """Raise DuckDB's errors as ours. `doing` completes "… while <doing>"."""
    try:
        yield
    except duckdb.Error as error:
        raise fault(error, path, doing) from error


def fault(error: duckdb.Error, path: Path, doing: str) -> IngestionError:
    text, where = str(error), f"while {doing} (DuckDB file {path})"
    if "No space left" in text or "out of disk" in text.lower():
        return DiskFull(f"The warehouse's disk is full, {where}.", advice="Make room on the disk.", detail=text)
    if isinstance(error, duckdb.IOException):
        return _file(text, path, where)
    if isinstance(error, duckdb.OutOfMemoryException):
        return WarehouseUnavailable(
            f"DuckDB ran out of the memory that it may use, {where}.",
            advice="Raise memory_limit in WAREHOUSE_URL (duckdb:///…?memory_limit=2GB), or lower threads.",
            detail=text,
        )
    if isinstance(error, duckdb.InterruptException):
        return WarehouseUnavailable(f"The work was stopped, {where}.", detail=text)
    if isinstance(error, duckdb.TransactionException | duckdb.FatalException | duckdb.ConnectionException):
        return WarehouseUnavailable(f"DuckDB broke off {where}.", advice="It is tried again.", detail=text)
    return LoadFault(
        f"The warehouse could not take the data {where}.",
        advice="Show the technical detail to whoever looks after this source.",
        detail=text,
    )


def _file(text: str, path: Path, where: str) -> IngestionError:
    if "lock on file" in text:
        found = HOLDER.search(text)
        holder = f"process {next(filter(None, found.groups()))}" if found else "another process"
        return WarehouseUnavailable(
            f"The DuckDB file {path} is in use by {holder}: only one process can have it open.",
            advice="Let the server do the work, or close the other program that has the file open. It is tried again.",
            detail=text,
        )
    if "Permission denied" in text or "Read-only file system" in text:
        return WarehouseRefused(
            f"The DuckDB file {path} may not be opened for writing.",
            advice="Give this program's user the right to write the file and its folder.",
        )
    if "not a valid DuckDB database" in text or "different" in text:
        return WarehouseRefused(
            f"{path} is not a DuckDB file that this version can open.",
            advice="Check the path in WAREHOUSE_URL.",
        )
    return WarehouseUnavailable(f"DuckDB could not read or write {where}.", advice="It is tried again.", detail=text)
