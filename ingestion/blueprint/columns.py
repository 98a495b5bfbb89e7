"""Columns and blueprints: the ordered columns and types that all parts of a dataset agree on. Pure values."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ingestion.blueprint.types import Type


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column. `source` is the field path it came from (`blueprint.paths`); `name` what the warehouse calls it."""

    name: str
    source: str
    type: Type

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "source": self.source, "type": str(self.type)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Column":
        return cls(name=value["name"], source=value["source"], type=Type.parse(value["type"]))


@dataclass(frozen=True)
class Blueprint:
    """The columns of a table, in order. Names are unique; so are sources."""

    columns: tuple[Column, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    def by_source(self) -> dict[str, Column]:
        return {column.source: column for column in self.columns}

    def to_json(self) -> list[dict[str, Any]]:
        return [column.to_json() for column in self.columns]

    @classmethod
    def from_json(cls, value: list[Mapping[str, Any]]) -> "Blueprint":
        return cls(tuple(Column.from_json(item) for item in value))


@dataclass(frozen=True, kw_only=True)
class Change:
    """One difference that a load makes to a dataset's blueprint, in words that people are shown."""

    kind: str  # added | widened | missing | discarded
    column: str
    before: str = ""
    after: str = ""
    by: tuple[str, ...] = field(default=())  # labels of the tasks whose parts asked for it

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"by": list(self.by)}
