"""The first rows of a file as text, for people: nothing is judged, and nothing written."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from ingestion.checking import codes
from ingestion.checking.base import CheckRequest, Preview
from ingestion.checking.codes import FileRefused, refuse
from ingestion.checking.lines import records
from ingestion.checking.looks import refuse_other_formats
from ingestion.checking.reading import StrictDecoder
from ingestion.formats.base import TableSpec
from ingestion.formats.decode import Unreadable
from ingestion.formats.rows import TableWriter
from ingestion.formats.shape import Shape, lay_out

MOST_ROWS: Final = 100
SLACK: Final = 1000  # lines that may be passed over because they cannot be read


def preview(request: CheckRequest, rows: int) -> Preview:
    """The first `rows` rows (at most 100) that can be read."""
    try:
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


READERS: Final[Mapping[str, Callable[[CheckRequest, int], Preview]]] = {"json": _json}
