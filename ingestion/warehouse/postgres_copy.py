"""COPY of staged parts into Postgres: streamed, a block at a time, and counted."""

import re
import threading
from collections.abc import Iterator
from typing import IO, Any, Final, cast

import psycopg
from isal import isal_zlib
from isal.igzip_lib import IsalError

from ingestion.warehouse.base import LoadFault, Part
from ingestion.warehouse.parallel import Stopped
from ingestion.warehouse.postgres_session import PostgresSession
from ingestion.warehouse.sql import names, stored

BLOCK: Final = 1 << 18
GZIP: Final = 31  # zlib's number for a gzip header and trailer, with its checksum verified
DAMAGED: Final = cast(type[Exception], IsalError)  # its stub calls the class an instance
OPTIONS: Final = r"(FORMAT csv, NULL '\N')"
PLACE: Final = re.compile(r"line (\d+)(?:, column (\w+))?")
EXPECTED: Final = {
    "boolean": "true or false",
    "bigint": "a whole number of at most 64 bits",
    "numeric": "a number",
    "double precision": "a number",
    "date": "a date",
    "timestamp with time zone": "a time",
    "json": "JSON",
}


def copy_part(session: PostgresSession, table: str, part: Part, stop: threading.Event) -> int:
    """Stream one part into a table; answers the number of rows that the server counted."""
    statement = f"COPY {stored(table)} ({names(part.columns)}) FROM STDIN {OPTIONS}"
    cursor = session.connection.cursor()
    try:
        with part.open() as packed, cursor.copy(statement.encode()) as copy:
            for block in _unpacked(packed):
                if stop.is_set():
                    raise Stopped
                copy.write(block)
    except psycopg.DataError as error:
        raise _unreadable(session, table, part, error) from error
    except psycopg.errors.ProgramLimitExceeded as error:
        raise _too_large(part, error) from error
    except (EOFError, DAMAGED) as error:
        raise LoadFault(
            f"The staged file {part.uri} is cut off or damaged: it cannot be unpacked.",
            advice="Retry the run: the file is made again from the source.",
            detail=str(error),
        ) from error
    return cursor.rowcount


def _unpacked(packed: IO[bytes]) -> Iterator[bytes]:
    """The plain bytes, in blocks of bounded size. Raises EOFError when the file ends too early."""
    decoder = isal_zlib.decompressobj(GZIP)
    while data := packed.read(BLOCK):
        while data:
            if decoder.eof:
                decoder = isal_zlib.decompressobj(GZIP)
            yield decoder.decompress(data, 4 * BLOCK)
            data = decoder.unused_data if decoder.eof else decoder.unconsumed_tail
    if not decoder.eof:
        raise EOFError("the file ends before its gzip member does")


def _unreadable(session: PostgresSession, table: str, part: Part, error: psycopg.DataError) -> LoadFault:
    context = error.diag.context or ""
    found = PLACE.search(context)
    line, column = found.groups() if found else ("", None)
    expected = EXPECTED.get(_type_of(session, table, column), "") if column else ""
    what = f"the value of {column} is not {expected}" if expected else "the row does not fit the table's columns"
    return LoadFault(
        f"Row {line or '?'} of {part.uri} could not be loaded: {what}. Nothing of this table was loaded.",
        advice="Look at this row in the staged file; the technical detail shows what Postgres read.",
        detail=f"{error.diag.message_primary or error}\n{context}",
    )


def _type_of(session: PostgresSession, table: str, column: str) -> str:
    sql = "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = to_regclass(?) AND attname = ?"
    found: list[tuple[Any, ...]] = session.rows(sql, (stored(table), column))
    return str(found[0][0]) if found else ""


def _too_large(part: Part, error: psycopg.Error) -> LoadFault:
    found = PLACE.search(error.diag.context or "")
    return LoadFault(
        f"Row {found[1] if found else '?'} of {part.uri} is too large for a Postgres table: "
        f"{error.diag.message_primary}. Nothing of this table was loaded.",
        advice="Leave out columns of this table, or keep them together as one JSON column.",
        detail=error.diag.context or "",
    )
