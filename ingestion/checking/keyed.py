"""Rows with a key: those without it are problems, and of several with one the last stays. The rows are kept in a table
of the engine for it, which may lie on disk.
"""

from collections.abc import Sequence
from typing import Final

import duckdb

from ingestion.blueprint.paths import split_path
from ingestion.checking import codes
from ingestion.checking.base import CheckRequest
from ingestion.checking.codes import refuse
from ingestion.checking.judge import fault, shown
from ingestion.checking.problems import Problems
from ingestion.checking.tabular import Field

AT_ONCE: Final = 1_000


class Keyed:
    """The rows of one piece of a file. `rows` is a FROM clause for those that stay."""

    def __init__(self, duck: duckdb.DuckDBPyConnection, request: CheckRequest, fields: Sequence[Field]) -> None:
        self._duck, self._fields = duck, fields
        self._keys = [_field(fields, path, request) for path in request.key]
        self.superseded = 0
        self.rows = "FROM keyed WHERE " + " AND ".join(f"{key.sql} IS NOT NULL" for key in self._keys)

    def take(self, rows: str) -> None:
        """Read the rows, and find those that a later row replaces."""
        self._duck.execute(f"CREATE OR REPLACE TEMP TABLE keyed AS SELECT * {rows}")
        named = ", ".join(f"{field.sql} AS k{number}" for number, field in enumerate(self._keys))
        key = ", ".join(f"k{number}" for number in range(len(self._keys)))
        self._duck.execute(
            "CREATE OR REPLACE TEMP TABLE replaced AS SELECT r FROM (SELECT r, row_number() OVER "
            f"(PARTITION BY {key} ORDER BY r DESC) AS place FROM (SELECT rowid AS r, {named} {self.rows})) "
            "WHERE place > 1"
        )
        self.superseded = int(self._duck.execute("SELECT count(*) FROM replaced").fetchall()[0][0])
        if self.superseded:
            self.rows += " AND rowid NOT IN (SELECT r FROM replaced)"

    def tell(self, problems: Problems, *, first: int) -> None:
        """Put the rows without a key among the problems; `first` is the position of the first row of all."""
        wanted = ", ".join(field.sql for field in self._fields)
        missing = " OR ".join(f"{key.sql} IS NULL" for key in self._keys)
        cursor = self._duck.execute(f"SELECT rowid, {wanted} FROM keyed WHERE {missing} ORDER BY rowid")
        names = [".".join(split_path(field.source)) for field in self._fields]
        keys = [self._fields.index(key) for key in self._keys]
        while some := cursor.fetchmany(AT_ONCE):
            for position, *values in some:
                gone = [names[key] for key in keys if values[key] is None]
                faults = [fault(codes.NO_KEY, field=shown((name,))) for name in gone]
                problems.reject(first + int(position), faults, row=dict(zip(names, values, strict=True)))


def _field(fields: Sequence[Field], path: str, request: CheckRequest) -> Field:
    found = next((field for field in fields if field.source == path), None)
    if found is None:
        why = f"it has no column {shown((path,))}, which is part of the dataset's key"
        raise refuse(codes.BAD_OPTION, name=request.name, why=why)
    return found
