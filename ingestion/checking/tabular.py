"""Rows that a database engine reads from a file, CSV or Parquet, into parts: streamed where no key is asked for, so
that memory does not grow with the file.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfileobj, rmtree
from typing import Final
from uuid import uuid4

import duckdb

from ingestion.blueprint.columns import Column
from ingestion.blueprint.names import assign
from ingestion.blueprint.types import JSON, Type
from ingestion.checking.base import CheckRequest
from ingestion.formats.base import ConvertedPart, Warning  # noqa: A004
from ingestion.formats.duck import text
from ingestion.formats.files import CHUNK, Packer
from ingestion.formats.rows import OVERFLOW
from ingestion.formats.shape import MOST_COLUMNS

PLAIN_SIZE: Final = 128 << 20  # of one part before it is packed; a quarter of it after
SCRATCH: Final = ("joined", "rewritten.csv", "spool-*")
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


class PartWriter:
    """Writes what a query answers as parts of about the same size. One query, then done."""

    def __init__(self, duck: duckdb.DuckDBPyConnection, request: CheckRequest, fields: Sequence[Field]) -> None:
        self._duck, self._request, self._fields = duck, request, fields
        # A mark in the place of the part's number, which is known only once rows have found their file.
        self._mark = uuid4().hex
        self._folder = request.folder / "rows"

    def write(self, rows: str, *, superseded: int = 0, warnings: Sequence[Warning] = ()) -> list[ConvertedPart]:
        """`rows` is a FROM clause that the fields' SQL reads. Raises what the engine raises."""
        try:
            self._export(rows)
            parts: list[ConvertedPart] = []
            for path in sorted(self._folder.iterdir()):
                lost, told = (superseded, tuple(warnings)) if not parts else (0, ())
                part = self._pack(path, self._request.first_part + len(parts), lost, told)
                path.unlink()
                if part.rows:
                    parts.append(part)
            return parts
        finally:
            rmtree(self._folder, ignore_errors=True)

    def _export(self, rows: str) -> None:
        wanted = [f"{field.sql} AS f{number}" for number, field in enumerate(self._fields)]
        quoted = [f"f{number}" for number, field in enumerate(self._fields) if field.is_quoted]
        force = f", FORCE_QUOTE ({', '.join(quoted)})" if quoted else ""
        options = (
            f"FORMAT csv, HEADER false, DELIMITER ',', QUOTE '\"', ESCAPE '\"', NULLSTR '\\N'{force}, "
            f"FILE_SIZE_BYTES {PLAIN_SIZE}, OVERWRITE_OR_IGNORE true"
        )
        self._duck.execute("SET preserve_insertion_order = false")
        select = f"SELECT {', '.join([*wanted, text(self._mark) + ' AS part'])} {rows}"
        self._duck.execute(f"COPY ({select}) TO {text(str(self._folder))} ({options})")

    def _pack(self, path: Path, number: int, superseded: int, warnings: tuple[Warning, ...]) -> ConvertedPart:
        rows, mark, told = 0, f"{self._mark}\n".encode(), f"{number}\n".encode()
        with Packer(self._request.folder / f"part-{number}-0.csv.gz") as packer:
            for lines in _lines(path):
                rows += lines.count(mark)
                packer.add(lines.replace(mark, told))
        if not rows:
            packer.target.unlink()
        return ConvertedPart(
            table="records",
            path=packer.target,
            columns=columns_of(self._fields),
            extracted=rows + superseded,
            rows=rows,
            rejected=0,
            superseded=superseded,
            size=packer.size,
            plain_size=packer.plain_size,
            sha256=packer.sha256,
            warnings=warnings,
        )


def _lines(path: Path) -> Iterator[bytes]:
    """The file in chunks that end where lines do, so that no mark is cut."""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk if chunk.endswith(b"\n") else chunk + file.readline()


@contextmanager
def swept(folder: Path) -> Iterator[None]:
    """Leaves no scratch files in the folder, whatever happens."""
    try:
        yield
    finally:
        for path in (path for name in SCRATCH for path in folder.glob(name)):
            rmtree(path) if path.is_dir() else path.unlink()


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
