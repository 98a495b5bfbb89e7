"""From Redshift to Parquet: a cursor brings the rows a few at a time into a packed file of the staged format, which
DuckDB turns into Parquet.

Redshift could write Parquet to S3 itself (UNLOAD), but in several files, and only where its role may write.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from isal import igzip

from ingestion.blueprint.types import MAX_DIGITS
from ingestion.warehouse.postgres_export import write_parquet
from ingestion.warehouse.redshift_session import RedshiftSession
from ingestion.warehouse.sql import DUCKDB, LINEAGE, REDSHIFT, Shape, quote, stored

__all__ = ["read_out", "write_parquet"]

ROWS: Final = 1_000  # that are held in memory; the leader of a one-node warehouse hands out no more at a time
NULL: Final = r"\N"


def read_out(session: RedshiftSession, table: str, shape: Shape, where: str, path: Path) -> Shape:
    """Write rows as a packed file in the staged format; answers the types that DuckDB reads its columns with. Inside
    the caller's transaction, which a cursor needs."""
    values = ", ".join([*map(quote, LINEAGE), *(_text(name, kind) for name, kind in shape.items())])
    session.run(f"DECLARE headgate_export CURSOR FOR SELECT {values} FROM {stored(table)} WHERE {where}")
    quoted = [False, False, *(REDSHIFT.kind(kind) in ("text", "json") for kind in shape.values())]
    with igzip.IGzipFile(str(path), "wb", compresslevel=1) as packed:  # type: ignore[no-untyped-call]
        while rows := session.rows(f"FETCH FORWARD {ROWS:d} FROM headgate_export"):
            packed.write("".join(_line(row, quoted) for row in rows).encode())  # type: ignore[no-untyped-call]
    session.run("CLOSE headgate_export")
    return {**dict.fromkeys(LINEAGE, "BIGINT"), **{name: _duck(kind) for name, kind in shape.items()}}


def _text(name: str, kind: str) -> str:
    word = REDSHIFT.kind(kind)
    return quote(name) if word == "text" else REDSHIFT.as_text[word].format(quote(name))


def _line(row: Sequence[Any], quoted: Iterable[bool]) -> str:
    return ",".join(_cell(value, quote) for value, quote in zip(row, quoted, strict=True)) + "\n"


def _cell(value: Any, quoted: bool) -> str:
    if value is None:
        return NULL
    return '"' + str(value).replace('"', '""') + '"' if quoted else str(value)


def _duck(kind: str) -> str:
    word = REDSHIFT.kind(kind)
    if word != "numeric":
        return DUCKDB.types[word]
    return f"DECIMAL({MAX_DIGITS},{kind.rstrip(')').rpartition(',')[2]})"
