"""Small files: judged records become a part in memory, without opening a database. The part has the columns, types and
format that the conversion of large files gives.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from ingestion.checking.inference import Settled, Texts, settle
from ingestion.checking.schema import Schema
from ingestion.formats.base import ConvertedPart, TableSpec, Warning  # noqa: A004
from ingestion.formats.decode import Decoder
from ingestion.formats.exact import losses_of
from ingestion.formats.facts import Fact
from ingestion.formats.files import Packer
from ingestion.formats.rows import TableWriter
from ingestion.formats.shape import NO_HINTS, Shape, lay_out
from ingestion.formats.tables import Filled, columns_of

QUOTED: Final = ("text", "json")
NULL_TEXT: Final = "\\N"


class SmallTable:
    """Takes records in, then writes one part. One thread."""

    def __init__(self, decoder: Decoder, schema: Schema | None, *, key: Sequence[str], depth: int) -> None:
        self._decoder, self._schema = decoder, schema
        self._spec = TableSpec(name="records", key=tuple(key), depth=depth)
        self._shape = Shape()
        self._shape.see({}, {}, depth=depth)
        self._records: list[dict[str, Any]] = []

    def add(self, record: dict[str, Any]) -> None:
        self._shape.see(record, {}, depth=self._spec.depth)
        self._records.append(record)

    def __len__(self) -> int:
        return len(self._records)

    def write(self, *, number: int, folder: Path, warnings: Sequence[Warning] = ()) -> ConvertedPart:
        """Write the part."""
        (self._schema.hints(self._spec.depth) if self._schema else NO_HINTS).mark(self._shape)
        (layout,) = lay_out(self._shape, [self._spec])
        writer = TableWriter(layout, folder, self._decoder)
        rows = [writer.row(record)[0] for record in self._records]
        leaves = writer.layout.leaves
        columns = [self._settle(leaf.source, [row.get(leaf.id) for row in rows], raw=leaf.raw) for leaf in leaves]
        facts = tuple(
            Fact(leaf, leaf.id, column.type, column.too_long) for leaf, column in zip(leaves, columns, strict=True)
        )
        filled = Filled(0, self._spec, facts)
        kept = self._last_of_each(filled, columns, len(rows))
        return self._pack(filled, columns, kept, len(rows), number, folder, warnings)

    def _settle(self, source: str, texts: Texts, *, raw: bool) -> Settled:
        told = self._schema.types(self._spec.depth).get(source) if self._schema else None
        return Settled(texts, told) if told else settle(texts, raw=raw)

    def _last_of_each(self, filled: Filled, columns: Sequence[Settled], count: int) -> list[int]:
        """The rows that stay: of several with one key the last."""
        if not self._spec.key:
            return list(range(count))
        by_source = {fact.leaf.source: column for fact, column in zip(filled.facts, columns, strict=True)}
        keys = [by_source[path].texts for path in self._spec.key]
        last = {tuple(texts[row] for texts in keys): row for row in range(count)}
        return sorted(last.values())

    def _pack(
        self,
        filled: Filled,
        columns: Sequence[Settled],
        kept: Sequence[int],
        count: int,
        number: int,
        folder: Path,
        warnings: Sequence[Warning],
    ) -> ConvertedPart:
        with Packer(folder / f"part-{number}-0.csv.gz") as packer:
            packer.add("".join(_lines(columns, kept, number)).encode())
        return ConvertedPart(
            table=self._spec.name,
            path=packer.target,
            columns=columns_of(filled),
            extracted=count,
            rows=len(kept),
            rejected=0,
            superseded=count - len(kept),
            size=packer.size,
            plain_size=packer.plain_size,
            sha256=packer.sha256,
            warnings=(*losses_of(self._decoder), *warnings),
        )


def _lines(columns: Sequence[Settled], kept: Sequence[int], number: int) -> Iterator[str]:
    made = [_fields(column) for column in columns]
    for row in kept:
        yield ",".join([*(fields[row] for fields in made), str(number)]) + "\n"


def _fields(column: Settled) -> list[str]:
    """The texts of a column as they stand in the file."""
    if column.type.kind in QUOTED:
        return [NULL_TEXT if text is None else '"' + text.replace('"', '""') + '"' for text in column.texts]
    return [NULL_TEXT if text is None else text for text in column.texts]
