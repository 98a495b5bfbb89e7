"""What a Parquet file says of itself, looked at before any of its data is: whole, not encrypted, of a bearable size."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb

from ingestion.checking import codes
from ingestion.checking.base import CheckRequest
from ingestion.checking.codes import FileRefused, refuse
from ingestion.checking.sizes import spoken
from ingestion.formats.duck import text

MAGIC: Final = b"PAR1"
ENCRYPTED: Final = b"PARE"
TAIL: Final = 8  # length of the footer, and the magic
LARGEST_FOOTER: Final = 64 << 20
MOST_ROW_GROUPS: Final = 100_000


@dataclass(frozen=True)
class Footer:
    """What was declared. The data may be more, whatever this says: it is counted when it is read."""

    rows: int
    plain_size: int
    groups: tuple[int, ...]  # rows of each row group


def read_footer(duck: duckdb.DuckDBPyConnection, request: CheckRequest, path: Path) -> Footer:
    """Raises FileRefused."""
    _look_at_tail(request, path)
    try:
        rows, groups = _one(duck, f"SELECT num_rows, num_row_groups FROM parquet_file_metadata({text(str(path))})")
        (columns,) = _one(
            duck, f"SELECT count(*) FILTER (coalesce(num_children, 0) = 0) FROM parquet_schema({text(str(path))})"
        )
        _refuse_excess(request, int(groups), int(columns))
        (size, counts) = _one(
            duck,
            "SELECT coalesce(sum(size), 0)::HUGEINT, coalesce(list(count ORDER BY id), []) FROM (SELECT "
            "row_group_id AS id, any_value(row_group_num_rows) AS count, sum(total_uncompressed_size) AS size "
            f"FROM parquet_metadata({text(str(path))}) GROUP BY id)",
        )
    except duckdb.Error as error:
        raise damaged(request, error) from error
    if size > request.limits.plain_size or size < 0 or rows < 0:
        raise refuse(codes.TOO_LARGE, name=request.name, expected=spoken(request.limits.plain_size))
    if sum(counts) != rows or min(counts, default=0) < 0:
        raise refuse(codes.DAMAGED, name=request.name, why="its row groups have other rows than the file")
    return Footer(rows=int(rows), plain_size=int(size), groups=tuple(counts))


def damaged(request: CheckRequest, error: duckdb.Error) -> FileRefused:
    """The engine's complaint, in the words of a file problem."""
    if "encrypt" in str(error).lower():
        return refuse(codes.ENCRYPTED, name=request.name)
    return refuse(codes.DAMAGED, name=request.name, why="its Parquet structure cannot be read")


def _look_at_tail(request: CheckRequest, path: Path) -> None:
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - TAIL))
        tail = file.read(TAIL)
        file.seek(0)
        head = file.read(len(MAGIC))
    if ENCRYPTED in (tail[-4:], head):
        raise refuse(codes.ENCRYPTED, name=request.name)
    if len(tail) < TAIL or size < TAIL + len(MAGIC) or not tail.endswith(MAGIC):
        raise refuse(codes.DAMAGED, name=request.name, why="its end is missing")
    length = int.from_bytes(tail[:4], "little")
    if length > min(size - TAIL, LARGEST_FOOTER):
        raise refuse(codes.DAMAGED, name=request.name, why="the size of its footer cannot be")


def _refuse_excess(request: CheckRequest, groups: int, columns: int) -> None:
    if columns > request.limits.fields:
        raise refuse(codes.TOO_MANY_COLUMNS, name=request.name, came=columns, expected=request.limits.fields)
    if groups > MOST_ROW_GROUPS:
        raise refuse(codes.DAMAGED, name=request.name, why=f"it has more than {MOST_ROW_GROUPS:,} row groups")


def _one(duck: duckdb.DuckDBPyConnection, sql: str) -> Any:
    return duck.execute(sql).fetchall()[0]
