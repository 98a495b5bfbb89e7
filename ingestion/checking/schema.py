"""A dataset's schema, made ready: each place of a record with the type it shall have and the constraints on it. Pure.

The wire's JSON Schema is read by `compiling`; here are the values that judge and filter share.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from ingestion.blueprint.columns import Column
from ingestion.blueprint.names import assign
from ingestion.blueprint.paths import join_path
from ingestion.blueprint.types import NULL, Type
from ingestion.formats.shape import Hints

ANY: Final = "any"
INTEGERS: Final[Mapping[str, tuple[int, int]]] = {
    "byte": (-(2**7), 2**7 - 1),
    "short": (-(2**15), 2**15 - 1),
    "int": (-(2**31), 2**31 - 1),
    "long": (-(2**63), 2**63 - 1),
}
COLUMN_TYPES: Final = {
    **dict.fromkeys(INTEGERS, "integer"),
    "double": "double",
    "boolean": "boolean",
    "string": "text",
    "date": "date",
    "date-time": "timestamp",
    "object": "json",
    "map": "json",
    "array": "json",
}
KINDS_KEPT: Final = frozenset({*INTEGERS, "double", "boolean", "object", "map", "array"})


class SchemaProblem(Exception):
    """The schema cannot be used. `problems` are (path in the schema, sentence)."""

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{path or '/'}: {text}" for path, text in problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, kw_only=True)
class Constraints:
    """What a value must be, beyond its type."""

    enum: tuple[Any, ...] | None = None
    format: str = ""
    pattern: str = ""
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    above: Decimal | None = None
    below: Decimal | None = None
    shortest: int = 0
    longest: int | None = None
    fewest: int = 0
    most: int | None = None

    @property
    def has_range(self) -> bool:
        return any(end is not None for end in (self.minimum, self.maximum, self.above, self.below))


FREE: Final = Constraints()


@dataclass(frozen=True, kw_only=True)
class Place:
    """One place in a record. `allowed` are the JSON kinds of a place of type `any`; empty for all."""

    path: tuple[str, ...]
    type: str = ANY
    constraints: Constraints = FREE
    fields: Mapping[str, Place] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    is_sealed: bool = False  # no fields but those named
    items: Place | None = None  # of an array; of a map, its values but for the `fields` that it names
    allowed: frozenset[str] = frozenset()

    @property
    def is_free(self) -> bool:
        """May whatever its type takes stand here?"""
        inner = [*self.fields.values(), *([self.items] if self.items else [])]
        return (
            self.constraints == FREE
            and not (self.required or self.is_sealed or self.allowed)
            and all(place.is_free and place.type == ANY for place in inner)
        )


@dataclass(frozen=True, kw_only=True)
class Schema:
    """A compiled schema."""

    root: Place
    _types: dict[int, Mapping[str, Type]] = field(default_factory=dict, compare=False, repr=False)

    def types(self, depth: int = 3) -> Mapping[str, Type]:
        """The types of columns by their source, where the schema says one."""
        if depth not in self._types:
            self._types[depth] = {
                join_path(place.path): Type.parse(COLUMN_TYPES[place.type])
                for place in self.leaves(depth)
                if place.type != ANY
            }
        return self._types[depth]

    def columns(self, depth: int = 3) -> tuple[Column, ...]:
        """The columns that records of this schema fill, in the schema's order, whatever a batch holds."""
        known = self.types(depth)
        types = {source: known.get(source, NULL) for source in (join_path(place.path) for place in self.leaves(depth))}
        names = assign(types)
        return tuple(Column(name=names[source], source=source, type=kind) for source, kind in types.items())

    def leaves(self, depth: int = 3) -> Iterator[Place]:
        """The places that are columns of their own: objects are followed to `depth` keys."""
        yield from _leaves(self.root, depth)

    def hints(self, depth: int = 3) -> Hints:
        """What the conversion must know before it sees records."""
        leaves = list(self.leaves(depth))
        return Hints(
            closed=frozenset(place.path for place in leaves if place.type in ("object", "map")),
            keeps_kinds=frozenset(place.path for place in leaves if place.type in KINDS_KEPT),
        )


def _leaves(place: Place, depth: int) -> Iterator[Place]:
    for child in place.fields.values():
        if child.type == "object" and child.fields and len(child.path) < depth:
            yield from _leaves(child, depth)
        else:
            yield child
