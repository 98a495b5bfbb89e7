"""Table consolidation: several parts of a table become fewer, all in the agreed columns and their order.

A part whose columns are the agreed ones already is taken over byte by byte; any other is read and written again, as
text from end to end, so that no value is ever looked at.
"""

from collections.abc import Iterator, Sequence
from gzip import BadGzipFile
from pathlib import Path
from typing import Final

from isal import igzip
from isal.igzip_lib import IsalError

from ingestion.blueprint.columns import Column
from ingestion.errors import DataFault
from ingestion.formats.base import MergedPart
from ingestion.formats.duck import make_room, private_duck, text
from ingestion.formats.files import CHUNK, Packer, chunks, export

SHORTEST_BUFFER: Final = 2 << 20  # DuckDB's own limit for a line; no line is longer than its file
Source = tuple[Path, Sequence[str]]


def merge_parts(
    sources: Sequence[Source], *, columns: Sequence[Column], folder: Path, target_bytes: int
) -> list[MergedPart]:
    """Rewrite parts (file, names of its columns without `_part`, in file order) into parts of about `target_bytes`.

    A column that a part lacks is null; one that is not among `columns` is left out. Safe to repeat. Raises DataFault
    where rows would be lost, and OSError where the disk is full.
    """
    return [
        _merge(group, columns, folder, folder / f"merged-{number}.csv.gz")
        for number, group in enumerate(_groups(sources, target_bytes))
    ]


def _groups(sources: Sequence[Source], target_bytes: int) -> Iterator[list[Source]]:
    group: list[Source] = []
    size = 0
    for source in sources:
        more = source[0].stat().st_size
        if group and size + more > target_bytes:
            yield group
            group, size = [], 0
        group.append(source)
        size += more
    if group:
        yield group


def _merge(group: Sequence[Source], columns: Sequence[Column], folder: Path, target: Path) -> MergedPart:
    agreed = [column.name for column in columns]
    rows = 0
    with Packer(target) as packer:
        for path, names in group:
            counter = RowCounter()
            plain = _inflate(path) if list(names) == agreed else _rewritten(path, names, columns, folder)
            for chunk in plain:
                counter.add(chunk)
                packer.add(chunk)
            rows += counter.rows
    return MergedPart(
        path=target,
        sources=tuple(path for path, _ in group),
        rows=rows,
        size=packer.size,
        plain_size=packer.plain_size,
        sha256=packer.sha256,
    )


class RowCounter:
    """Counts the rows of delimited text: line ends outside of quotes. A doubled quote closes and opens at once."""

    def __init__(self) -> None:
        self.rows = 0
        self._inside = 0

    def add(self, chunk: bytes) -> None:
        pieces = chunk.split(b'"')
        self.rows += sum(piece.count(b"\n") for piece in pieces[self._inside :: 2])
        self._inside ^= (len(pieces) - 1) & 1


def _inflate(path: Path) -> Iterator[bytes]:
    try:
        with igzip.open(path, "rb") as file:  # type: ignore[no-untyped-call]
            while chunk := file.read(CHUNK):
                yield chunk
    except (EOFError, BadGzipFile, IsalError) as error:  # type: ignore[misc]
        raise DataFault(
            "A staged file is damaged: it could not be unpacked.",
            advice="Retry the run, so that the records are fetched again.",
            detail=f"{path.name}: {error}",
        ) from error


def _rewritten(path: Path, names: Sequence[str], columns: Sequence[Column], folder: Path) -> Iterator[bytes]:
    plain = folder / f"{path.stem}.rewritten"
    counter, size = RowCounter(), 0
    for chunk in _inflate(path):
        counter.add(chunk)
        size += len(chunk)
    try:
        rows = _rewrite(path, names, columns, plain, longest=max(SHORTEST_BUFFER, size + 1))
        if rows != counter.rows:
            raise DataFault(
                f"Rewriting a staged file of {counter.rows:,} rows gave {rows:,} rows.",
                advice="Retry the run; if it happens again, send support the run id.",
                detail=path.name,
            )
        yield from chunks(plain)
    finally:
        plain.unlink(missing_ok=True)


def _rewrite(path: Path, names: Sequence[str], columns: Sequence[Column], target: Path, *, longest: int) -> int:
    """Read the file as text by place, write it as text in the agreed order."""
    places = {name: f"c{number}" for number, name in enumerate(names)}
    told = ", ".join(f"'{place}': 'VARCHAR'" for place in [*places.values(), "part"])
    wanted = [f"{places.get(column.name, 'NULL')} AS f{number}" for number, column in enumerate(columns)]
    quoted = [f"f{number}" for number, column in enumerate(columns) if column.type.kind in ("text", "json")]
    options = (
        "auto_detect = false, header = false, delim = ',', quote = '\"', escape = '\"', new_line = '\\n', "
        f"nullstr = '\\N', allow_quoted_nulls = false, compression = 'gzip', parallel = false, "
        f"max_line_size = {longest}, buffer_size = {longest}"
    )
    select = f"SELECT {', '.join([*wanted, 'part'])} FROM read_csv({text(str(path))}, columns = {{{told}}}, {options})"
    with private_duck(target.parent, threads=1) as duck:
        make_room(duck, columns=len(columns))
        return export(duck, select, quoted=quoted, target=target)
