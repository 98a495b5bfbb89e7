"""Rows of a delimited file that the engine could not tell as rows, as problems."""

from collections.abc import Iterator
from typing import Any, Final

import duckdb

from ingestion.checking import codes
from ingestion.checking.base import CheckRequest
from ingestion.checking.codes import refuse
from ingestion.checking.judge import Fault, fault
from ingestion.checking.problems import LONGEST_RECORD, Problems

AT_ONCE: Final = 1_000
RAGGED: Final = ("MISSING COLUMNS", "TOO MANY COLUMNS")
SURE: Final = (*RAGGED, "INVALID ENCODING")
HARMLESS: Final = (*SURE, "LINE SIZE OVER MAXIMUM")
WHYS: Final = {
    "INVALID ENCODING": "it is not text of the declared character set",
    "LINE SIZE OVER MAXIMUM": "it is longer than one row may be",
    "UNQUOTED VALUE": "a quoted value goes on behind its closing quote, or is never closed",
    "INVALID STATE": "its quotes cannot be told apart",
}


class Rejects:
    """What the reading of a piece of a file could not take. `columns`: how many a row should have; `header`: has the
    piece one?"""

    def __init__(self, duck: duckdb.DuckDBPyConnection, request: CheckRequest, *, columns: int, header: bool) -> None:
        self._duck, self._request, self._columns, self._header = duck, request, columns, header

    def tell(self, problems: Problems, *, first: int) -> None:
        """Put each row among the problems; `first` is the position of the piece's first. Raises FileRefused where a
        quote swallowed the rest of the file."""
        for line, kind, text in self._rows():
            if kind == "UNQUOTED VALUE" and self._is_open(text):
                row = first + self._position(line) + 1 + self._request.csv.header
                why = f"the quote in row {row} is never closed"
                raise refuse(codes.DAMAGED, name=self._request.name, why=why)
            problems.reject(first + self._position(line), [self._fault(kind)], raw=text.encode())

    @property
    def may_have_swallowed(self) -> bool:
        """Is there a reject that may be several rows? Line ends of another kind look so to the engine."""
        return any(kind not in HARMLESS for _, kind, _ in self._rows())

    @property
    def may_be_cut(self) -> bool:
        """Is there a reject that may be a piece's end within quotes?"""
        return self._has_any() and bool(
            self._duck.execute(f"SELECT 1 FROM reject_errors WHERE error_type NOT IN {SURE} LIMIT 1").fetchall()
        )

    def lines(self) -> list[int]:
        """The lines of the rows that were no rows, in order."""
        return [line for line, _, _ in self._rows()]

    def _rows(self) -> Iterator[tuple[int, str, str]]:
        """One for each row: the first thing that was wrong with it."""
        if not self._has_any():
            return
        cursor = self._duck.execute(
            f"SELECT line, first(error_type ORDER BY column_idx), left(first(csv_line), {LONGEST_RECORD}) "
            "FROM reject_errors GROUP BY line ORDER BY line"
        )
        while rows := cursor.fetchmany(AT_ONCE):
            for row in rows:
                line, kind, text = self._typed(row)
                if text.strip("\r\n"):
                    yield line, kind, text

    def _has_any(self) -> bool:
        found = self._duck.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'reject_errors'")
        return bool(found.fetchall())

    def _typed(self, row: tuple[Any, ...]) -> tuple[int, str, str]:
        return int(row[0]), str(row[1]), str(row[2] or "?")

    def _position(self, line: int) -> int:
        return max(0, line - 1 - self._header)

    def _fault(self, kind: str) -> Fault:
        if kind in RAGGED:
            return fault(codes.RAGGED, expected=self._columns)
        return fault(codes.UNREADABLE, why=WHYS.get(kind, "it is no row of the declared form"))

    def _is_open(self, text: str) -> bool:
        quote, escape = self._request.csv.quote, self._request.csv.escape
        if not quote:
            return False
        if escape not in (quote, ""):
            text = text.replace(escape + escape, "").replace(escape + quote, "")
        return bool(text.count(quote) % 2)
