"""Cells of a delimited file that hold JSON: of a key that comes twice the last value stays, and what no warehouse holds
is replaced, as in records of JSON. The rows of a piece are kept in a table of the engine for it, which may lie on disk.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import duckdb

from ingestion.checking.csvcolumns import CsvColumn
from ingestion.checking.reading import StrictDecoder
from ingestion.formats.base import Warning  # noqa: A004
from ingestion.formats.decode import Unreadable
from ingestion.formats.exact import losses_of

AT_ONCE: Final = 5_000
UNFIT: Final = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")  # U+0000 and halves of a character, as they are written


class _Twice(Exception):
    """A key comes twice in one object."""


def _once(pairs: list[tuple[str, Any]]) -> None:
    if len(dict(pairs)) < len(pairs):
        raise _Twice


_look = json.JSONDecoder(object_pairs_hook=_once, parse_int=len, parse_float=len).decode


class Documents:
    """The rows of one piece of a file, those of its columns that hold JSON made clean."""

    rows: Final = "FROM documents"

    def __init__(self, duck: duckdb.DuckDBPyConnection, columns: Sequence[CsvColumn]) -> None:
        self._duck, self._columns = duck, columns
        self._decoder = StrictDecoder()

    def take(self, rows: str) -> None:
        """Read the rows. A cell that is no JSON stays as it is: the cast has the last word on it."""
        self._duck.execute(f"CREATE OR REPLACE TEMP TABLE documents AS SELECT * {rows}")
        for column in self._columns:
            self._clean(column)

    def warnings(self) -> tuple[Warning, ...]:
        return losses_of(self._decoder)

    def _clean(self, column: CsvColumn) -> None:
        """Rows are looked up by their numbers, since what is read must not be changed meanwhile."""
        asked = f"SELECT rowid, {column.id} FROM documents WHERE rowid > ? AND {_may_be_unclean(column.id)}"
        last = -1
        while rows := self._duck.execute(f"{asked} ORDER BY rowid LIMIT {AT_ONCE}", [last]).fetchall():
            last = rows[-1][0]
            made = {row: self._rewritten(text, column.source) for row, text in rows if _is_unclean(text)}
            self._update(column, {row: text for row, text in made.items() if text is not None})

    def _rewritten(self, text: str, source: str) -> str | None:
        try:
            return self._decoder.document(text, source)
        except Unreadable:
            return None

    def _update(self, column: CsvColumn, made: Mapping[int, str]) -> None:
        if made:
            self._duck.execute(
                f"UPDATE documents SET {column.id} = made.v "
                "FROM (SELECT unnest(?::BIGINT[]) AS r, unnest(?::VARCHAR[]) AS v) AS made "
                "WHERE documents.rowid = made.r",
                [list(made), list(made.values())],
            )


def _may_be_unclean(v: str) -> str:
    """Cheap, and true of every cell that is unclean: of one object the engine tells the keys quickly."""
    keys = f"json_keys({v})"
    is_one = f"starts_with({v}, '{{') AND NOT contains({v}[2:], '{{') AND json_valid({v})"
    return (
        f"(contains({v}, '\\u') OR contains({v}, '{{') AND "
        f"CASE WHEN {is_one} THEN len({keys}) <> len(list_distinct({keys})) ELSE true END)"
    )


def _is_unclean(text: str) -> bool:
    if UNFIT.search(text):
        return True
    try:
        _look(text)
    except _Twice:
        return True
    except (ValueError, RecursionError):
        return False
    return False
