"""Rows of the exact path: decoded records become lines of clean text, one file for each table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from json.encoder import encode_basestring
from pathlib import Path
from typing import Any, Final

import msgspec

from ingestion.blueprint.paths import join_path
from ingestion.formats.decode import Decoder
from ingestion.formats.shape import Layout, Leaf

OVERFLOW: Final = "_overflow"  # the column that takes the fields beyond the limit, as one JSON object by path


@dataclass(frozen=True)
class Fork:
    """A place that is one column, since not all of its values are objects, and on the way to an array all the same."""

    column: Any  # where its values go: a leaf, or None beyond the limit
    trie: dict[str, Any] = field(default_factory=dict)


def plant(trie: dict[str, Any], keys: Sequence[str], goal: Any) -> None:
    """Let these keys lead to `goal`."""
    for key in keys[:-1]:
        there = trie.setdefault(key, {})
        if not isinstance(there, dict | Fork):
            there = trie[key] = Fork(there)
        trie = there.trie if isinstance(there, Fork) else there
    trie[keys[-1]] = goal


class TableWriter:
    """Writes one table's rows. `trie` says where the keys of a record lead: to a leaf, to the writer of a child table,
    to a further trie or a fork, or to None for a field beyond the limit."""

    def __init__(self, layout: Layout, path: Path, decoder: Decoder) -> None:
        self.layout = layout
        self.path = path
        self.decoder = decoder
        self.rejected: Counter[str] = Counter()
        self.count = 0
        self.longest = 0
        self.trie: dict[str, Any] = {}
        for leaf in layout.leaves:
            plant(self.trie, leaf.keys, leaf)
        for keys in layout.spilled:
            plant(self.trie, keys, None)
        if layout.spilled:
            self.overflow = Leaf(f"c{len(layout.leaves)}", (OVERFLOW,), raw=True, is_ours=True)
            self.layout = layout.with_leaf(self.overflow)

    def __enter__(self) -> TableWriter:
        self.file = self.path.open("wb")
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def put(self, row: dict[str, Any]) -> None:
        line = msgspec.json.encode({"n": self.count, **row}) + b"\n"
        self.file.write(line)
        self.count += 1
        self.longest = max(self.longest, len(line))

    def row(self, record: dict[str, Any]) -> tuple[dict[str, Any], list[tuple[TableWriter, Any]]]:
        """The texts of a record by column, and the arrays in it that fill tables of their own."""
        walk = _Walk(self.decoder)
        walk.follow(record, self.trie, ())
        if walk.spilled:
            pairs = (f"{encode_basestring(path)}:{text}" for path, text in walk.spilled.items())
            walk.row[self.overflow.id] = "{" + ",".join(pairs) + "}"
        return walk.row, walk.arrays

    def elements(self, array: Any) -> Iterator[dict[str, Any]]:
        """The rows of one array; what is no object is a row that will be turned down."""
        if not isinstance(array, list):
            self.rejected["not_an_array"] += 1
            return
        for index, element in enumerate(array):
            is_object = isinstance(element, dict)
            yield {"i": index, "bad": not is_object, **(self.row(element)[0] if is_object else {})}


class _Walk:
    """One way through one record."""

    def __init__(self, decoder: Decoder) -> None:
        self.decoder = decoder
        self.row: dict[str, Any] = {}
        self.spilled: dict[str, str] = {}
        self.arrays: list[tuple[TableWriter, Any]] = []

    def follow(self, record: dict[str, Any], trie: dict[str, Any], path: tuple[str, ...]) -> None:
        for key, value in record.items():
            goal = trie.get(key, self)
            if value is None or goal is self:
                continue  # a null, or an object without fields where others have some
            if isinstance(goal, Fork):
                if isinstance(value, dict):
                    self.follow(value, goal.trie, (*path, key))
                else:
                    self.decoder.losses["mixed_kinds", join_path((*path, key))] += 1
                goal = goal.column
            if isinstance(goal, dict):
                self.follow(value, goal, (*path, key))
            elif isinstance(goal, TableWriter):
                self.arrays.append((goal, value))
            elif goal is None:
                self._spill(join_path((*path, key)), value)
            else:
                self._put(goal, value)

    def _put(self, leaf: Leaf, value: Any) -> None:
        read = self.decoder.raw if leaf.raw else self.decoder.plain
        text = read(value, leaf.source)
        if text is not None:
            self.row[leaf.id] = text

    def _spill(self, source: str, value: Any) -> None:
        text = self.decoder.raw(value, source)
        if text is not None:
            self.spilled[source] = text
