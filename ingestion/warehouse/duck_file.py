"""One DuckDB file, owned by this process: opened once, one cursor for each thread that works with it."""

import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

import duckdb

from ingestion.errors import ConfigFault
from ingestion.warehouse.base import WarehouseRefused
from ingestion.warehouse.duck_errors import translated
from ingestion.warehouse.sql import DUCKDB, Dialect, literal

KNOWN: Final = {
    "memory_limit": re.compile(r"\d+(\.\d+)?\s?[KMGT]i?B", re.IGNORECASE),
    "threads": re.compile(r"[1-9]\d*"),
}
NEVER_FETCH: Final = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
# A file opened by its path is a catalog of its own name, which hides a schema of that name: live.duckdb, live.surveys.
ATTACHED: Final = "_headgate"
EXAMPLE: Final = "duckdb:///var/headgate/warehouse.duckdb?memory_limit=512MB&threads=2"


@dataclass(frozen=True)
class DuckAddress:
    path: Path
    options: dict[str, str]

    @classmethod
    def parse(cls, url: str) -> "DuckAddress":
        """Raises ConfigFault, which says what is wrong with the address."""
        parts = urlsplit(url)
        if parts.netloc or len(parts.path) < 2:
            raise ConfigFault(
                f"WAREHOUSE_URL does not name a DuckDB file: {url!r}.",
                advice=f"Write three slashes and the file's full path, as in {EXAMPLE}.",
            )
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        for name, value in options.items():
            if name not in KNOWN or not KNOWN[name].fullmatch(value):
                raise ConfigFault(
                    f"WAREHOUSE_URL has an option that DuckDB is not given: {name}={value}.",
                    advice=f"Known are memory_limit (512MB) and threads (2), as in {EXAMPLE}.",
                )
        return cls(Path("/" + unquote(parts.path).lstrip("/")), options)


class DuckSession:
    """One cursor: a connection of its own to the open file, with transactions of its own."""

    dialect: Dialect = DUCKDB

    def __init__(self, cursor: "duckdb.DuckDBPyConnection") -> None:
        self.cursor = cursor

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """DuckDB answers a change of data with one row that holds the count."""
        found = self.rows(sql, parameters)
        return int(found[0][0]) if found and len(found[0]) == 1 and isinstance(found[0][0], int) else 0

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        self.cursor.execute(sql, list(parameters))
        return self.cursor.fetchall() if self.cursor.description else []

    def roll_back(self) -> None:
        """DuckDB has undone a transaction itself after some errors, and then refuses to do it again."""
        try:
            self.run("ROLLBACK")
        except duckdb.TransactionException as error:
            if "no transaction is active" not in str(error):
                raise

    def select(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of a SELECT; times come back aware, in UTC. (DuckDB's own way needs a package that we do without.)"""
        described = self.rows(f"DESCRIBE {sql}", parameters)
        zoned = [place for place, row in enumerate(described) if row[1] == "TIMESTAMP WITH TIME ZONE"]
        if not zoned:
            return self.rows(sql, parameters)
        columns = ", ".join(
            f"c{place} AT TIME ZONE 'UTC'" if place in zoned else f"c{place}" for place in range(len(described))
        )
        aliases = ", ".join(f"c{place}" for place in range(len(described)))
        found = self.rows(f"SELECT {columns} FROM ({sql}) AS q({aliases})", parameters)
        return [tuple(_aware(value) if place in zoned else value for place, value in enumerate(row)) for row in found]


def _aware(value: Any) -> Any:
    return value.replace(tzinfo=UTC) if value is not None else None


class DuckFile:
    """The file, opened when first needed."""

    def __init__(self, address: DuckAddress) -> None:
        self.path = address.path
        self._options = address.options
        self._lock = threading.Lock()
        self._connection: duckdb.DuckDBPyConnection | None = None

    @contextmanager
    def session(self, doing: str) -> Iterator[DuckSession]:
        """A session in autocommit, for one thread; errors inside come out as ours."""
        with translated(self.path, doing):
            cursor = self._open().cursor()
            try:
                cursor.execute(f"USE {ATTACHED}")
                yield DuckSession(cursor)
            except duckdb.FatalException:
                self.close()  # DuckDB gives nothing more out of a file in this state until it is opened again
                raise
            finally:
                cursor.close()

    def close(self) -> None:
        with self._lock:
            connection, self._connection = self._connection, None
        if connection:
            connection.close()

    def _open(self) -> "duckdb.DuckDBPyConnection":
        with self._lock:
            if self._connection is None:
                self._connection = self._connect()
            return self._connection

    def _connect(self) -> "duckdb.DuckDBPyConnection":
        if not self.path.parent.is_dir():
            raise WarehouseRefused(
                f"The folder of the DuckDB file {self.path} does not exist.",
                advice="Make the folder, or name another file in WAREHOUSE_URL.",
            )
        settings: dict[str, Any] = {**NEVER_FETCH, "temp_directory": f"{self.path}.tmp", **self._options}
        connection = duckdb.connect(":memory:", config=settings)
        try:
            connection.execute("SET GLOBAL TimeZone = 'UTC'")
            connection.execute(f"ATTACH {literal(str(self.path))} AS {ATTACHED}")
        except duckdb.Error:
            connection.close()
            raise
        return connection
