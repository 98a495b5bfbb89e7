"""The shape of records: which keys they have, how these nest, and what kinds of values were seen. Seen in a sample it
is a guess for the native reader, seen in all records it is exact. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from ingestion.blueprint.paths import join_path
from ingestion.formats.base import TableSpec

MOST_COLUMNS: Final = 1400  # of one part; the fields beyond, in order of appearance, share one JSON column
KINDS: Final[Mapping[type, str]] = {bool: "boolean", int: "number", float: "number", list: "array", dict: "object"}

Arrays = Mapping[tuple[str, ...], int]  # where the arrays of child tables are, and the depth of their elements


@dataclass
class Shape:
    """One place in the records."""

    kinds: set[str] = field(default_factory=set)
    children: dict[str, Shape] = field(default_factory=dict)
    orders: Counter[tuple[str, ...]] = field(default_factory=Counter)  # how often keys came in which order
    elements: Shape | None = None  # of arrays that fill a table of their own
    closed: bool = False  # an object that stays one column, whatever its keys
    keeps_kinds: bool = False  # read as JSON text even where the sample has nothing but strings

    def see(self, value: Any, arrays: Arrays, path: tuple[str, ...] = (), *, depth: int) -> None:
        """Take in one value. Objects are followed to `depth` keys, and on the way to the arrays of child tables."""
        if value is None:
            return
        kind = str(KINDS.get(type(value)) or getattr(value, "kind", "string"))
        self.kinds.add(kind)
        if kind == "object" and is_open(path, arrays, depth):
            self.orders[tuple(value)] += 1
            for key, child in value.items():
                self._child(key).see(child, arrays, (*path, key), depth=depth)
        elif kind == "array" and path in arrays:
            self._see_elements(value, arrays[path])

    def _child(self, key: str) -> Shape:
        child = self.children.get(key)
        if child is None:
            child = self.children[key] = Shape()
        return child

    def _see_elements(self, value: list[Any], depth: int) -> None:
        for element in value:
            self.elements = self.elements or Shape()
            self.elements.see(element, {}, depth=depth)

    @property
    def is_object(self) -> bool:
        return self.kinds == {"object"} and bool(self.children) and not self.closed

    @property
    def is_mixed(self) -> bool:
        """Objects here and something else there: one column takes them all, and what is in the objects has columns
        below it, so that one odd value empties nobody's."""
        return {"object"} < self.kinds and bool(self.children) and not self.closed

    @property
    def is_table(self) -> bool:
        return self.kinds == {"array"} and self.elements is not None and self.elements.is_object

    @property
    def is_raw(self) -> bool:
        """Is a column of this read as JSON text, which keeps kinds apart? Plain strings are cheaper, where they do."""
        return self.keeps_kinds or "string" not in self.kinds or bool(self.kinds & {"object", "array"})

    @property
    def usual_keys(self) -> tuple[str, ...]:
        return self.orders.most_common(1)[0][0] if self.orders else ()


@dataclass(frozen=True, kw_only=True)
class Hints:
    """What a schema says about places before any record was seen."""

    closed: frozenset[tuple[str, ...]] = frozenset()
    keeps_kinds: frozenset[tuple[str, ...]] = frozenset()

    def mark(self, shape: Shape) -> None:
        """Tell the places of a shape; to be repeated when it has grown."""
        for path in self.closed:
            place_at(shape, path).closed = True
        for path in self.keeps_kinds:
            place_at(shape, path).keeps_kinds = True


NO_HINTS: Final = Hints()


def is_open(path: tuple[str, ...], arrays: Arrays, depth: int) -> bool:
    """Are the keys of an object at `path` columns of their own?"""
    return len(path) < depth or not path or any(array[: len(path)] == path for array in arrays)


def arrays_of(specs: Sequence[TableSpec]) -> Arrays:
    return {spec.array_path: spec.depth for spec in specs if spec.array_path}


def depth_of(specs: Sequence[TableSpec]) -> int:
    return next((spec.depth for spec in specs if not spec.array_path), TableSpec(name="").depth)


@dataclass(frozen=True)
class Leaf:
    """One column while it is converted: `id` in our own tables. `raw` holds JSON text, else the plain string."""

    id: str
    keys: tuple[str, ...]
    raw: bool
    is_ours: bool = False

    @property
    def source(self) -> str:
        return self.keys[0] if self.is_ours else join_path(self.keys)


@dataclass(frozen=True)
class Layout:
    """The columns of one table. `array` leads to the array it is made of, () for the records themselves."""

    spec: TableSpec
    shape: Shape
    array: tuple[str, ...]
    leaves: tuple[Leaf, ...]
    spilled: tuple[tuple[str, ...], ...] = ()  # fields beyond the limit

    def with_leaf(self, leaf: Leaf) -> Layout:
        return replace(self, leaves=(*self.leaves, leaf))


def lay_out(shape: Shape, specs: Sequence[TableSpec]) -> list[Layout]:
    """The tables that records of this shape fill. The first is always that of the records, asked for or not."""
    root = next((spec for spec in specs if not spec.array_path), TableSpec(name=""))
    tables = [spec for spec in specs if spec.array_path]
    taken = {spec.array_path for spec in tables if "array" in place_at(shape, spec.array_path).kinds}
    layouts = [_layout(root, shape, (), taken)]
    for spec in tables:
        elements = place_at(shape, spec.array_path).elements or Shape()
        layouts.append(_layout(spec, elements, spec.array_path, set()))
    return layouts


def _layout(spec: TableSpec, shape: Shape, array: tuple[str, ...], taken: set[tuple[str, ...]]) -> Layout:
    found = [(keys, leaf) for keys, leaf in leaves_of(shape) if not any(keys[: len(path)] == path for path in taken)]
    leaves = tuple(Leaf(f"c{number}", keys, leaf.is_raw) for number, (keys, leaf) in enumerate(found[:MOST_COLUMNS]))
    return Layout(spec, shape, array, leaves, tuple(keys for keys, _ in found[MOST_COLUMNS:]))


def leaves_of(shape: Shape, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Shape]]:
    """The places that become columns, in order of appearance."""
    for key, child in shape.children.items():
        if not child.is_object:
            yield (*path, key), child
        if child.is_object or child.is_mixed:
            yield from leaves_of(child, (*path, key))


def place_at(shape: Shape, path: Sequence[str]) -> Shape:
    for key in path:
        shape = shape.children.get(key, Shape())
    return shape
