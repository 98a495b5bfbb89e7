"""The fast path: a spool is read by DuckDB's JSON reader into columns of text, with the shape of a sample as a guess.

The reader ignores keys that it was not told of, so a second look asks which keys there are; what the guess missed is
added to it, and the spool is read again. What the reader would change in silence is refused: `NeedsExact`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from json import dumps
from pathlib import Path
from typing import Any, Final

import duckdb
import msgspec

from ingestion.formats.base import TableSpec, Warning  # noqa: A004
from ingestion.formats.duck import listed, name, paths, text
from ingestion.formats.facts import Span, measure
from ingestion.formats.scan import Survey
from ingestion.formats.shape import MOST_COLUMNS, Layout, Leaf, Shape, arrays_of, depth_of, is_open, lay_out, place_at

ATTEMPTS: Final = 4
LONGEST_KEY: Final = 500
MORE_SAMPLES: Final = 400
LARGEST_OBJECT: Final = 16 << 20  # DuckDB's own default


class NeedsExact(Exception):  # noqa: N818 - a decision, no error
    """This spool must go record by record; the argument says why."""


@dataclass(frozen=True)
class Loaded:
    """The tables t0, t1 … and what is in them: for each its layout, and the spans of its columns by id."""

    layouts: list[Layout]
    spans: list[dict[str, Span]]
    rejected: list[dict[str, int]]  # by reason, before any table was reached
    warnings: list[tuple[Warning, ...]]


def load(duck: duckdb.DuckDBPyConnection, spool: Sequence[Path], specs: Sequence[TableSpec], seen: Survey) -> Loaded:
    """Fill the tables t0, t1 … Raises NeedsExact."""
    if seen.reason:
        raise NeedsExact(seen.reason)
    shape, arrays, depth = Shape(), arrays_of(specs), depth_of(specs)
    samples: list[Any] = list(seen.sample)
    for _ in range(ATTEMPTS):
        for sample in samples:
            shape.see(_decode(sample), arrays, depth=depth)
        _check(shape)
        for path in arrays:
            _check_elements(place_at(shape, path))
        layouts = lay_out(shape, specs)
        reader = _Reader(duck, list(spool), shape, layouts, max(LARGEST_OBJECT, 2 * seen.longest_block))
        samples = reader.read()
        if not samples:
            reader.recount(seen.lines)
            return Loaded(layouts, reader.spans, [{} for _ in layouts], [() for _ in layouts])
    raise NeedsExact("shape")


def _decode(line: bytes | str) -> Any:
    try:
        value = msgspec.json.decode(line)
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise NeedsExact("json") from error
    if not isinstance(value, dict):
        raise NeedsExact("not_an_object")
    return value


def _check(shape: Shape) -> None:
    """Refuse what cannot be said in the reader's own terms, where names differ by more than case."""
    if not shape.children:
        raise NeedsExact("no_keys")
    for _, place in _structs(shape):
        keys = list(place.children)
        if len({key.lower() for key in keys}) < len(keys):
            raise NeedsExact("case")
        if any(not key or len(key) > LONGEST_KEY or '"' in key or "\\" in key or "\0" in key for key in keys):
            raise NeedsExact("key")
        if len(keys) > MOST_COLUMNS:
            raise NeedsExact("columns")


def _check_elements(array: Shape) -> None:
    if "array" in array.kinds and (len(array.kinds) > 1 or not (_is_unseen(array) or array.is_table)):
        raise NeedsExact("elements")


def _is_unseen(array: Shape) -> bool:
    return array.elements is None or not array.elements.kinds


def _structs(shape: Shape, path: str = "$") -> Iterator[tuple[str, Shape]]:
    """Every place whose keys are told to the reader, with its JSON path."""
    yield path, shape
    for key, child in shape.children.items():
        if child.is_object:
            yield from _structs(child, f'{path}."{key}"')
        elif child.is_table and child.elements:
            yield from _structs(child.elements, f'{path}."{key}"[*]')


class _Reader:
    """One attempt at reading the spool with one guess."""

    def __init__(
        self, duck: duckdb.DuckDBPyConnection, spool: list[Path], shape: Shape, layouts: list[Layout], largest: int
    ) -> None:
        self.duck = duck
        self.files = paths(spool)
        self.shape = shape
        self.layouts = layouts
        self.largest = largest
        self.spans: list[dict[str, Span]] = []

    def read(self) -> list[str]:
        """Fill the tables. Answers records that show what the guess lacks, none if it was right."""
        self._fill()
        if examples := self._with_unknown_keys() or self._with_unseen_elements():
            return examples
        self._fill_children()
        self.spans = [measure(self.duck, f"t{number}", layout.leaves) for number, layout in enumerate(self.layouts)]
        return self._with_closed_objects()

    def recount(self, lines: int) -> None:
        """The reader skips blank lines; whatever else makes the counts differ is for the exact path to say."""
        if self._run("SELECT count(*) FROM t0")[0][0] != lines:
            raise NeedsExact("lines")

    def _fill(self) -> None:
        columns = ", ".join(f"{text(key)}: {text(_type(child))}" for key, child in self.shape.children.items())
        wanted = [_plucked(leaf) for leaf in self.layouts[0].leaves]
        wanted += [f"{_at(layout.array)} AS a{number}" for number, layout in self._children()]
        self._run(
            f"CREATE OR REPLACE TEMP TABLE t0 AS SELECT {', '.join(wanted) or '0 AS nothing'} FROM read_json("
            f"{self.files}, columns = {{{columns}}}, format = 'newline_delimited', records = true, "
            f"maximum_object_size = {self.largest})"
        )

    def _children(self) -> list[tuple[int, Layout]]:
        """The child tables whose arrays are there, empty ones too."""
        return [
            (number, layout)
            for number, layout in enumerate(self.layouts)
            if layout.array and "array" in place_at(self.shape, layout.array).kinds
        ]

    def _fill_children(self) -> None:
        filled = {number for number, layout in self._children() if layout.leaves}
        for number, layout in enumerate(self.layouts[1:], start=1):
            rows = "SELECT 0::BIGINT AS r, 0::BIGINT AS i, NULL AS e LIMIT 0"
            if number in filled:
                rows = f"SELECT rowid AS r, unnest(range(len(a{number}))) AS i, unnest(a{number}) AS e FROM t0"
            leaves = "".join(f", {_plucked(leaf, 'e')}" for leaf in layout.leaves)
            self._run(f"CREATE OR REPLACE TEMP TABLE t{number} AS SELECT r, i, e IS NULL AS bad{leaves} FROM ({rows})")

    def _with_unseen_elements(self) -> list[str]:
        """Arrays that only looked empty: in the tables they are JSON text still."""
        for number, layout in self._children():
            if not layout.leaves:
                found = self._run(f"SELECT a{number}::VARCHAR FROM t0 WHERE a{number}::VARCHAR <> '[]' LIMIT 50")
                if found:
                    return [_wrapped(row[0], layout.array) for row in found]
        return []

    def _with_closed_objects(self) -> list[str]:
        """Objects where the sample had nothing but nulls."""
        for number, layout in enumerate(self.layouts):
            for leaf in layout.leaves:
                span = self.spans[number][leaf.id]
                if not (leaf.raw and span.all_start_with("{") and (span.low, span.high) != ("{}", "{}")):
                    continue
                if is_open(leaf.keys, {}, layout.spec.depth):
                    found = self._run(f"SELECT {leaf.id} FROM t{number} WHERE {leaf.id} <> '{{}}' LIMIT {MORE_SAMPLES}")
                    return [_wrapped(row[0], leaf.keys, layout.array) for row in found]
        return []

    def _with_unknown_keys(self) -> list[str]:
        places = list(_structs(self.shape))
        keys = ", ".join(f"{_keys_at(path)} AS k{number}" for number, (path, _) in enumerate(places))
        unusual = " OR ".join(
            f"k{number} IS DISTINCT FROM {listed([text(key) for key in place.usual_keys])}"
            for number, (path, place) in enumerate(places)
            if "[*]" not in path
        )
        lines = f"FROM read_ndjson_objects({self.files}, maximum_object_size = {self.largest})"
        if any("[*]" in path for path, _ in places):
            unusual = "true"
        columns = ", ".join(f"k{number}" for number in range(len(places)))
        each = " UNION ".join(
            f"SELECT {number} AS place, unnest(k{number}) AS key FROM d" for number in range(len(places))
        )
        found = self._run(
            f"WITH d AS MATERIALIZED (SELECT DISTINCT {columns} FROM (SELECT {keys} {lines}) WHERE {unusual}) "
            f"SELECT place, key FROM ({each}) UNION ALL SELECT -1, '' FROM d WHERE k0 IS NULL LIMIT 20000"
        )
        unknown = [(place, key) for place, key in found if place < 0 or key not in places[place][1].children]
        if not unknown:
            return []
        if any(place < 0 for place, _ in unknown) or len(unknown) > MOST_COLUMNS:
            raise NeedsExact("not_an_object" if unknown[-1][0] < 0 else "columns")
        return self._examples(places, unknown, lines)

    def _examples(self, places: list[tuple[str, Shape]], unknown: list[tuple[int, str]], lines: str) -> list[str]:
        wanted: dict[int, list[str]] = {}
        for place, key in unknown:
            wanted.setdefault(place, []).append(text(key))
        tests = " OR ".join(
            f"list_has_any({_keys_at(places[place][0])}, {listed(keys)})" for place, keys in wanted.items()
        )
        found = self._run(
            f"SELECT first(json) FROM (SELECT json {lines} WHERE {tests}) GROUP BY json_keys(json) LIMIT {MORE_SAMPLES}"
        )
        return [row[0] for row in found]

    def _run(self, sql: str) -> list[Any]:
        try:
            return self.duck.execute(sql).fetchall()
        except (duckdb.InvalidInputException, duckdb.ConversionException, duckdb.BinderException) as error:
            raise NeedsExact("refused") from error


def _wrapped(value: str, keys: Sequence[str], array: Sequence[str] = ()) -> str:
    """A record with nothing but this value in its place."""
    for key in reversed(keys):
        value = f"{{{dumps(key)}: {value}}}"
    return _wrapped(f"[{value}]", array) if array else value


def _keys_at(path: str) -> str:
    keys = f"json_keys(json, {text(path)})" if path != "$" else "json_keys(json)"
    return f"list_distinct(flatten({keys}))" if "[*]" in path else keys


def _type(shape: Shape) -> str:
    if shape.is_object:
        return "STRUCT(" + ", ".join(f"{name(key)} {_type(child)}" for key, child in shape.children.items()) + ")"
    if shape.is_table and shape.elements:
        return _type(shape.elements) + "[]"
    return "VARCHAR" if "string" in shape.kinds else "JSON"


def _at(keys: Sequence[str], start: str = "") -> str:
    place = start or name(keys[0])
    for key in keys if start else keys[1:]:
        place = f"struct_extract({place}, {text(key)})"
    return place


def _plucked(leaf: Leaf, start: str = "") -> str:
    place = _at(leaf.keys, start)
    return f"{place}::VARCHAR AS {leaf.id}" if leaf.raw else f"{place} AS {leaf.id}"
