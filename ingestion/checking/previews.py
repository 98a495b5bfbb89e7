"""The first rows of a file as text, for people: nothing is judged, and nothing written."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import duckdb

from ingestion.checking import codes
from ingestion.checking.base import CheckRequest, Preview
from ingestion.checking.codes import FileRefused, refuse
from ingestion.checking.compiling import compile_checked
from ingestion.checking.csvtext import CsvText
from ingestion.checking.footer import damaged, read_footer
from ingestion.checking.lines import records
from ingestion.checking.looks import refuse_other_formats
from ingestion.checking.parquetfile import sources_of
from ingestion.checking.parquettypes import reading, rows_of
from ingestion.checking.reading import StrictDecoder
from ingestion.checking.tabular import joined, swept
from ingestion.formats.base import TableSpec
from ingestion.formats.decode import Unreadable
from ingestion.formats.duck import private_duck
from ingestion.formats.rows import TableWriter
from ingestion.formats.shape import Shape, lay_out

MOST_ROWS: Final = 100
SLACK: Final = 1000  # lines that may be passed over because they cannot be read


def preview(request: CheckRequest, rows: int) -> Preview:
    """The first `rows` rows (at most 100) that can be read."""
    try:
        with swept(request.folder):
            refuse_other_formats(request)
            return READERS[request.format](request, max(0, min(rows, MOST_ROWS)))
    except FileRefused as refused:
        return Preview(columns=(), rows=(), problem=refused.problem)


def _json(request: CheckRequest, rows: int) -> Preview:
    spec, shape, decoder = TableSpec(name="records", depth=request.depth), Shape(), StrictDecoder()
    shape.see({}, {}, depth=spec.depth)
    found = _first(request, decoder, rows)
    for record in found:
        shape.see(record, {}, depth=spec.depth)
    (layout,) = lay_out(shape, [spec])
    writer = TableWriter(layout, request.folder, decoder)
    texts = [writer.row(record)[0] for record in found]
    leaves = writer.layout.leaves
    return Preview(
        columns=tuple(leaf.source for leaf in leaves),
        rows=tuple(tuple(row.get(leaf.id) for leaf in leaves) for row in texts),
    )


def _first(request: CheckRequest, decoder: StrictDecoder, rows: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    seen = 0
    for chunk in records(request):
        for line in chunk.split(b"\n")[:-1]:
            if len(found) == rows or seen > rows + SLACK:
                return found
            seen += 1
            try:
                found.append(decoder.record(line))
            except Unreadable:
                continue
    if not seen:
        raise refuse(codes.EMPTY_FILE)
    return found


def _csv(request: CheckRequest, rows: int) -> Preview:
    source = CsvText(request, joined(request))
    names = source.header() if request.csv.header else _names(request)
    found = source.first_rows(rows + request.csv.header)[request.csv.header :]
    width = max([len(names), *map(len, found)])
    names += [f"column_{number}" for number in range(len(names) + 1, width + 1)]
    return Preview(columns=tuple(names), rows=tuple(_padded(row, width, request.csv.null_marker) for row in found))


def _names(request: CheckRequest) -> list[str]:
    schema = compile_checked(request.schema) if request.schema is not None else None
    return list(schema.root.fields) if schema else []


def _padded(row: Sequence[str], width: int, null: str) -> tuple[str | None, ...]:
    return tuple(None if text == null else text for text in row) + (None,) * (width - len(row))


def _parquet(request: CheckRequest, rows: int) -> Preview:
    path = joined(request)
    with private_duck(request.folder, threads=1) as duck:
        read_footer(duck, request, path)
        try:
            sources = sources_of(duck, request, path)
            wanted = ", ".join(reading(source, None).sql for source in sources)
            found = duck.execute(f"SELECT {wanted} FROM {rows_of(path)} LIMIT {rows}").fetchall()
        except duckdb.Error as error:
            raise damaged(request, error) from error
    return Preview(columns=tuple(source.path for source in sources), rows=tuple(map(tuple, found)))


READERS: Final[Mapping[str, Callable[[CheckRequest, int], Preview]]] = {
    "json": _json,
    "csv": _csv,
    "parquet": _parquet,
}
