"""The exact path: a spool is read record by record, twice. First for the shape of all records, then into JSON lines of
clean text under names of our own, which the native reader takes as they are.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import duckdb

from ingestion.formats.base import TableSpec, Warning  # noqa: A004
from ingestion.formats.decode import Decoder, Unreadable
from ingestion.formats.duck import make_room, paths
from ingestion.formats.facts import measure
from ingestion.formats.native import Loaded
from ingestion.formats.rows import TableWriter, plant
from ingestion.formats.shape import NO_HINTS, Hints, Shape, arrays_of, depth_of, lay_out, place_at

LARGEST_LINE: Final = 16 << 20
TEXTS: Final = {
    "bad_json": "lines that are no JSON",
    "not_an_object": "records or elements that are no objects",
    "not_an_array": "values where an array was expected",
    "too_deep": "records nested too deep to be read",
    "duplicate_key": "keys that came twice in one object: the last was kept",
    "nul_removed": "characters U+0000, which no warehouse can hold, were removed",
    "surrogate_replaced": "halves of a character, which no warehouse can hold, became U+FFFD",
    "mixed_kinds": "values that are no objects, where others are: this column has them all as text or JSON, and what "
    "is in the objects is in the columns below it as well",
    "nan_to_null": "NaN or infinite numbers, which JSON does not know, became null",
}


def load(
    duck: duckdb.DuckDBPyConnection,
    spool: Sequence[Path],
    specs: Sequence[TableSpec],
    folder: Path,
    hints: Hints = NO_HINTS,
) -> Loaded:
    """Fill the tables t0, t1 … exactly."""
    shape, decoder = _shape(spool, specs), Decoder()
    hints.mark(shape)
    writers = [
        TableWriter(layout, folder / f"exact-{number}.jsonl", decoder)
        for number, layout in enumerate(lay_out(shape, specs))
    ]
    try:
        _write(spool, writers, shape)
        make_room(duck, columns=sum(len(writer.layout.leaves) for writer in writers))
        for number, writer in enumerate(writers):
            _take_in(duck, f"t{number}", writer)
    finally:
        for writer in writers:
            writer.path.unlink(missing_ok=True)
    spans = [measure(duck, f"t{number}", writer.layout.leaves) for number, writer in enumerate(writers)]
    warnings = [_rejections(writer) for writer in writers]
    warnings[0] += losses_of(decoder)
    return Loaded([w.layout for w in writers], spans, [dict(w.rejected) for w in writers], warnings)


def _records(spool: Sequence[Path], decoder: Decoder) -> Iterator[dict[str, Any] | Unreadable]:
    for path in spool:
        with path.open("rb") as file:
            for line in file:
                if not line.isspace():
                    yield _record(line, decoder)


def _record(line: bytes, decoder: Decoder) -> dict[str, Any] | Unreadable:
    try:
        return decoder.record(line)
    except Unreadable as reason:
        return reason


def _shape(spool: Sequence[Path], specs: Sequence[TableSpec]) -> Shape:
    shape, arrays, depth = Shape(), arrays_of(specs), depth_of(specs)
    shape.see({}, arrays, depth=depth)
    for record in _records(spool, Decoder()):
        if not isinstance(record, Unreadable):
            shape.see(record, arrays, depth=depth)
    return shape


def _write(spool: Sequence[Path], writers: Sequence[TableWriter], shape: Shape) -> None:
    with ExitStack() as stack:
        for writer in writers:
            stack.enter_context(writer)
        root = writers[0]
        for writer in writers[1:]:
            if "array" in place_at(shape, writer.layout.array).kinds:
                plant(root.trie, writer.layout.array, writer)
        for record in _records(spool, root.decoder):
            _write_record(record, root)


def _write_record(record: dict[str, Any] | Unreadable, root: TableWriter) -> None:
    if isinstance(record, Unreadable):
        root.rejected[str(record)] += 1
        return
    try:
        row, arrays = root.row(record)
        children = [(child, list(child.elements(array))) for child, array in arrays]
    except Unreadable as reason:
        root.rejected[str(reason)] += 1
        return
    for child, elements in children:
        for element in elements:
            child.put({"r": root.count, **element})
    root.put(row)


def _take_in(duck: duckdb.DuckDBPyConnection, table: str, writer: TableWriter) -> None:
    ours = {"r": "BIGINT", "i": "BIGINT", "bad": "BOOLEAN"} if writer.layout.array else {"n": "BIGINT"}
    columns = ours | {leaf.id: "VARCHAR" for leaf in writer.layout.leaves}
    told = ", ".join(f"{column}: '{kind}'" for column, kind in columns.items())
    largest = max(LARGEST_LINE, 2 * writer.longest)
    duck.execute(
        f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT * FROM read_json({paths([writer.path])}, "
        f"columns = {{{told}}}, format = 'newline_delimited', records = true, maximum_object_size = {largest})"
    )


def _rejections(writer: TableWriter) -> tuple[Warning, ...]:
    return tuple(Warning(code=code, count=count, text=TEXTS[code]) for code, count in writer.rejected.items())


def losses_of(decoder: Decoder) -> tuple[Warning, ...]:
    return tuple(
        Warning(code=code, count=count, column=column, text=TEXTS[code])
        for (code, column), count in decoder.losses.items()
        if count
    )
