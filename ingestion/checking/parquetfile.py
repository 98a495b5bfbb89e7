"""Checks a Parquet file: its footer, its columns against the schema, its rows chunk by chunk as those of JSON: texts in
a table, a filter, the judge for what it flags, a part.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import duckdb

from ingestion.checking import codes
from ingestion.checking.base import CheckReport, CheckRequest
from ingestion.checking.codes import refuse
from ingestion.checking.compiling import compile_checked
from ingestion.checking.footer import Footer, damaged, read_footer
from ingestion.checking.judge import shown
from ingestion.checking.parquetrows import Chunk, ParquetTable
from ingestion.checking.parquettypes import Reading, Source, flattened, reading, rows_of
from ingestion.checking.problems import Problems
from ingestion.checking.schema import Place, Schema
from ingestion.checking.sizes import spoken
from ingestion.checking.tabular import joined
from ingestion.formats.base import ConvertedPart
from ingestion.formats.duck import make_room, private_duck
from ingestion.formats.shape import MOST_COLUMNS

CHUNK_SIZE: Final = 48 << 20  # bytes of plain values at a time
MOST_ROWS: Final = 300_000
FEWEST_ROWS: Final = 200
ALWAYS_BEARABLE: Final = 1 << 30  # bytes that a file may grow to whatever its own size is


def check_parquet(request: CheckRequest) -> CheckReport:
    """Raises FileRefused."""
    path = joined(request)
    with Problems(request) as problems, private_duck(request.folder, threads=request.threads) as duck:
        footer = read_footer(duck, request, path)
        if not footer.rows:
            raise refuse(codes.EMPTY_FILE)
        try:
            return _converted(request, path, footer, problems, duck)
        except duckdb.Error as error:
            if isinstance(error, duckdb.OutOfMemoryException) or "No space left" in str(error):
                raise
            raise damaged(request, error) from error


def _converted(
    request: CheckRequest, path: Path, footer: Footer, problems: Problems, duck: duckdb.DuckDBPyConnection
) -> CheckReport:
    schema = compile_checked(request.schema) if request.schema is not None else None
    readings = _readings(duck, request, path, schema)
    make_room(duck, columns=4 * len(readings))
    table = ParquetTable(duck, request, schema, readings, problems)
    parts: list[ConvertedPart] = []
    plain = 0
    for chunk in _read(table, footer, path):
        if part := table.convert(chunk, number=request.first_part + len(parts)):
            parts.append(part)
            plain += part.plain_size
        _refuse_bomb(request, path, plain)
    return CheckReport(
        parts=tuple(parts),
        read=footer.rows,
        bad=problems.bad,
        errors=problems.errors,
        problem_files=problems.files,
    )


def sources_of(duck: duckdb.DuckDBPyConnection, request: CheckRequest, path: Path) -> list[Source]:
    """The columns of the file, flattened."""
    relation = duck.sql(f"SELECT * EXCLUDE (file_row_number) FROM {rows_of(path)}")
    columns = dict(zip(relation.columns, relation.types, strict=True))
    return list(flattened(columns, request.depth))


def _readings(
    duck: duckdb.DuckDBPyConnection, request: CheckRequest, path: Path, schema: Schema | None
) -> list[Reading]:
    sources = sources_of(duck, request, path)
    if len(sources) > MOST_COLUMNS:
        raise refuse(codes.TOO_MANY_COLUMNS, name=request.name, came=len(sources), expected=MOST_COLUMNS)
    return [reading(source, _place(request, schema, source)) for source in sources]


def _place(request: CheckRequest, schema: Schema | None, source: Source) -> Place | None:
    """The schema's place for a column. Raises FileRefused where the file is no subset of the schema."""
    if schema is None or not schema.root.fields:
        return None
    place = schema.root
    for number, key in enumerate(source.keys):
        if place.type == "any" and place is not schema.root:
            return None
        if key not in place.fields:
            why = f"the schema has no field {shown(source.keys[: number + 1])}"
            raise refuse(codes.NOT_A_SUBSET, name=request.name, why=why)
        place = place.fields[key]
    if not source.may_become(place):
        why = f"field {shown(source.keys)} should be {place.type}, but the file has {source.word}"
        raise refuse(codes.NOT_A_SUBSET, name=request.name, why=why)
    return place


def _read(table: ParquetTable, footer: Footer, path: Path) -> Iterator[Chunk]:
    """Chunks that the table has read, of a bearable size by what the footer says; smaller ones where that was too
    little."""
    each = max(1, footer.plain_size // footer.rows)
    count = max(FEWEST_ROWS, min(MOST_ROWS, CHUNK_SIZE // each))
    first = 0
    while first < footer.rows:
        chunk = Chunk(path, first, min(count, footer.rows - first))
        try:
            table.read(chunk)
        except duckdb.OutOfMemoryException:
            if count <= FEWEST_ROWS:
                raise
            count = max(FEWEST_ROWS, count // 8)
            continue
        yield chunk
        first += chunk.count


def _refuse_bomb(request: CheckRequest, path: Path, plain: int) -> None:
    limits = request.limits
    most = min(limits.plain_size, max(ALWAYS_BEARABLE, limits.ratio * path.stat().st_size))
    if plain > most:
        raise refuse(codes.TOO_LARGE, name=request.name, expected=spoken(most))
