"""Connections to Postgres: opened when first needed, kept for reuse, replaced when broken. Never shared by threads."""

import os
import select
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from psycopg.pq import TransactionStatus

from ingestion.errors import IngestionError
from ingestion.warehouse.postgres_errors import Place, connecting, translated
from ingestion.warehouse.sql import POSTGRES, Dialect

KEPT: Final = 4
TRUSTED_SECONDS: Final = 5.0  # an idle connection that breaks without a word is asked after this long
CONNECT: Final = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
    "application_name": "headgate",
    "client_encoding": "utf8",
}
# A worker that is frozen must not hold its locks for ever: the server ends its session.
SETTINGS: Final = {
    "TimeZone": "UTC",
    "DateStyle": "ISO",
    "IntervalStyle": "postgres",
    "extra_float_digits": "1",
    "standard_conforming_strings": "on",
    "search_path": "pg_catalog",
    "idle_in_transaction_session_timeout": "60s",
    "idle_session_timeout": "60s",
}


class PostgresSession:
    """One connection, for one thread at a time."""

    dialect: Dialect = POSTGRES

    def __init__(self, connection: "psycopg.Connection[tuple[Any, ...]]") -> None:
        self.connection = connection

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        return self._execute(sql, parameters).rowcount

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._execute(sql, parameters).fetchall()

    def _execute(self, sql: str, parameters: Sequence[Any]) -> "psycopg.Cursor[tuple[Any, ...]]":
        if not parameters:
            return self.connection.execute(sql.encode())
        return self.connection.execute(sql.replace("%", "%%").replace("?", "%s").encode(), parameters)


class Connections:
    """Idle connections of this process. A process that was forked starts with none of its parent's."""

    def __init__(self, dsn: str, place: Place) -> None:
        self._dsn = dsn
        self._place = place
        self._lock = threading.Lock()
        self._idle: list[tuple[psycopg.Connection[tuple[Any, ...]], float]] = []  # and since when
        self._owner = os.getpid()

    @contextmanager
    def session(self, doing: str) -> Iterator[PostgresSession]:
        """A session in autocommit; errors inside come out as ours."""
        with self._lent() as connection, translated(self._place, doing):
            yield PostgresSession(connection)

    @contextmanager
    def _lent(self) -> "Iterator[psycopg.Connection[tuple[Any, ...]]]":
        connection = self._take()
        try:
            yield connection
        except BaseException:  # whatever went wrong: it may be in the middle of anything
            connection.close()
            raise
        self._give_back(connection)

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for connection, _ in idle:
            connection.close()

    def _take(self) -> "psycopg.Connection[tuple[Any, ...]]":
        while (found := self._pop()) is not None:
            connection, since = found
            if _alive(connection, time.monotonic() - since):
                return connection
            connection.close()
        try:
            return self._open()
        except psycopg.Error as error:
            raise self._unopened(error) from error

    def _unopened(self, error: psycopg.Error) -> IngestionError:
        return connecting(error, self._place)

    def _pop(self) -> "tuple[psycopg.Connection[tuple[Any, ...]], float] | None":
        with self._lock:
            if self._owner != os.getpid():
                self._idle, self._owner = [], os.getpid()
            return self._idle.pop() if self._idle else None

    def _give_back(self, connection: "psycopg.Connection[tuple[Any, ...]]") -> None:
        clean = connection.info.transaction_status == TransactionStatus.IDLE
        with self._lock:
            if clean and len(self._idle) < KEPT and self._owner == os.getpid():
                self._idle.append((connection, time.monotonic()))
                return
        connection.close()

    def _open(self) -> "psycopg.Connection[tuple[Any, ...]]":
        # Tables change their columns between loads, which prepared statements do not survive.
        connection = psycopg.connect(self._dsn, autocommit=True, prepare_threshold=None, **CONNECT)  # type: ignore[arg-type]
        names = list(SETTINGS) if connection.info.server_version >= 140000 else list(SETTINGS)[:-1]
        settings = ", ".join("set_config(%s, %s, false)" for _ in names)
        values = [value for name in names for value in (name, SETTINGS[name])]
        connection.execute(f"SELECT {settings}".encode(), values)
        return connection


def _alive(connection: "psycopg.Connection[tuple[Any, ...]]", idle: float) -> bool:
    """A server that ended a session has said so on its socket, where an idle one says nothing."""
    if idle < TRUSTED_SECONDS:
        socket = select.poll()
        socket.register(connection.fileno(), select.POLLIN)
        return not socket.poll(0)
    try:
        connection.execute("SELECT 1")
    except psycopg.Error:
        return False
    return True
