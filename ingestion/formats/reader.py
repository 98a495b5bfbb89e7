"""One reading of a spool by DuckDB with one guess of its shape, and the looks that tell whether the guess was right."""

from collections.abc import Iterator, Sequence
from json import dumps
from pathlib import Path
from typing import Any, Final

import duckdb

from ingestion.formats.duck import listed, make_room, name, paths, text
from ingestion.formats.facts import Span, is_container, measure
from ingestion.formats.scan import has_no_numbers
from ingestion.formats.shape import MOST_COLUMNS, Layout, Leaf, Shape, is_open, place_at

MORE_SAMPLES: Final = 400


class NeedsExact(Exception):
    """This spool must go record by record; the argument says why."""


def structs(shape: Shape, path: str = "$") -> Iterator[tuple[str, Shape]]:
    """Every place whose keys are told to the reader, with its JSON path."""
    yield path, shape
    for key, child in shape.children.items():
        if child.is_object:
            yield from structs(child, f'{path}."{key}"')
        elif child.is_table and child.elements:
            yield from structs(child.elements, f'{path}."{key}"[*]')


def is_uniform(shape: Shape) -> bool:
    """Had every object of the sample all keys of its place?"""
    return all(len(order) == len(place.children) for _, place in structs(shape) for order in place.orders)


class Reader:
    """One attempt at reading the spool with one guess."""

    def __init__(
        self, duck: duckdb.DuckDBPyConnection, spool: list[Path], shape: Shape, layouts: list[Layout], largest: int
    ) -> None:
        self.duck = duck
        self.spool = spool
        self.files = paths(spool)
        self.shape = shape
        self.layouts = layouts
        self.largest = largest
        self.spans: list[dict[str, Span]] = []

    def read(self) -> list[str]:
        """Fill the tables. Answers records that show what the guess lacks, none if it was right."""
        if not (is_uniform(self.shape) and self._fill_strictly()):
            self._fill_loosely()
            if examples := self._with_unknown_keys():
                return examples
        if examples := self._with_unseen_elements():
            return examples
        self._fill_children()
        self.spans = [measure(self.duck, f"t{number}", layout.leaves) for number, layout in enumerate(self.layouts)]
        if examples := self._with_unseen_objects():
            return examples
        self._refuse_oddities()
        return []

    def recount(self, lines: int) -> None:
        """The reader skips blank lines; whatever else makes the counts differ is for the exact path to say."""
        if self._run("SELECT count(*) FROM t0")[0][0] != lines:
            raise NeedsExact("lines")

    def _fill_strictly(self) -> bool:
        """A cast to a structure takes records that have exactly these keys, and says so if one has not."""
        rows = f"SELECT json::{_struct(self.shape)} AS s FROM {self._lines()}"
        try:
            self._fill(rows, start="s")
        except duckdb.ConversionException:
            return False
        ids = [*(leaf.id for leaf in self.layouts[0].leaves), *(f"a{number}" for number, _ in self._children())]
        nothing = " AND ".join(f"{column} IS NULL" for column in ids)
        return not self._run(f"SELECT 1 FROM t0 WHERE {nothing} LIMIT 1")  # a bare "null" for a record looks like this

    def _fill_loosely(self) -> None:
        """The reader takes any record, fills what is missing with null and ignores keys it does not know."""
        columns = ", ".join(f"{text(key)}: {text(_type(child))}" for key, child in self.shape.children.items())
        rows = (
            f"FROM read_json({self.files}, columns = {{{columns}}}, format = 'newline_delimited', records = true, "
            f"maximum_object_size = {self.largest})"
        )
        try:
            self._fill(rows, start="")
        except duckdb.ConversionException as error:
            raise NeedsExact("refused") from error

    def _lines(self) -> str:
        return f"read_ndjson_objects({self.files}, maximum_object_size = {self.largest})"

    def _fill(self, rows: str, *, start: str) -> None:
        wanted = [_plucked(leaf, start) for leaf in self.layouts[0].leaves]
        wanted += [f"{_at(layout.array, start)} AS a{number}" for number, layout in self._children()]
        make_room(self.duck, columns=sum(len(layout.leaves) for layout in self.layouts))
        try:
            self.duck.execute(f"CREATE OR REPLACE TEMP TABLE t0 AS SELECT {', '.join(wanted)} FROM ({rows})")
        except (duckdb.InvalidInputException, duckdb.BinderException) as error:
            raise NeedsExact("refused") from error

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

    def _with_unseen_objects(self) -> list[str]:
        """Objects where the sample had none."""
        for number, layout in enumerate(self.layouts):
            for leaf in layout.leaves:
                if not is_open(leaf.keys, {}, layout.spec.depth) or self._is_closed(layout, leaf):
                    continue
                span = self.spans[number][leaf.id]
                if leaf.raw and span.high.startswith("{"):  # nothing in JSON text is greater
                    test = f"starts_with({leaf.id}, '{{') AND {leaf.id} <> '{{}}'"
                    found = self._run(f"SELECT {leaf.id} FROM t{number} WHERE {test} LIMIT {MORE_SAMPLES}")
                    examples = [_wrapped(row[0], leaf.keys, layout.array) for row in found]
                else:
                    examples = self._with_objects_at(layout, leaf) if not leaf.raw and span.objects else []
                if examples:
                    return examples
        return []

    def _is_closed(self, layout: Layout, leaf: Leaf) -> bool:
        return not layout.array and place_at(self.shape, leaf.keys).closed

    def _with_objects_at(self, layout: Layout, leaf: Leaf) -> list[str]:
        """Of a column of strings only the records can tell: an object was read as its text."""
        above = "".join(f'."{key}"' for key in layout.array) + "[*]" if layout.array else ""
        path = text("$" + above + "".join(f'."{key}"' for key in leaf.keys))
        kind = f"json_type(json, {path})"
        test = f"list_contains({kind}, 'OBJECT')" if layout.array else f"{kind} = 'OBJECT'"
        return [row[0] for row in self._run(f"SELECT json FROM {self._lines()} WHERE {test} LIMIT {MORE_SAMPLES}")]

    def _with_unknown_keys(self) -> list[str]:
        places = list(structs(self.shape))
        keys = ", ".join(f"{_keys_at(path)} AS k{number}" for number, (path, _) in enumerate(places))
        unusual = " OR ".join(
            f"k{number} IS DISTINCT FROM {listed([text(key) for key in place.usual_keys])}"
            for number, (path, place) in enumerate(places)
            if "[*]" not in path
        )
        lines = f"FROM {self._lines()}"
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

    def _refuse_oddities(self) -> None:
        """What warehouses would read in different ways. A key that comes twice in a JSON text is one value to one of
        them and the other to the next. The reader takes NaN for a number: a word in a string looks the same here, so
        the spool's bytes must tell."""
        for number, layout in enumerate(self.layouts):
            for leaf in layout.leaves:
                span = self.spans[number][leaf.id]
                if span.oddities and (span.is_numeric or has_no_numbers(self.spool)):
                    raise NeedsExact("nan")
                rows = f"SELECT rowid AS r, {leaf.id} AS v FROM t{number} WHERE {is_container(leaf)}"
                if span.objects and self._run(
                    f"SELECT 1 FROM ({rows}) AS t, json_tree(t.v) AS j "
                    "GROUP BY t.r, j.parent, j.key HAVING count(*) > 1 LIMIT 1"
                ):
                    raise NeedsExact("duplicate_key")

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


def _struct(shape: Shape) -> str:
    return "STRUCT(" + ", ".join(f"{name(key)} {_type(child)}" for key, child in shape.children.items()) + ")"


def _type(shape: Shape) -> str:
    if shape.is_object:
        return _struct(shape)
    if shape.is_table and shape.elements:
        return _type(shape.elements) + "[]"
    return "JSON" if shape.is_raw else "VARCHAR"


def _at(keys: Sequence[str], start: str = "") -> str:
    place = start or name(keys[0])
    for key in keys if start else keys[1:]:
        place = f"struct_extract({place}, {text(key)})"
    return place


def _plucked(leaf: Leaf, start: str = "") -> str:
    place = _at(leaf.keys, start)
    return f"{place}::VARCHAR AS {leaf.id}" if leaf.raw else f"{place} AS {leaf.id}"
