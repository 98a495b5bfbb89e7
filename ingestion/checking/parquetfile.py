"""Checks a Parquet file: its footer, its columns against the schema, its rows chunk by chunk as those of JSON: texts in
a table, a filter, the judge for what it flags, a part.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import duckdb

from ingestion.checking import codes
from ingestion.checking.abreast import Tally, Ticket, side_by_side
from ingestion.checking.base import CheckReport, CheckRequest
from ingestion.checking.codes import refuse
from ingestion.checking.compiling import compile_checked
from ingestion.checking.engine import Engines
from ingestion.checking.footer import Footer, damaged, read_footer
from ingestion.checking.judge import shown
from ingestion.checking.parquetrows import Chunk, ParquetTable
from ingestion.checking.parquetschema import POSITION, columns_of
from ingestion.checking.parquettypes import NOTHING, Reading, Source, flattened, reading, rows_of
from ingestion.checking.problems import Problems
from ingestion.checking.schema import Place, Schema
from ingestion.checking.sizes import spoken
from ingestion.checking.tabular import joined
from ingestion.formats.base import ConvertedPart
from ingestion.formats.duck import make_room
from ingestion.formats.shape import MOST_COLUMNS

CHUNK_SIZE: Final = 32 << 20  # bytes of plain values at a time
MOST_ROWS: Final = 150_000
FEWEST_ROWS: Final = 200
ALWAYS_BEARABLE: Final = 1 << 30  # bytes that a file may grow to whatever its own size is


def check_parquet(request: CheckRequest) -> CheckReport:
    """Raises FileRefused."""
    path = joined(request)
    with Problems(request) as problems, Engines(request) as engines:
        with engines.borrow() as duck:
            footer = read_footer(duck, request, path)
            if not footer.rows:
                raise refuse(codes.EMPTY_FILE)
            with _readable(request):
                schema = compile_checked(request.schema) if request.schema is not None else None
                work = _Work(request, engines, path, footer, schema, _readings(duck, request, path, schema), problems)
        with _readable(request):
            return work.report()


@contextmanager
def _readable(request: CheckRequest) -> Iterator[None]:
    try:
        yield
    except duckdb.Error as error:
        if isinstance(error, duckdb.OutOfMemoryException) or "No space left" in str(error):
            raise
        raise damaged(request, error) from error


@dataclass(frozen=True)
class _Work:
    """One file on its way."""

    request: CheckRequest
    engines: Engines
    path: Path
    footer: Footer
    schema: Schema | None
    readings: list[Reading]
    problems: Problems

    def report(self) -> CheckReport:
        tally, parts = Tally(self.request.first_part), list[ConvertedPart]()
        made = side_by_side(self._ranges(), self._convert, tally=tally, threads=self.request.threads)
        for some in made:
            parts += some
            _refuse_bomb(self.request, self.path, sum(part.plain_size for part in parts))
        return CheckReport(
            parts=tuple(parts),
            read=self.footer.rows,
            bad=self.problems.bad,
            errors=self.problems.errors,
            problem_files=self.problems.files,
        )

    def _ranges(self) -> Iterator[Chunk]:
        """Ranges of rows of a bearable size by what the footer says; whole row groups, where these are small."""
        each = max(1, self.footer.plain_size // self.footer.rows)
        most = max(FEWEST_ROWS, min(MOST_ROWS, CHUNK_SIZE // each))
        first = count = 0
        for group in self.footer.groups:
            if count and count + group > most:
                yield from _cut(Chunk(self.path, first, count), most)
                first, count = first + count, 0
            count += group
        yield from _cut(Chunk(self.path, first, count), most)

    def _convert(self, wanted: Chunk, ticket: Ticket) -> list[ConvertedPart]:
        """The parts of a range: one, or several where it was too large for the engine. All share the range's turn."""
        with self.engines.borrow() as duck:
            make_room(duck, columns=4 * len(self.readings))
            table = ParquetTable(duck, self.request, self.schema, self.readings, self.problems)
            end, parts = wanted.first + wanted.count, list[ConvertedPart]()
            for chunk in _read(table, wanted):
                if part := table.convert(chunk, ticket, is_last=chunk.first + chunk.count == end):
                    parts.append(part)
            return parts


def _cut(chunk: Chunk, most: int) -> Iterator[Chunk]:
    """Ranges of at most so many rows, all of about the same size."""
    number = max(1, -(-chunk.count // most))
    edges = [chunk.first + chunk.count * step // number for step in range(number + 1)]
    yield from (Chunk(chunk.path, start, end - start) for start, end in pairwise(edges) if end > start)


def sources_of(duck: duckdb.DuckDBPyConnection, request: CheckRequest, path: Path) -> list[Source]:
    """The columns of the file, flattened. Raises FileRefused."""
    nodes = columns_of(duck, request, path)
    relation = duck.sql(f"SELECT * EXCLUDE ({POSITION}) FROM {rows_of(path)}")
    return list(flattened(relation, nodes, request.depth))


def _readings(
    duck: duckdb.DuckDBPyConnection, request: CheckRequest, path: Path, schema: Schema | None
) -> list[Reading]:
    sources = sources_of(duck, request, path)
    if len(sources) > MOST_COLUMNS:
        raise refuse(codes.TOO_MANY_COLUMNS, name=request.name, came=len(sources), expected=MOST_COLUMNS)
    placed = [(source, _place(request, schema, source)) for source in sources]
    kept = [(source, place) for source, place in placed if not _is_nothing(source, place)] or placed
    return [reading(source, place) for source, place in kept]


def _is_nothing(source: Source, place: Place | None) -> bool:
    """Nothing but nulls, where the schema has an object whose fields are columns of their own."""
    return source.word == NOTHING and place is not None and bool(place.fields)


def _place(request: CheckRequest, schema: Schema | None, source: Source) -> Place | None:
    """The schema's place for a column. Raises FileRefused where the file is no subset of the schema."""
    if schema is None or not schema.root.fields:
        return None
    place = schema.root
    for number, key in enumerate(source.keys):
        if place.type == "any" and place is not schema.root:
            return None
        if place.type == "map" or key not in place.fields:
            why = f"the schema has no field {shown(source.keys[: number + 1])}"
            raise refuse(codes.NOT_A_SUBSET, name=request.name, why=why)
        place = place.fields[key]
    if not source.may_become(place):
        why = f"field {shown(source.keys)} should be {place.type}, but the file has {source.word}"
        raise refuse(codes.NOT_A_SUBSET, name=request.name, why=why)
    return place


def _read(table: ParquetTable, wanted: Chunk) -> Iterator[Chunk]:
    """The range once the table has read it; smaller ones one after the other where it was too large."""
    first, count, end = wanted.first, wanted.count, wanted.first + wanted.count
    while first < end:
        chunk = Chunk(wanted.path, first, min(count, end - first))
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
