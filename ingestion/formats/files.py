"""Part files: what a SELECT answers becomes one gzip member of delimited text, with its checksum."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb
from isal import isal_zlib

from ingestion.formats.duck import name, text

CHUNK: Final = 1 << 20
LEVEL: Final = 1  # 510 MB/s at a ratio of 4.0, where zlib's level 1 does 156 MB/s
GZIP: Final = 31  # window bits of zlib's interface: a gzip member


@dataclass(frozen=True)
class Written:
    path: Path
    rows: int
    size: int
    plain_size: int
    sha256: str


def write(duck: duckdb.DuckDBPyConnection, select: str, *, quoted: Sequence[str], target: Path) -> Written:
    """Write the rows of `select` to `target`: `\\N` for null, the `quoted` columns in quotes always."""
    plain = target.with_suffix(".plain")
    force = f", FORCE_QUOTE ({', '.join(name(column) for column in quoted)})" if quoted else ""
    options = f"FORMAT csv, HEADER false, DELIMITER ',', QUOTE '\"', ESCAPE '\"', NULLSTR '\\N'{force}"
    try:
        duck.execute(
            "SET preserve_insertion_order = false"
        )  # a part has no order, and keeping one costs half as much again
        rows = duck.execute(f"COPY ({select}) TO {text(str(plain))} ({options})").fetchall()[0][0]
        size, plain_size, digest = compress(plain, target)
    finally:
        duck.execute("SET preserve_insertion_order = true")
        plain.unlink(missing_ok=True)
    return Written(target, rows, size, plain_size, digest)


def compress(source: Path, target: Path) -> tuple[int, int, str]:
    """One gzip member. Answers its size, the plain size and the SHA-256 of what was written."""
    packer, digest = isal_zlib.compressobj(LEVEL, isal_zlib.DEFLATED, GZIP), hashlib.sha256()
    size = plain_size = 0
    with source.open("rb") as plain, target.open("wb") as file:
        while chunk := plain.read(CHUNK):
            plain_size += len(chunk)
            packed = packer.compress(chunk)
            digest.update(packed)
            size += file.write(packed)
        packed = packer.flush()
        digest.update(packed)
        size += file.write(packed)
    return size, plain_size, digest.hexdigest()
