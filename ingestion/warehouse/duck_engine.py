"""The steps of a publish that are DuckDB's own: its views are replaced in the transaction of the books."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ingestion.warehouse import books, books_tables
from ingestion.warehouse.base import Target, WarehouseRefused
from ingestion.warehouse.books import Generation
from ingestion.warehouse.duck_file import DuckFile, DuckSession
from ingestion.warehouse.sql import DUCKDB, LINEAGE, Shape, book, literal, names, qualified, quote, stored


class DuckEngine:
    """The steps of a publish that are DuckDB's own; see `engine.Engine`."""

    dialect = DUCKDB
    row_id = "rowid"

    def __init__(self, file: DuckFile) -> None:
        self._file = file
        self._set_up = False
        self._guard = threading.Lock()
        self._datasets: dict[int, threading.RLock] = {}
        # DuckDB refuses the second of two transactions that change the same rows or names, so ours take turns.
        self.writing = threading.RLock()

    def set_up(self) -> None:
        with self._guard:
            if self._set_up:
                return
            with self._file.session("preparing the warehouse") as session, self.transaction(session):
                for schema in books.schemas():
                    session.run(f"CREATE SCHEMA IF NOT EXISTS {quote(schema)}")
                for statement in books_tables.TABLES:
                    session.run(statement.format(**books_tables.UNKEYED))
            self._set_up = True

    @contextmanager
    def session(self, doing: str) -> Iterator[DuckSession]:
        self.set_up()
        with self._file.session(doing) as session:
            yield session

    @contextmanager
    def reading(self, doing: str) -> Iterator[DuckSession]:
        with self.session(doing) as session:
            session.run("BEGIN TRANSACTION READ ONLY")
            try:
                yield session
            finally:
                session.roll_back()

    @contextmanager
    def exclusive(self, datasets: Sequence[int]) -> Iterator[DuckSession]:
        self.set_up()
        with ExitStack() as held:
            for dataset in datasets:
                held.enter_context(self._lock_of(dataset))
            yield held.enter_context(self._file.session("publishing"))

    def _lock_of(self, dataset: int) -> threading.RLock:
        with self._guard:
            return self._datasets.setdefault(dataset, threading.RLock())

    @contextmanager
    def transaction(self, session: DuckSession, *, commit: bool = True) -> Iterator[None]:
        with self.writing:
            session.run("BEGIN TRANSACTION")
            try:
                yield
            except BaseException:  # the session is kept: it must not stay inside a transaction
                session.roll_back()
                raise
            session.run("COMMIT" if commit else "ROLLBACK")

    def wait_briefly(self, session: DuckSession) -> None:
        """Nothing: whoever writes has the file's one lock already."""

    def columns(self, session: DuckSession, table: str) -> Shape:
        found = session.rows(f"DESCRIBE {stored(table)}")
        return {row[0]: row[1] for row in found if row[0] not in LINEAGE}

    def current_shape(self, session: DuckSession, target: Target) -> Shape:
        number = books.live(session, target.dataset).generation
        found = books.generations(session, "generation = ?", (number,)) if number is not None else []
        return self.columns(session, found[0].table) if found else {}

    def shape_store(self, session: DuckSession, target: Target, shape: Shape) -> None:
        """Each generation is a table with columns of its own; only the schema and the name must be to be had."""
        with self.transaction(session):
            session.run(f"CREATE SCHEMA IF NOT EXISTS {quote(target.schema)}")
            _refuse_foreign(session, target)

    def retype(self, session: DuckSession, table: str, name: str, *, after: str, value: str) -> None:
        session.run(f"ALTER TABLE {stored(table)} ALTER COLUMN {quote(name)} TYPE {after} USING {value}")

    def fits(self, session: DuckSession, live: Generation, shape: Shape) -> bool:
        return self.columns(session, live.table) == shape

    def distinct(self, session: DuckSession, table: str, key: Sequence[str]) -> bool:
        columns = names(key)
        found = session.rows(
            f"SELECT (SELECT count(*) FROM {stored(table)}), "
            f"(SELECT count(*) FROM (SELECT DISTINCT {columns} FROM {stored(table)}))"
        )
        return bool(found[0][0] == found[0][1])

    def ready_for_merge(self, session: DuckSession, live: Generation, key: Sequence[str]) -> None:
        """Nothing: DuckDB finds keys by scanning the key's columns."""

    def ready_for_duplicates(self, session: DuckSession, table: str) -> None:
        """Nothing: no table has a unique index."""

    def ready_to_append(self, session: DuckSession, live: Generation) -> None:
        """Nothing, for both of these reasons."""

    def ready_to_withdraw(self, session: DuckSession, live: Generation) -> None:
        """Nothing: DuckDB skips the blocks that hold no row of the load."""

    def release(self, session: DuckSession, target: Target, staged: Generation) -> Generation:
        return staged  # never attached to anything

    def attach(self, session: DuckSession, target: Target, staged: Generation) -> None:
        """Nothing: the table is shown as it is."""

    def settle(self, session: DuckSession, targets: Sequence[Target]) -> None:
        """Nothing: a statement's snapshot holds its tables too."""

    def show(self, session: DuckSession, target: Target, staged: Generation, shape: Shape) -> None:
        """Replace the view. DuckDB's catalog is versioned: readers see the old one until the commit."""
        books.enter_name(session, target, shown_as=staged.table)
        for schema, name in books.public_names(session, target.dataset):
            _show_as(session, qualified(schema, name), target, staged, shape)

    def write_out(self, session: DuckSession, table: str, where: str, path: Path) -> Callable[[], int]:
        columns = names([*LINEAGE, *self.columns(session, table)])
        select = f"SELECT {columns} FROM {stored(table)} WHERE {where}"
        count = session.run(f"COPY ({select}) TO {literal(str(path))} (FORMAT parquet, COMPRESSION zstd)")
        return lambda: count

    def transaction_number(self, session: DuckSession) -> int | None:
        return None

    def drop(self, session: DuckSession, generation: Generation) -> None:
        with self.transaction(session):
            session.run(f"DROP TABLE IF EXISTS {stored(generation.table)}")
            books.forget_generation(session, generation.number)


def _show_as(session: DuckSession, view: str, target: Target, staged: Generation, shape: Shape) -> None:
    columns = names([*LINEAGE, *shape])
    session.run(f"CREATE OR REPLACE VIEW {view} AS SELECT {columns} FROM {stored(staged.table)}")
    session.run(f"COMMENT ON VIEW {view} IS {literal(target.description)}")


def _refuse_foreign(session: DuckSession, target: Target) -> None:
    """A table or view of that name that is not ours is never touched."""
    there = session.rows(
        "SELECT 1 FROM information_schema.tables WHERE table_catalog = current_database() "
        "AND table_schema = ? AND table_name = ?",
        (target.schema, target.name),
    )
    owners = session.rows(
        f"SELECT dataset FROM {book('_datasets')} WHERE schema_name = ? AND name = ?", (target.schema, target.name)
    )
    if there and (target.dataset,) not in owners:
        whose = "another dataset" if owners else "something that was not made here"
        raise WarehouseRefused(
            f"{target.schema}.{target.name} cannot be made the live table: that name belongs to {whose}.",
            advice="Give the table another name, or remove what stands there.",
        )
