"""A delimited file with a value that is not of its column's type, looked through once more: which column, how many, and
where the first are.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import duckdb

from ingestion.checking import codes
from ingestion.checking.base import CheckRequest
from ingestion.checking.codes import refuse
from ingestion.checking.csvcolumns import CsvColumn
from ingestion.checking.csvcuts import Piece
from ingestion.checking.csvtext import CsvText
from ingestion.checking.engine import Engines
from ingestion.checking.judge import shown
from ingestion.checking.rejects import Rejects

FIRST_ROWS: Final = 5  # that a message names


@dataclass
class _Misfits:
    """Of one column."""

    name: str
    expected: str
    test: str
    count: int = 0
    lines: list[int] = field(default_factory=list)


class CastSearch:
    """One search through all pieces of a file."""

    def __init__(self, request: CheckRequest, engines: Engines, source: CsvText, columns: Sequence[CsvColumn]) -> None:
        self._request, self._engines, self._source = request, engines, source
        self._ids = [column.id for column in columns]
        self._misfits = [
            _Misfits(column.name, column.expected, f"{column.id} <> '' AND NOT coalesce({cast.test}, false)")
            for column in columns
            if column.place and (cast := column.cast)
        ]

    def refuse(self, pieces: Iterable[Piece]) -> None:
        """Raises FileRefused for the first column with a value that is none of its type."""
        before = 0
        for piece in pieces:
            with self._engines.borrow() as duck:
                rejects = Rejects(duck, self._request, columns=len(self._ids), header=self._source.header_of(piece))
                try:
                    rows = self._look(duck, piece, rejects, before)
                except duckdb.InvalidInputException:
                    return  # the rows themselves cannot be told apart
                before += rows + len(rejects.lines()) + (self._request.csv.header and not piece.number)
            piece.remove()
        if found := next((column for column in self._misfits if column.count), None):
            raise self._refused(found)

    def _look(self, duck: duckdb.DuckDBPyConnection, piece: Piece, rejects: Rejects, before: int) -> int:
        """Take in what one piece has, `before` it so many lines; answers how many rows it has."""
        asked = "".join(f", count(*) FILTER ({x.test}), min(n, {FIRST_ROWS}) FILTER ({x.test})" for x in self._misfits)
        rows = f"SELECT row_number() OVER () AS n, * FROM {self._source.reader(self._ids, piece)}"
        count, *found = duck.execute(f"SELECT count(*){asked} FROM ({rows})").fetchall()[0]
        for column, some, numbers in zip(self._misfits, found[::2], found[1::2], strict=True):
            if some and len(column.lines) < FIRST_ROWS:
                header = self._source.header_of(piece)
                lines = [before + line - (piece.number > 0) for line in _lines_of(numbers, rejects.lines(), header)]
                column.lines = [*column.lines, *lines][:FIRST_ROWS]
            column.count += some
        return int(count)

    def _refused(self, found: _Misfits) -> Exception:
        return refuse(
            codes.CAST_FAILED,
            name=self._request.name,
            field=shown((found.name,)),
            expected=found.expected,
            count=found.count,
            lines=", ".join(map(str, found.lines)),
        )


def _lines_of(numbers: Sequence[Any], lost: Sequence[int], header: bool) -> list[int]:
    """Where rows stand: those that were turned down count too, and so does the header."""
    lines = []
    for number in numbers:
        line = int(number) + header
        for other in lost:
            if other > line:
                break
            line += 1
        lines.append(line)
    return lines
