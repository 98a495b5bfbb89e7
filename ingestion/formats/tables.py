"""From a filled table to a part: which rows stay, what their columns are, and the counts that must add up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import duckdb

from ingestion.blueprint.columns import Column
from ingestion.blueprint.names import assign
from ingestion.blueprint.types import MAX_DIGITS, TEXT, Type
from ingestion.errors import DataFault
from ingestion.formats.base import (
    INDEX_COLUMN,
    PARENT_COLUMN,
    PART_COLUMN,
    ConvertedPart,
    TableSpec,
    Warning,  # noqa: A004
)
from ingestion.formats.facts import DAY, TIME, ZONE, Fact
from ingestion.formats.files import Written, write

POSITION: Final = Type("integer", 10, 0, 10)
GLUE: Final = "|"  # between the fields of a parent's key; where a value holds it, a backslash stands before it


@dataclass(frozen=True)
class Filled:
    """A table of our own that is ready to be staged. `rejected` were turned down before they reached it."""

    number: int
    spec: TableSpec
    facts: tuple[Fact, ...]
    rejected: int = 0
    warnings: tuple[Warning, ...] = ()

    @property
    def table(self) -> str:
        return f"t{self.number}"

    def with_warnings(self, warnings: tuple[Warning, ...]) -> "Filled":
        return replace(self, warnings=(*self.warnings, *warnings))

    def sql_of(self, path: str) -> str | None:
        ours = {PARENT_COLUMN: "p", INDEX_COLUMN: "CAST(i AS VARCHAR)"} if self.spec.array_path else {}
        return ours.get(path) or next((fact.sql for fact in self.facts if fact.leaf.source == path), None)


class Stager:
    """Writes the parts of one spool. The records' own table comes first: the others look up their parents there."""

    def __init__(self, duck: duckdb.DuckDBPyConnection, *, part_number: int, folder: Path, exact: bool) -> None:
        self.duck = duck
        self.part_number = part_number
        self.folder = folder
        self.exact = exact
        self.has_lost_records = False

    def stage(self, filled: Filled, parents: Filled) -> ConvertedPart | None:
        """The part of one table; None if nothing was extracted for it. Raises DataFault if the counts do not add up."""
        self._view(filled, parents)
        reasons, read = self._count(filled, filled.spec.key)
        if read + filled.rejected == 0:
            return None
        superseded, test = self._supersede(filled, [filled.sql_of(path) for path in filled.spec.key])
        written = self._write(filled, test)
        rejected = filled.rejected + sum(reasons.values())
        if read + filled.rejected != written.rows + rejected + superseded:
            raise DataFault(
                f"Staging {read:,} records for table {filled.spec.name} gave {written.rows:,} rows, {rejected:,} "
                f"rejected and {superseded:,} replaced, which does not add up.",
                advice="Retry the run; if it happens again, send support the run id.",
            )
        return ConvertedPart(
            table=filled.spec.name,
            path=written.path,
            columns=columns_of(filled),
            extracted=read + filled.rejected,
            rows=written.rows,
            rejected=rejected,
            superseded=superseded,
            size=written.size,
            plain_size=written.plain_size,
            sha256=written.sha256,
            cursor_max=self._cursor_max(filled),
            warnings=(*filled.warnings, *_told(filled, reasons)),
            exact=self.exact,
        )

    def _view(self, filled: Filled, parents: Filled) -> None:
        """v<n>: the table with `row` in reading order, `r` the record's row, and `fit` where the row may stay."""
        keys = [filled.sql_of(path) or "NULL" for path in filled.spec.key]
        rows = f"SELECT *, rowid AS row, rowid AS r FROM {filled.table}"
        tests = [f"({key}) IS NOT NULL" for key in keys]
        if filled.spec.array_path:
            parent = _parent_id(filled.spec, parents)
            rows = (
                f"SELECT t.*, t.rowid AS row, q.p FROM {filled.table} t "
                f"JOIN (SELECT rowid AS r, {parent} AS p FROM {parents.table}) q ON q.r = t.r"
            )
            tests += ["NOT bad", *(["p IS NOT NULL"] if filled.spec.parent_key else [])]
        fit = " AND ".join(tests) or "true"
        self.duck.execute(f"CREATE OR REPLACE TEMP VIEW v{filled.number} AS SELECT *, {fit} AS fit FROM ({rows})")

    def _count(self, filled: Filled, keys: Sequence[str]) -> tuple[dict[str, int], int]:
        """Rows read, and those of them that cannot stay, by reason."""
        reasons = {}
        if filled.spec.array_path:
            reasons["not_an_object"] = "bad"
            if filled.spec.parent_key:
                reasons["null_parent_key"] = "NOT bad AND p IS NULL"
        if keys:
            reasons["null_key"] = " AND ".join(["NOT fit", *(f"NOT ({test})" for test in reasons.values())])
        asked = "".join(f", count(*) FILTER ({test})" for test in reasons.values())
        answer = self._row(f"SELECT count(*){asked} FROM v{filled.number}")
        return {reason: count for reason, count in zip(reasons, answer[1:], strict=True) if count}, answer[0]

    def _supersede(self, filled: Filled, keys: Sequence[str | None]) -> tuple[int, str]:
        """How many rows a later one replaces, and the test for those that stay. A child goes with its record."""
        tests, lost = ["fit"], 0
        if filled.spec.array_path and self.has_lost_records:
            lost += self._row(f"SELECT count(*) FROM v{filled.number} WHERE fit AND r IN (SELECT row FROM l0)")[0]
            tests.append("r NOT IN (SELECT row FROM l0)")
        if keys and None not in keys:
            count = self._lose(filled.number, [str(key) for key in keys], " AND ".join(tests))
            if count:
                tests.append(f"row NOT IN (SELECT row FROM l{filled.number})")
                lost += count
            self.has_lost_records |= bool(count) and not filled.spec.array_path
        return lost, " AND ".join(tests)

    def _lose(self, number: int, fields: Sequence[str], test: str) -> int:
        """Note the rows that are not the last of their key in l<n>; answers how many."""
        key = ", ".join(fields)
        each = key if len(fields) == 1 else f"row({key})"
        rows, keys = self._row(f"SELECT count(*), count(DISTINCT {each}) FROM v{number} WHERE {test}")
        if rows != keys:
            self.duck.execute(
                f"CREATE TEMP TABLE l{number} AS SELECT row FROM (SELECT row, row_number() OVER "
                f"(PARTITION BY {key} ORDER BY row DESC) AS place FROM v{number} WHERE {test}) WHERE place > 1"
            )
        return int(rows - keys)

    def _write(self, filled: Filled, test: str) -> Written:
        ours = ["p AS f_p", "i AS f_i"] if filled.spec.array_path else []
        fields = [f"{fact.sql} AS f{number}" for number, fact in enumerate(filled.facts)]
        quoted = [f"f{number}" for number, fact in enumerate(filled.facts) if fact.is_quoted]
        wanted = ", ".join([*ours, *fields, f"{self.part_number} AS {PART_COLUMN}"])
        return write(
            self.duck,
            f"SELECT {wanted} FROM v{filled.number} WHERE {test}",
            quoted=[*(["f_p"] if ours else []), *quoted],
            target=self.folder / f"part-{self.part_number}-{filled.number}.csv.gz",
        )

    def _cursor_max(self, filled: Filled) -> str | None:
        """The greatest cursor of the rows that are fit, as the source spells it."""
        fact = next((fact for fact in filled.facts if fact.leaf.source == filled.spec.cursor), None)
        if fact is None or fact.type.kind in ("null", "json"):
            return None
        if fact.type.kind == "text":
            return self._greatest_text(f"SELECT {fact.sql} AS v FROM v{filled.number} WHERE fit")
        order = f"CAST({fact.sql} AS {_ORDERS[fact.type.kind].format(scale=fact.type.scale)})"
        (found,) = self._row(f"SELECT arg_max({fact.sql}, {order}) FROM v{filled.number} WHERE fit")
        return None if found is None else str(found)

    def _greatest_text(self, rows: str) -> str | None:
        """Of texts that mostly read as times, or as numbers, the greatest of those: a stray word is no point to go on
        from."""
        count, times, latest, numbers, largest, last = self._row(
            f"""SELECT count(v), count(t), arg_max(v, t), count(n), arg_max(v, n), max(v) FROM (SELECT v,
            CASE WHEN regexp_full_match(v, '{DAY}(?:[T ]{TIME}{ZONE}?)?') THEN TRY_CAST(v AS TIMESTAMPTZ) END AS t,
            CASE WHEN regexp_full_match(v, '[0-9]+') THEN TRY_CAST(v AS DECIMAL({MAX_DIGITS}, 0)) END AS n
            FROM ({rows}))"""
        )
        found = latest if 2 * times > count else largest if 2 * numbers > count else last
        return None if found is None else str(found)

    def _row(self, sql: str) -> Sequence[Any]:
        return self.duck.execute(sql).fetchall()[0]


_ORDERS: Final = {
    "boolean": "BOOLEAN",
    "integer": "BIGINT",
    "numeric": f"DECIMAL({MAX_DIGITS}, {{scale}})",
    "double": "DOUBLE",
    "date": "TIMESTAMPTZ",
    "timestamp": "TIMESTAMPTZ",
}


def columns_of(filled: Filled) -> tuple[Column, ...]:
    ours = {PARENT_COLUMN: TEXT, INDEX_COLUMN: POSITION} if filled.spec.array_path else {}
    types: Mapping[str, Type] = {**ours, **{fact.leaf.source: fact.type for fact in filled.facts}}
    names = assign(types)
    return tuple(Column(name=names[source], source=source, type=kind) for source, kind in types.items())


def _parent_id(spec: TableSpec, parents: Filled) -> str:
    """The parent's key as one text; null where any of its fields is."""
    fields = [parents.sql_of(path) or "NULL" for path in spec.parent_key]
    if len(fields) < 2:
        return f"CAST({fields[0] if fields else 'NULL'} AS VARCHAR)"
    escaped = [rf"replace(replace(CAST({field} AS VARCHAR), '\', '\\'), '{GLUE}', '\{GLUE}')" for field in fields]
    return f" || '{GLUE}' || ".join(escaped)


REASONS: Final = {
    "not_an_object": "elements that are no objects cannot be rows",
    "null_parent_key": "the record they belong to has no key",
    "null_key": "a field of the key is missing or null",
}


def _told(filled: Filled, reasons: Mapping[str, int]) -> list[Warning]:
    """What was turned down and what could not be kept as it was meant."""
    key = ", ".join(filled.spec.key)
    told = [
        Warning(code=code, count=count, column=key if code == "null_key" else "", text=REASONS[code])
        for code, count in reasons.items()
    ]
    for fact in filled.facts:
        if fact.too_long:
            text = f"numbers of more than {MAX_DIGITS} digits: the column is text, so that no digit is lost"
            told.append(Warning(code="too_many_digits", count=fact.too_long, column=fact.leaf.source, text=text))
        if fact.misfit:
            text = f"declared {fact.misfit}, but not all values fit: the column is {fact.type.label}"
            told.append(Warning(code="declared_type", count=fact.misfits, column=fact.leaf.source, text=text))
    return told
