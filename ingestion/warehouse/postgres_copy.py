"""COPY of staged parts into Postgres: streamed, a block at a time, and counted."""

import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

import psycopg

from ingestion.warehouse.base import LoadFault, Part
from ingestion.warehouse.parallel import Stopped
from ingestion.warehouse.postgres_session import Connections, PostgresSession
from ingestion.warehouse.sql import names, stored
from ingestion.warehouse.unpacking import DAMAGED, unpacked

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


class CopyLoader:
    """See `parallel.Loader`. Each thread has a connection of its own."""

    def __init__(self, connections: Connections, table: str, what: str) -> None:
        self._connections, self._table, self._what = connections, table, what
        self._running: set[psycopg.Connection[tuple[Any, ...]]] = set()

    def one(self, part: Part, stop: threading.Event) -> int:
        with self._session(f"loading {part.uri} into {self._what}") as session:
            return copy_part(session, self._table, part, stop)

    def together(self, parts: Sequence[Part], stop: threading.Event) -> bool:
        with self._session(f"loading {len(parts)} files into {self._what}") as session:
            return copy_together(session, self._table, parts, stop)

    def interrupt(self) -> None:
        for connection in list(self._running):
            with suppress(psycopg.Error):  # it ended by itself
                connection.cancel_safe(timeout=5)

    @contextmanager
    def _session(self, doing: str) -> Iterator[PostgresSession]:
        with self._connections.session(doing) as session:
            self._running.add(session.connection)
            try:
                yield session
            finally:
                self._running.discard(session.connection)


def copy_part(session: PostgresSession, table: str, part: Part, stop: threading.Event) -> int:
    """Stream one part into a table; answers the number of rows that the server counted."""
    try:
        return _copy(session, table, [part], stop)
    except psycopg.DataError as error:
        raise _unreadable(session, table, part, error) from error
    except psycopg.errors.ProgramLimitExceeded as error:
        raise _too_large(part, error) from error
    except DAMAGED as error:
        raise LoadFault(
            f"The staged file {part.uri} is cut off or damaged: it cannot be unpacked.",
            advice="Retry the run: the file is made again from the source.",
            detail=str(error),
        ) from error


def copy_together(session: PostgresSession, table: str, parts: Sequence[Part], stop: threading.Event) -> bool:
    """Stream parts with the same columns into a table as if they were one. False: nothing of them was loaded."""
    wanted = sum(part.rows for part in parts)
    try:
        with session.connection.transaction() as transaction:
            found = _copy(session, table, parts, stop)
            if found != wanted:
                raise psycopg.Rollback(transaction)
    except (psycopg.DataError, psycopg.errors.ProgramLimitExceeded, *DAMAGED):
        return False
    return found == wanted


def _copy(session: PostgresSession, table: str, parts: Sequence[Part], stop: threading.Event) -> int:
    statement = f"COPY {stored(table)} ({names(parts[0].columns)}) FROM STDIN {OPTIONS}"
    cursor = session.connection.cursor()
    with session.connection.transaction():
        cursor.execute("SET LOCAL synchronous_commit = off")  # the commit that notes the count waits for all of them
        with cursor.copy(statement.encode()) as copy:
            for part in parts:
                with part.open() as packed:
                    for block in unpacked(packed):
                        if stop.is_set():
                            raise Stopped
                        copy.write(block)
    return cursor.rowcount


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
