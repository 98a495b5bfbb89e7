"""One spool of a large JSON file: checked and converted into a part.

Natively where it can be: the columns are read, a filter flags the rows that may be bad, and the judge looks at these
alone. A spool that the native reader does not take as it is, or of which too much is flagged, is washed: judged line
by line. Where records fell out or changed, what passed is written anew and converted.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from json.encoder import encode_basestring_ascii
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import duckdb

from ingestion.blueprint.types import Type
from ingestion.checking.abreast import Tally, Ticket
from ingestion.checking.base import CheckRequest
from ingestion.checking.engine import Engines
from ingestion.checking.reading import Good, Reader
from ingestion.checking.sieve import NeedsWash, flagged
from ingestion.checking.suspicion import digits_of
from ingestion.checking.warn import cuts_of
from ingestion.formats import exact, native
from ingestion.formats.base import ConvertedPart, TableSpec, Warning  # noqa: A004
from ingestion.formats.conversion import settled
from ingestion.formats.decode import Number
from ingestion.formats.facts import Fact, Span
from ingestion.formats.native import Loaded
from ingestion.formats.reader import NeedsExact
from ingestion.formats.scan import survey
from ingestion.formats.shape import NO_HINTS, Hints, Leaf
from ingestion.formats.tables import Stager

MOST_FLAGGED: Final = 0.25  # of a spool; beyond it, judging all lines costs less than finding the flagged ones
TEXTS: Final = ("text", "date", "timestamp")
NUMBERS: Final = ("integer", "numeric", "double")
Verdicts = Mapping[int, bytes | None]  # by line: what it became; None where it was turned down


@dataclass(frozen=True)
class Way:
    """What the judge leaves a part with: its number, and what was cut in its records."""

    number: int
    cuts: tuple[Warning, ...]


@dataclass(frozen=True)
class Work:
    """What is the same for all spools of a file."""

    request: CheckRequest
    engines: Engines
    reader: Reader

    @property
    def spec(self) -> TableSpec:
        return TableSpec(name="records", key=self.request.key, depth=self.request.depth)

    @property
    def hints(self) -> Hints:
        return self.reader.schema.hints(self.request.depth) if self.reader.schema else NO_HINTS

    @property
    def types(self) -> Mapping[str, Type]:
        return self.reader.schema.types(self.request.depth) if self.reader.schema else {}


def convert_spool(work: Work, spool: Path, ticket: Ticket) -> ConvertedPart | None:
    """Check and convert; None where no record passed."""
    clean = spool.with_suffix(".washed")
    try:
        try:
            return _natively(work, spool, clean, ticket)
        except (NeedsExact, NeedsWash):
            pass
        with ticket.turn() as tally:
            tally.read += wash(work.reader, spool, clean, first=tally.read)
            way = _way(work, clean, tally)
        return _washed(work, clean, way) if way else None
    finally:
        clean.unlink(missing_ok=True)


def _natively(work: Work, spool: Path, clean: Path, ticket: Ticket) -> ConvertedPart | None:
    """Raises NeedsExact, NeedsWash; has not had its turn then."""
    seen = survey([spool])
    with work.engines.borrow() as duck:
        loaded = native.load(duck, [spool], [work.spec], seen, work.hints)
        suspects = flagged(duck, loaded, work.reader.schema, work.request)
        if len(suspects) > MOST_FLAGGED * seen.lines:
            raise NeedsWash
        with ticket.turn() as tally:
            verdicts = _judged(work.reader, spool, suspects, tally.read) if suspects else {}
            tally.read += seen.lines
            _rewrite(spool, clean, verdicts)
            way = _way(work, clean if verdicts else spool, tally)
        if way and not verdicts:
            return _stage(work, duck, loaded, way, exactly=False)
    return _washed(work, clean, way) if way else None


def _way(work: Work, path: Path, tally: Tally) -> Way | None:
    """What a part of these records needs to know; None where there are none."""
    cuts = cuts_of(work.reader.judge)
    return Way(tally.take_part(), cuts) if path.stat().st_size else None


def _washed(work: Work, clean: Path, way: Way) -> ConvertedPart:
    """The part of a spool of which every record has passed."""
    with work.engines.borrow() as duck:
        try:
            loaded = native.load(duck, [clean], [work.spec], survey([clean]), work.hints)
            return _stage(work, duck, loaded, way, exactly=False)
        except NeedsExact:
            pass
    with work.engines.borrow() as duck, TemporaryDirectory(dir=clean.parent, prefix="spool-") as folder:
        loaded = exact.load(duck, [clean], [work.spec], Path(folder), work.hints)
        return _stage(work, duck, loaded, way, exactly=True)


def _stage(work: Work, duck: duckdb.DuckDBPyConnection, loaded: Loaded, way: Way, *, exactly: bool) -> ConvertedPart:
    known = dict(_known(loaded, work.types))
    filled = settled(duck, loaded, 0, known)
    filled = filled.with_warnings(way.cuts)
    part = Stager(duck, part_number=way.number, folder=work.request.folder, exact=exactly).stage(filled, filled)
    assert part is not None, "a spool that is not empty has a part"
    return part


def _known(loaded: Loaded, types: Mapping[str, Type]) -> Iterator[tuple[str, Fact]]:
    """The columns whose types the schema tells: their values are known to fit."""
    for leaf in loaded.layouts[0].leaves:
        if kind := types.get(leaf.source):
            span = loaded.spans[0][leaf.id]
            yield leaf.id, Fact(leaf, _text_of(leaf, span, kind), kind)


def _text_of(leaf: Leaf, span: Span, kind: Type) -> str:
    """The staged text of values that are known to fit the type."""
    if not leaf.raw or span.is_numeric or not span.count:
        return leaf.id
    if kind.kind in NUMBERS:
        return digits_of(leaf, span)
    return unquoted(leaf) if kind.kind in TEXTS else leaf.id


def unquoted(leaf: Leaf) -> str:
    """The plain text of JSON text."""
    return f"CASE WHEN starts_with({leaf.id}, '\"') THEN json_extract_string({leaf.id}, '$') ELSE {leaf.id} END"


def _judged(reader: Reader, spool: Path, suspects: Sequence[int], first: int) -> Verdicts:
    """What the judge says of the flagged lines; those that stay as they are have no entry."""
    verdicts: dict[int, bytes | None] = {}
    for number, line in _lines_at(spool, suspects):
        good = reader.one(line, first + number)
        if good is None or good.line is None:
            verdicts[number] = encoded(good) if good else None
    return verdicts


def _lines_at(spool: Path, numbers: Sequence[int]) -> Iterator[tuple[int, bytes]]:
    wanted = bytearray(numbers[-1] + 1)
    for number in numbers:
        wanted[number] = 1
    with spool.open("rb") as file:
        yield from zip(numbers, compress(file, wanted), strict=True)


def _rewrite(spool: Path, clean: Path, verdicts: Verdicts) -> None:
    if not verdicts:
        return
    with spool.open("rb") as source, clean.open("wb") as target:
        for number, line in enumerate(source):
            made = verdicts.get(number, line)
            if made is not None:
                target.write(made)


def wash(reader: Reader, spool: Path, clean: Path, *, first: int) -> int:
    """Write the records that pass, converted; answers how many were read."""
    read = 0
    with spool.open("rb") as source, clean.open("wb") as target:
        for line in source:
            if line.isspace():
                continue
            if good := reader.one(line, first + read):
                target.write(encoded(good))
            read += 1
    return read


def encoded(good: Good) -> bytes:
    """The record as a line."""
    return good.line if good.line is not None else (json_text(good.record) + "\n").encode()


def json_text(value: Any) -> str:
    """A decoded value as JSON again, with every digit and sign that it had."""
    if type(value) is Number:
        return str(value)
    if isinstance(value, str):
        return encode_basestring_ascii(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{encode_basestring_ascii(key)}:{json_text(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(json_text, value)) + "]"
    return "null" if value is None else "true" if value else "false"
