"""The filter before the judge: SQL over a loaded table that flags every row the judge might turn down or change, and as
few others as is cheap. A row that it lets pass is one the judge would let pass as it is: a property test holds it so.

What a column's ends have told already is not asked again: most columns of a clean spool cost nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import duckdb

from ingestion.blueprint.paths import split_path
from ingestion.checking.base import CheckRequest
from ingestion.checking.schema import ANY, Place, Schema
from ingestion.checking.suspicion import suspicions
from ingestion.formats.native import Loaded
from ingestion.formats.shape import Layout, Leaf, Shape, place_at

AT_ONCE: Final = 60
NOTHING_SURE: Final[Mapping[str, str]] = {}


class NeedsWash(Exception):
    """The columns cannot tell which rows may be bad: every line must be judged."""


def flagged(
    duck: duckdb.DuckDBPyConnection,
    loaded: Loaded,
    schema: Schema | None,
    request: CheckRequest,
    *,
    sure: Mapping[str, str] = NOTHING_SURE,
) -> list[int]:
    """The rows of t0 that the judge must see, in order. `sure`: the types of the columns, by id, whose texts are of
    their type since they were made from it. Raises NeedsWash.
    """
    layout = loaded.layouts[0]
    if _count(layout.shape) > request.limits.fields:
        raise NeedsWash
    tests = [*_key_tests(layout, request.key)]
    if schema:
        tests += _Tests(loaded, schema.root, request.depth, sure).all()
    found: set[int] = set()
    for start in range(0, len(tests), AT_ONCE):
        some = " OR ".join(f"({test})" for test in tests[start : start + AT_ONCE])
        found.update(row[0] for row in duck.execute(f"SELECT rowid FROM t0 WHERE {some}").fetchall())
    return sorted(found)


def _count(shape: Shape) -> int:
    return sum(1 + _count(child) for child in shape.children.values())


def _key_tests(layout: Layout, key: Sequence[str]) -> Iterator[str]:
    for path in key:
        leaf = next((leaf for leaf in layout.leaves if leaf.keys == split_path(path)), None)
        if leaf is None:
            raise NeedsWash
        yield f"{leaf.id} IS NULL OR {leaf.id}[1] IN ('[', '{{')"


class _Tests:
    """One way through schema and columns together."""

    def __init__(self, loaded: Loaded, root: Place, depth: int, sure: Mapping[str, str]) -> None:
        self._layout, self._spans = loaded.layouts[0], loaded.spans[0]
        self._root, self._depth, self._sure = root, depth, sure
        self._leaves = {leaf.keys: leaf for leaf in self._layout.leaves}

    def all(self) -> Iterator[str]:
        yield from self._object(self._root)

    def _object(self, place: Place) -> Iterator[str]:
        yield from self._missing(place)
        if place.is_sealed:
            yield from self._extra(place)
        for child in place.fields.values():
            yield from self._child(child)

    def _child(self, place: Place) -> Iterator[str]:
        seen, leaf = place_at(self._layout.shape, place.path), self._leaves.get(place.path)
        is_followed = place.type == "object" and bool(place.fields) and len(place.path) < self._depth
        if is_followed and leaf:
            yield f"{leaf.id} IS NOT NULL"  # nothing but nulls and empty objects in the sample
        elif is_followed:
            if seen.children:
                yield from self._object(place)
        elif seen.is_object:
            if place.type != ANY or not place.is_free:
                raise NeedsWash
        elif leaf:
            is_sure = self._sure.get(leaf.id) == place.type
            test = " OR ".join(suspicions(place, leaf, self._spans[leaf.id], is_sure=is_sure))
            if test:
                yield f"{leaf.id} IS NOT NULL AND coalesce({test}, true)"

    def _missing(self, place: Place) -> Iterator[str]:
        """An absent object and one without the field look the same here: the judge sees both."""
        for key in place.required:
            leaves = self._below((*place.path, key))
            if not leaves:
                raise NeedsWash
            yield " AND ".join(f"{leaf.id} IS NULL" for leaf in leaves)

    def _extra(self, place: Place) -> Iterator[str]:
        for key in place_at(self._layout.shape, place.path).children:
            if key not in place.fields:
                leaf = self._leaves.get((*place.path, key))
                if leaf is None:
                    raise NeedsWash
                yield f"{leaf.id} IS NOT NULL"

    def _below(self, path: tuple[str, ...]) -> list[Leaf]:
        return [leaf for leaf in self._layout.leaves if leaf.keys[: len(path)] == path]
