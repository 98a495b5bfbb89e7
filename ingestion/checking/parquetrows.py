"""Rows of a Parquet file, a chunk at a time: read as texts, filtered, judged where flagged, written as a part."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb

from ingestion.blueprint.types import Type
from ingestion.checking import codes
from ingestion.checking.abreast import Ticket
from ingestion.checking.base import CheckRequest
from ingestion.checking.judge import Judge, fault
from ingestion.checking.parquetschema import POSITION
from ingestion.checking.parquettypes import DOCUMENT, FLAG, NUMBER, STRING, Reading, rows_of
from ingestion.checking.parquetvalues import is_cut
from ingestion.checking.problems import Problems
from ingestion.checking.reading import StrictDecoder
from ingestion.checking.schema import Schema
from ingestion.checking.sieve import NeedsWash, flagged
from ingestion.checking.spools import json_text
from ingestion.checking.values import NUMBER_TEXT
from ingestion.checking.warn import cuts_of
from ingestion.formats.base import ConvertedPart, TableSpec, Warning  # noqa: A004
from ingestion.formats.decode import Number, Unreadable, canonical
from ingestion.formats.facts import Fact, measure
from ingestion.formats.native import Loaded
from ingestion.formats.shape import Layout, Leaf, Shape
from ingestion.formats.tables import Filled, Stager

AT_ONCE: Final = 5_000
NOTES: Final = {
    "base64": "binary values are written as base64 text",
    "fraction_cut": "times with more than six digits of a second were cut to microseconds",
}
NOT_NUMBERS: Final = "('nan', '-nan', 'inf', '-inf', 'NaN', 'Infinity', '-Infinity')"
YEARS: Final = ("0001", "9999")


@dataclass(frozen=True)
class Chunk:
    """A range of rows."""

    path: Path
    first: int
    count: int


class ParquetTable:
    """The columns of one file, and the table t0 that takes one chunk after the other."""

    def __init__(
        self,
        duck: duckdb.DuckDBPyConnection,
        request: CheckRequest,
        schema: Schema | None,
        readings: Sequence[Reading],
        problems: Problems,
    ) -> None:
        self._duck, self._request, self._schema, self._problems = duck, request, schema, problems
        self._readings = list(readings)
        self._spec = TableSpec(name="records", key=request.key, depth=request.depth)
        self._judge = Judge(schema, request.key, most_fields=request.limits.fields)
        leaves = [_leaf(number, reading) for number, reading in enumerate(readings)]
        self._layout = Layout(self._spec, _shape(leaves), (), tuple(leaves))
        self._sure = {
            leaf.id: reading.source.came
            for leaf, reading in zip(leaves, readings, strict=True)
            if reading.source.kind == STRING
        }
        self._types: Mapping[str, Type] = schema.types(request.depth) if schema else {}

    def convert(self, chunk: Chunk, ticket: Ticket, *, is_last: bool) -> ConvertedPart | None:
        """The part of the chunk that was read last; None if no row of it passed. `is_last` of the ticket's."""
        suspects = self._suspects(chunk)
        with ticket.turn(is_last=is_last) as tally:
            rejected = self._judge_flagged(chunk, suspects)
            if rejected == chunk.count:
                return None
            number = tally.take_part()
        facts = tuple(
            Fact(leaf, leaf.id, self._types.get(leaf.source, reading.type))
            for leaf, reading in zip(self._layout.leaves, self._readings, strict=True)
        )
        filled = Filled(0, self._spec, facts, warnings=(*self._notes(chunk), *cuts_of(self._judge)))
        return Stager(self._duck, part_number=number, folder=self._request.folder, exact=False).stage(filled, filled)

    def read(self, chunk: Chunk) -> None:
        """Read a chunk. Raises the engine's own error where it is too large."""
        wanted = ", ".join(f"{_clean(reading)} AS c{number}" for number, reading in enumerate(self._readings))
        self._duck.execute(f"CREATE OR REPLACE TEMP TABLE t0 AS SELECT {wanted} FROM {_rows_of(chunk)}")

    def _judge_flagged(self, chunk: Chunk, suspects: Sequence[int]) -> int:
        """Look at the rows that may be bad; answers how many were."""
        bad: list[int] = []
        for start in range(0, len(suspects), AT_ONCE):
            changed: dict[int, list[str | None]] = {}
            for row, texts in self._rows(suspects[start : start + AT_ONCE]):
                made = self._judged(chunk.first + row, texts)
                if made is None:
                    bad.append(row)
                elif made is not texts:
                    changed[row] = made
            self._update(changed)
        for start in range(0, len(bad), AT_ONCE):
            self._duck.execute(f"DELETE FROM t0 WHERE rowid IN ({_listed(bad[start : start + AT_ONCE])})")
        return len(bad)

    def _suspects(self, chunk: Chunk) -> list[int]:
        spans = measure(self._duck, "t0", self._layout.leaves) if self._schema else {}
        loaded = Loaded([self._layout], [spans], [{}], [()])
        try:
            found = set(flagged(self._duck, loaded, self._schema, self._request, sure=self._sure))
        except NeedsWash:
            return list(range(chunk.count))
        if tests := " OR ".join(f"({test})" for test in self._oddities()):
            found.update(row[0] for row in self._duck.execute(f"SELECT rowid FROM t0 WHERE {tests}").fetchall())
        return sorted(found)

    def _oddities(self) -> Iterator[str]:
        """What no warehouse holds: NaN and infinities, years of more or fewer than four digits."""
        for number, reading in enumerate(self._readings):
            if reading.source.word in ("float", "double"):
                yield f"c{number} IN {NOT_NUMBERS}"
            elif reading.source.came in ("date", "date-time"):
                c = f"c{number}"
                yield f"{c} < '{YEARS[0]}' OR {c} >= '{YEARS[1]}-12-32' OR {c}[5] <> '-' OR contains({c}, '(')"
            elif reading.source.kind == DOCUMENT:
                yield f"contains(c{number}, 'NaN') OR contains(c{number}, 'Infinity')"

    def _rows(self, numbers: Sequence[int]) -> Iterator[tuple[int, list[str | None]]]:
        columns = ", ".join(leaf.id for leaf in self._layout.leaves)
        sql = f"SELECT rowid, {columns} FROM t0 WHERE rowid IN ({_listed(numbers)}) ORDER BY rowid"
        for row, *texts in self._duck.execute(sql).fetchall():
            yield int(row), texts

    def _judged(self, position: int, texts: list[str | None]) -> list[str | None] | None:
        """The texts of a row that passes, converted; None for one that does not."""
        record: dict[str, Any] = {}
        try:
            for leaf, reading, value in zip(self._layout.leaves, self._readings, texts, strict=True):
                if value is not None:
                    _put(record, leaf.keys, _value(reading, value))
        except Unreadable:
            self._problems.reject(position, [fault(codes.NOT_FINITE)], row=self._as_row(texts))
            return None
        faults = self._judge.judge(record)
        faults += [] if faults else self._out_of_range(texts)
        if faults:
            self._problems.reject(position, faults, row=self._as_row(texts))
            return None
        if not self._judge.has_converted:
            return texts
        return [_text_at(record, leaf.keys) for leaf in self._layout.leaves]

    def _out_of_range(self, texts: Sequence[str | None]) -> list[Any]:
        return [
            fault(codes.OUT_OF_RANGE, field=reading.source.path, expected=reading.source.came)
            for reading, value in zip(self._readings, texts, strict=True)
            if value is not None
            and reading.source.came in ("date", "date-time")
            and not (YEARS[0] <= value[:4] <= YEARS[1] and value[4:5] == "-" and "(" not in value)
        ]

    def _as_row(self, texts: Sequence[str | None]) -> dict[str, Any]:
        return {leaf.source: value for leaf, value in zip(self._layout.leaves, texts, strict=True)}

    def _update(self, changed: Mapping[int, list[str | None]]) -> None:
        if not changed:
            return
        ids = [leaf.id for leaf in self._layout.leaves]
        columns = ", ".join(f"unnest(?::VARCHAR[]) AS {x}" for x in ids)
        self._duck.execute(
            f"CREATE OR REPLACE TEMP TABLE changed AS SELECT unnest(?::BIGINT[]) AS r, {columns}",
            [list(changed), *map(list, zip(*changed.values(), strict=True))],
        )
        made = ", ".join(f"{x} = changed.{x}" for x in ids)
        self._duck.execute(f"UPDATE t0 SET {made} FROM changed WHERE t0.rowid = changed.r")

    def _notes(self, chunk: Chunk) -> tuple[Warning, ...]:
        found = []
        for leaf, reading in zip(self._layout.leaves, self._readings, strict=True):
            if reading.note:
                asked = f"SELECT count({leaf.id}) FROM t0"
                if reading.note == "fraction_cut":
                    asked = f"SELECT count(*) FROM {_rows_of(chunk)} AND {is_cut(reading.source.sql)}"
                ((count,),) = self._duck.execute(asked).fetchall()
                found.append(Warning(code=reading.note, count=count, column=leaf.source, text=NOTES[reading.note]))
        return tuple(note for note in found if note.count)


def _rows_of(chunk: Chunk) -> str:
    """The SQL of the rows of a range."""
    return f"{rows_of(chunk.path)} WHERE {POSITION} >= {chunk.first} AND {POSITION} < {chunk.first + chunk.count}"


def _leaf(number: int, reading: Reading) -> Leaf:
    return Leaf(f"c{number}", reading.source.keys, raw=reading.source.kind != STRING)


def _shape(leaves: Sequence[Leaf]) -> Shape:
    """The shape that records of these columns have."""
    shape = Shape(kinds={"object"})
    for leaf in leaves:
        place = shape
        for key in leaf.keys:
            place.kinds.add("object")
            place = place.children.setdefault(key, Shape())
        place.kinds.add("number" if leaf.raw else "string")
    return shape


def _clean(reading: Reading) -> str:
    """Text without U+0000, which no warehouse can hold."""
    return f"replace({reading.sql}, chr(0), '')" if reading.source.word == "varchar" else reading.sql


def _value(reading: Reading, value: str) -> Any:
    """The value that a text stands for. Raises Unreadable for NaN."""
    kind = reading.source.kind
    if kind == NUMBER and NUMBER_TEXT.fullmatch(value):
        return canonical(value)
    if kind == NUMBER and not value[-1].isdigit() and value[-1] != "Z":
        raise Unreadable("nan")
    if kind == FLAG:
        return value == "true"
    if kind == DOCUMENT:
        return _Documents.decode(value)
    return value


class _Documents(StrictDecoder):
    """Reads JSON of any kind."""

    @classmethod
    def decode(cls, value: str) -> Any:
        return cls().record(f'{{"v":{value}}}'.encode())["v"]


def _put(record: dict[str, Any], keys: Sequence[str], value: Any) -> None:
    for key in keys[:-1]:
        record = record.setdefault(key, {})
    record[keys[-1]] = value


def _text_at(record: Any, keys: Sequence[str]) -> str | None:
    for key in keys:
        record = record.get(key) if isinstance(record, dict) else None
    if record is None:
        return None
    return str(record) if type(record) in (str, Number) else json_text(record)


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))
