"""The columns of a Parquet file by the names that its footer gives them. The engine has others for those that differ by
case alone; files that it would change in silence, as decimals of more digits than it has, are refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import duckdb

from ingestion.blueprint.types import MAX_DIGITS
from ingestion.checking import codes
from ingestion.checking.base import CheckRequest
from ingestion.checking.codes import refuse
from ingestion.checking.judge import shown
from ingestion.formats.duck import text

POSITION: Final = "file_row_number"  # the column by which the engine counts a file's rows


@dataclass
class Node:
    """A column, or a group of them, as the file has it. `is_plain` false: below are no fields of a record, but the
    elements of a list or a map."""

    name: str
    is_plain: bool = True
    precision: int = 0
    children: list[Node] = field(default_factory=list)


def columns_of(duck: duckdb.DuckDBPyConnection, request: CheckRequest, path: Path) -> list[Node]:
    """The columns of a file, in order. Raises FileRefused for those that cannot be read as they are."""
    rows = duck.execute(
        "SELECT name, coalesce(num_children, 0), converted_type IS NULL AND repetition_type IS DISTINCT FROM 'REPEATED'"
        f", coalesce(precision, 0) FROM parquet_schema({text(str(path))})"
    ).fetchall()
    columns = _tree(rows)
    _refuse_unreadable(request, columns)
    return columns


def _tree(rows: Sequence[Sequence[Any]]) -> list[Node]:
    """The rows come parents first; each says how many children follow it."""
    root = Node("")
    waiting = [(root, 1)]
    for name, count, is_plain, precision in rows:
        parent, missing = waiting.pop()
        if missing > 1:
            waiting.append((parent, missing - 1))
        node = Node(str(name), bool(is_plain), int(precision))
        parent.children.append(node)
        if count:
            waiting.append((node, int(count)))
    return root.children[0].children if root.children else []


def _refuse_unreadable(request: CheckRequest, columns: Sequence[Node]) -> None:
    for place in _places(columns):
        if place.node.precision > MAX_DIGITS:
            why = f"decimals of {place.node.precision} digits, where at most {MAX_DIGITS} can be read"
            raise refuse(codes.NOT_READABLE, name=request.name, field=shown(place.path), why=why)
        if twice := place.twice:
            raise refuse(codes.DUPLICATE_HEADER, name=request.name, field=shown((*place.path, twice)))
    if taken := next((column.name for column in columns if column.name.lower() == POSITION), None):
        why = "a name that the reader of Parquet files keeps for itself"
        raise refuse(codes.NOT_READABLE, name=request.name, field=taken, why=why)


@dataclass(frozen=True)
class _Place:
    """A column or a group. `is_inside`: it is within a list or a map, whose values are JSON as the engine makes it."""

    node: Node
    path: tuple[str, ...] = ()
    is_inside: bool = False

    @property
    def inner(self) -> list[_Place]:
        is_inside = self.is_inside or not self.node.is_plain
        return [_Place(child, (*self.path, child.name), is_inside) for child in self.node.children]

    @property
    def twice(self) -> str:
        """A name that two of its columns have; empty where none is. The engine renames those that differ by case."""
        seen: set[str] = set()
        for place in self.inner:
            name = place.node.name.lower() if place.is_inside else place.node.name
            if name in seen:
                return place.node.name
            seen.add(name)
        return ""


def _places(columns: Sequence[Node]) -> Iterator[_Place]:
    waiting = [_Place(Node("", children=list(columns)))]
    while waiting:
        place = waiting.pop()
        yield place
        waiting += place.inner
