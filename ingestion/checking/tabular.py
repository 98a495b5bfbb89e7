"""What files that a database engine reads, CSV or Parquet, share: columns as SQL, a part of what a query answers, and
scratch files that go.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfileobj, rmtree
from typing import Final

import duckdb

from ingestion.blueprint.columns import Column
from ingestion.blueprint.names import assign
from ingestion.blueprint.types import JSON, Type
from ingestion.checking.base import CheckRequest
from ingestion.formats.base import PART_COLUMN, ConvertedPart, Warning  # noqa: A004
from ingestion.formats.duck import text
from ingestion.formats.files import CHUNK, write
from ingestion.formats.rows import OVERFLOW
from ingestion.formats.shape import MOST_COLUMNS

SCRATCH: Final = ("joined", "unmarked", "rewritten.csv", "recoded.csv", "spool-*")
MADE: Final = ("part-*.csv.gz", "*_errors.json")
QUOTED: Final = ("text", "json")


@dataclass(frozen=True)
class Field:
    """One column of a part: where it comes from, the SQL of its staged text, its type."""

    source: str
    sql: str
    type: Type

    @property
    def is_quoted(self) -> bool:
        return self.type.kind in QUOTED


def bounded(fields: Sequence[Field]) -> list[Field]:
    """No more columns than a part may have: the others share one JSON object by name, without nulls."""
    if len(fields) <= MOST_COLUMNS:
        return list(fields)
    spilled = fields[MOST_COLUMNS:]
    pairs = ", ".join(f"{_json_text(field.source)} || ':' || to_json({field.sql})::VARCHAR" for field in spilled)
    return [*fields[:MOST_COLUMNS], Field(OVERFLOW, f"'{{' || array_to_string([{pairs}], ',') || '}}'", JSON)]


def _json_text(value: str) -> str:
    return f"to_json({text(value)})::VARCHAR"


def columns_of(fields: Sequence[Field]) -> tuple[Column, ...]:
    names = assign(field.source for field in fields)
    return tuple(Column(name=names[field.source], source=field.source, type=field.type) for field in fields)


def write_part(
    duck: duckdb.DuckDBPyConnection,
    request: CheckRequest,
    fields: Sequence[Field],
    rows: str,
    *,
    number: int,
    superseded: int,
    warnings: Sequence[Warning],
) -> ConvertedPart:
    """The part of `rows`, a FROM clause that the fields' SQL reads. Raises what the engine raises."""
    wanted = [f"{field.sql} AS f{place}" for place, field in enumerate(fields)]
    written = write(
        duck,
        f"SELECT {', '.join(wanted)}, {number} AS {PART_COLUMN} {rows}",
        quoted=[f"f{place}" for place, field in enumerate(fields) if field.is_quoted],
        target=request.folder / f"part-{number}-0.csv.gz",
    )
    return ConvertedPart(
        table="records",
        path=written.path,
        columns=columns_of(fields),
        extracted=written.rows + superseded,
        rows=written.rows,
        rejected=0,
        superseded=superseded,
        size=written.size,
        plain_size=written.plain_size,
        sha256=written.sha256,
        warnings=tuple(warnings),
    )


@contextmanager
def swept(folder: Path) -> Iterator[None]:
    """Leaves no scratch files in the folder, whatever happens."""
    try:
        yield
    finally:
        for path in (path for name in SCRATCH for path in folder.glob(name)):
            rmtree(path) if path.is_dir() else path.unlink()


def discard(request: CheckRequest) -> None:
    """Take back the parts and problems of a way that came to nothing."""
    for name in MADE:
        for path in request.folder.glob(name):
            path.unlink()


def joined(request: CheckRequest) -> Path:
    """The upload as one file, for engines that must be able to go back and forth in it."""
    if len(request.pieces) == 1:
        return request.pieces[0]
    whole = request.folder / "joined"
    with whole.open("wb") as target:
        for piece in request.pieces:
            with piece.open("rb") as source:
                copyfileobj(source, target, CHUNK)
    return whole
