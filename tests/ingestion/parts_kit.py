"""What the tests of conversion share: spools from values, and a reader of parts that owes nothing to the product."""

import gzip
import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ingestion.formats import convert
from ingestion.formats.base import ConvertedPart, TableSpec


def read_fields(plain: str) -> list[list[tuple[str, bool]]]:
    """Delimited text into rows of (text, was quoted), by one state machine over its characters."""
    rows, row, field, quoted, inside = [], [], [], False, False
    at = 0
    while at < len(plain):
        character = plain[at]
        if inside:
            if character != '"':
                field.append(character)
            elif plain[at + 1 : at + 2] == '"':
                field.append('"')
                at += 1
            else:
                inside = False
        elif character == '"':
            assert not field, "a quote in the middle of a field"
            quoted = inside = True
        elif character in ",\n":
            row.append(("".join(field), quoted))
            field, quoted = [], False
            if character == "\n":
                rows.append(row)
                row = []
        else:
            field.append(character)
        at += 1
    assert (inside, field, row) == (False, [], []), "the last line has no end"
    return rows


def read_rows(path: Path, columns: Sequence[str]) -> list[dict[str, str | None]]:
    """The rows of a part by column name; an unquoted \\N is null. `_part` is there too."""
    packed = path.read_bytes()
    unpacker = zlib.decompressobj(31)
    plain = unpacker.decompress(packed)
    assert (unpacker.eof, unpacker.unused_data) == (True, b""), "more than one gzip member"
    rows = []
    for fields in read_fields(plain.decode()):
        assert len(fields) == len(columns) + 1
        texts = [None if field == ("\\N", False) else field[0] for field in fields]
        rows.append(dict(zip([*columns, "_part"], texts, strict=True)))
    return rows


def spool_of(folder: Path, records: Sequence[Any]) -> Path:
    """A spool file: `bytes` are lines as they are, anything else is written as JSON."""
    lines = [item if isinstance(item, bytes) else json.dumps(item, ensure_ascii=False).encode() for item in records]
    path = folder / "spool.jsonl"
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


class Table:
    """A converted part, read back: `rows` by source path, `types` as people are shown them."""

    def __init__(self, part: ConvertedPart) -> None:
        self.part = part
        sources = [column.source for column in part.columns]
        self.rows = sorted(read_rows(part.path, sources), key=lambda row: [value or "" for value in row.values()])
        self.types = {column.source: column.type.label for column in part.columns}
        self.names = {column.source: column.name for column in part.columns}
        self.warnings = {(warning.code, warning.column): warning.count for warning in part.warnings}

    def column(self, source: str) -> list[str | None]:
        return [row[source] for row in self.rows]

    def only(self, source: str) -> str | None:
        (value,) = self.column(source)
        return value


def converted(folder: Path, records: Sequence[Any], *specs: TableSpec) -> dict[str, Table]:
    """Convert records; the tables by name. Checks what holds for every part."""
    tables = specs or (TableSpec(name="t"),)
    parts = convert([spool_of(folder, records)], tables, part_number=41, folder=folder, threads=2)
    for part in parts:
        assert part.extracted == part.rows + part.rejected + part.superseded
        assert part.size == part.path.stat().st_size
        assert len(gzip.decompress(part.path.read_bytes())) == part.plain_size
    left = {path.name for path in folder.iterdir()}
    assert left == {"spool.jsonl", *(part.path.name for part in parts)}, "scratch files were left"
    return {part.table: Table(part) for part in parts}


def table(folder: Path, records: Sequence[Any], **spec: Any) -> Table:
    """The table of the records themselves."""
    return converted(folder, records, TableSpec(name="t", **spec))["t"]
