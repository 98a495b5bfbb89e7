"""From Postgres to Parquet: COPY streams the rows into a packed file, and DuckDB turns that into Parquet.

Neither step holds more than a few blocks of rows in memory.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import duckdb
from isal import igzip

from ingestion.blueprint.types import MAX_DIGITS
from ingestion.warehouse.duck_errors import translated
from ingestion.warehouse.duck_file import NEVER_FETCH
from ingestion.warehouse.duck_load import read_csv, reading_long_lines
from ingestion.warehouse.postgres_copy import OPTIONS
from ingestion.warehouse.postgres_session import PostgresSession
from ingestion.warehouse.sql import DUCKDB, LINEAGE, POSTGRES, Shape, literal, names, quote, stored

MEMORY: Final = "256MB"
PARQUET: Final = "FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 20480"  # rows of a group are held in memory
QUOTED: Final = frozenset({"text", "json"})  # so that "" and \N stay what they are


def copy_out(session: PostgresSession, table: str, shape: Shape, where: str, path: Path) -> Shape:
    """Write rows as a packed file in the staged format; answers the types that DuckDB reads its columns with."""
    types = {**dict.fromkeys(LINEAGE, "BIGINT"), **_types(session, table, shape, where)}
    quoted = [name for name, kind in shape.items() if POSTGRES.kind(kind) in QUOTED]
    force = f", FORCE_QUOTE ({names(quoted)})" if quoted else ""
    select = f"SELECT {names(types)} FROM {stored(table)} WHERE {where}"
    statement = f"COPY ({select}) TO STDOUT {OPTIONS.removesuffix(')')}{force})"
    with (
        igzip.IGzipFile(str(path), "wb", compresslevel=1) as packed,  # type: ignore[no-untyped-call]
        session.connection.cursor() as cursor,
        cursor.copy(statement.encode()) as copy,
    ):
        for block in copy:
            packed.write(block)  # type: ignore[no-untyped-call]
    return types


def write_parquet(spool: Path, types: Shape, path: Path) -> int:
    """Turn such a file into Parquet; answers the number of rows."""
    settings: dict[str, Any] = {**NEVER_FETCH, "memory_limit": MEMORY, "threads": 2, "temp_directory": f"{path}.tmp"}
    settings["preserve_insertion_order"] = False
    with translated(path, "writing a Parquet file"), duckdb.connect(":memory:", config=settings) as connection:
        connection.execute("SET TimeZone = 'UTC'")

        def write(reading: str) -> int:
            select = f"SELECT {names(types)} FROM {read_csv(spool, types, reading)}"
            found = connection.execute(f"COPY ({select}) TO {literal(str(path))} ({PARQUET})").fetchall()
            return int(found[0][0])

        return reading_long_lines(write)


def _types(session: PostgresSession, table: str, shape: Shape, where: str) -> dict[str, str]:
    """Postgres keeps numerics without bounds: the values say how many digits their Parquet column needs."""
    types = {name: DUCKDB.types.get(POSTGRES.kind(kind), "") for name, kind in shape.items()}
    numerics = [name for name, kind in types.items() if not kind]
    return {**types, **_decimals(session, table, numerics, where)}


def _decimals(session: PostgresSession, table: str, columns: list[str], where: str) -> Mapping[str, str]:
    if not columns:
        return {}
    facts = ", ".join(
        f"coalesce(max(min_scale({name})), 0), coalesce(max(length(trunc(abs({name}))::text)), 0), "
        f"count({name}) - count(min_scale({name}))"
        for name in map(quote, columns)
    )
    (found,) = session.rows(f"SELECT {facts} FROM {stored(table)} WHERE {where}")
    each = zip(columns, found[0::3], found[1::3], found[2::3], strict=True)
    return {name: _decimal(scale, digits, endless) for name, scale, digits, endless in each}


def _decimal(scale: int, digits: int, endless: int) -> str:
    """A value that fits no decimal (too long, or not finite) makes its column text, which keeps it exactly."""
    if endless or scale + digits > MAX_DIGITS:
        return DUCKDB.types["text"]
    return f"DECIMAL({MAX_DIGITS},{scale:d})"
