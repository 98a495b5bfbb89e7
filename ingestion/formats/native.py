"""The fast path: a spool is read by DuckDB's JSON reader into columns of text, with the shape of a sample as a guess.

The reader ignores keys that it was not told of, so a second look asks which keys there are; what the guess missed is
added to it, and the spool is read again. What the reader would change in silence is refused: `NeedsExact`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb
import msgspec

from ingestion.formats.base import TableSpec, Warning  # noqa: A004
from ingestion.formats.facts import Span
from ingestion.formats.reader import NeedsExact, Reader, structs
from ingestion.formats.scan import Survey
from ingestion.formats.shape import (
    MOST_COLUMNS,
    NO_HINTS,
    Hints,
    Layout,
    Shape,
    arrays_of,
    depth_of,
    lay_out,
    place_at,
)

ATTEMPTS: Final = 4
LONGEST_KEY: Final = 500
MORE_SAMPLES: Final = 400
LARGEST_OBJECT: Final = 16 << 20  # DuckDB's own default


@dataclass(frozen=True)
class Loaded:
    """The tables t0, t1 … and what is in them: for each its layout, and the spans of its columns by id."""

    layouts: list[Layout]
    spans: list[dict[str, Span]]
    rejected: list[dict[str, int]]  # by reason, before any table was reached
    warnings: list[tuple[Warning, ...]]


def load(
    duck: duckdb.DuckDBPyConnection,
    spool: Sequence[Path],
    specs: Sequence[TableSpec],
    seen: Survey,
    hints: Hints = NO_HINTS,
) -> Loaded:
    """Fill the tables t0, t1 … Raises NeedsExact."""
    if seen.reason:
        raise NeedsExact(seen.reason)
    shape, arrays, depth = Shape(), arrays_of(specs), depth_of(specs)
    samples: list[Any] = list(seen.sample)
    for _ in range(ATTEMPTS):
        for sample in samples:
            shape.see(_decode(sample), arrays, depth=depth)
        hints.mark(shape)
        _check(shape)
        for path in arrays:
            _check_elements(place_at(shape, path))
        layouts = lay_out(shape, specs)
        if any(layout.spilled for layout in layouts):
            raise NeedsExact("columns")
        reader = Reader(duck, list(spool), shape, layouts, max(LARGEST_OBJECT, 2 * seen.longest_block))
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
    if _is_mixed_somewhere(shape):
        raise NeedsExact("mixed")
    for _, place in structs(shape):
        keys = list(place.children)
        if len({key.lower() for key in keys}) < len(keys):
            raise NeedsExact("case")
        if any(not key or len(key) > LONGEST_KEY or '"' in key or "\\" in key or "\0" in key for key in keys):
            raise NeedsExact("key")
        if len(keys) > MOST_COLUMNS:
            raise NeedsExact("columns")


def _is_mixed_somewhere(shape: Shape) -> bool:
    inner = [*shape.children.values(), *([shape.elements] if shape.elements else [])]
    return shape.is_mixed or any(_is_mixed_somewhere(place) for place in inner)


def _check_elements(array: Shape) -> None:
    if "array" in array.kinds and (len(array.kinds) > 1 or not (_is_unseen(array) or array.is_table)):
        raise NeedsExact("elements")


def _is_unseen(array: Shape) -> bool:
    return array.elements is None or not array.elements.kinds
