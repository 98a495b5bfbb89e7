"""The steps of a publish that are Postgres's own: generations are partitions, and a pointer decides which is shown."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import psycopg

from ingestion.warehouse import books, books_tables, postgres_store
from ingestion.warehouse.base import Target
from ingestion.warehouse.books import Generation
from ingestion.warehouse.postgres_export import copy_out, write_parquet
from ingestion.warehouse.postgres_planners import wait_for_planners
from ingestion.warehouse.postgres_session import Connections, PostgresSession
from ingestion.warehouse.postgres_store import LOCKS, SETUP_LOCK
from ingestion.warehouse.sql import LINEAGE, POSTGRES, Shape, book, qualified, quote, stored

LOCK_WAIT: Final = "30s"  # for another load of the same table; then the task is tried again later


class PostgresEngine:
    """The steps of a publish that are Postgres's own; see `engine.Engine`."""

    dialect = POSTGRES
    row_id = "ctid"

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._set_up = False
        self._appended: set[str] = set()

    def set_up(self) -> None:
        """Make schemas and books where they are missing. Once in a process, safe in many at once."""
        if self._set_up:
            return
        with self._connections.session("preparing the warehouse") as session, session.connection.transaction():
            session.run("SELECT pg_advisory_xact_lock(?, ?)", (LOCKS, SETUP_LOCK))
            for schema in books.schemas():
                postgres_store.make_schema(session, schema)
            if not session.rows("SELECT to_regclass(?)", (books_tables.NEWEST,))[0][0]:
                for statement in (*books_tables.TABLES, *books_tables.INDEXES):
                    session.run(statement.format(**books_tables.KEYED))
        self._set_up = True

    @contextmanager
    def session(self, doing: str) -> Iterator[PostgresSession]:
        self.set_up()
        with self._connections.session(doing) as session:
            yield session

    @contextmanager
    def reading(self, doing: str) -> Iterator[PostgresSession]:
        with self.session(doing) as session, session.connection.transaction():
            session.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield session

    @contextmanager
    def exclusive(self, datasets: Sequence[int]) -> Iterator[PostgresSession]:
        self.set_up()
        with self._connections.session("publishing") as session:
            session.run(f"SET lock_timeout = '{LOCK_WAIT}'")
            for dataset in datasets:
                session.run("SELECT pg_advisory_lock(?, ?)", (LOCKS, dataset))
            yield session
            session.run("SELECT pg_advisory_unlock_all()")

    @contextmanager
    def transaction(self, session: PostgresSession) -> Iterator[None]:
        with session.connection.transaction():
            yield

    def wait_briefly(self, session: PostgresSession) -> None:
        session.run(f"SET LOCAL lock_timeout = '{LOCK_WAIT}'")

    def columns(self, session: PostgresSession, table: str) -> Shape:
        return postgres_store.columns(session, table)

    def current_shape(self, session: PostgresSession, target: Target) -> Shape:
        known = postgres_store.versions(session, target.dataset)
        return self.columns(session, postgres_store.store_name(target.dataset, known[-1])) if known else {}

    def shape_store(self, session: PostgresSession, target: Target, shape: Shape) -> None:
        postgres_store.shape_store(session, target, shape)

    def retype(self, session: PostgresSession, table: str, name: str, *, after: str, value: str) -> None:
        session.run(f"ALTER TABLE {stored(table)} ALTER COLUMN {quote(name)} TYPE {after} USING {value}")

    def fits(self, session: PostgresSession, live: Generation, shape: Shape) -> bool:
        return live.version == postgres_store.versions(session, live.dataset)[-1]

    def distinct(self, session: PostgresSession, table: str, key: Sequence[str]) -> bool:
        """Making the index that later merges need is also the cheapest way to find keys that repeat."""
        try:
            postgres_store.build_key_index(session, table, key, unique=True)
        except psycopg.errors.UniqueViolation:
            return False
        return True

    def ready_for_merge(self, session: PostgresSession, live: Generation, key: Sequence[str]) -> None:
        postgres_store.build_key_index(session, live.table, key, unique=False)

    def ready_for_duplicates(self, session: PostgresSession, table: str) -> None:
        postgres_store.drop_unique_indexes(session, table)

    def ready_to_append(self, session: PostgresSession, live: Generation) -> None:
        """Only staged tables get unique indexes, so a live one that takes duplicates does so for good."""
        if live.table not in self._appended:
            self.ready_for_duplicates(session, live.table)
            self.ready_to_withdraw(session, live)
            self._appended.add(live.table)

    def ready_to_withdraw(self, session: PostgresSession, live: Generation) -> None:
        """Of 1 M rows, ten are set aside in 3 ms with this index, in 200 ms without, and in 110 to 250 ms with BRIN,
        whose newest blocks nobody has summed up yet. It costs an append 0.6 µs a row."""
        postgres_store.build_key_index(session, live.table, LINEAGE, unique=False)

    def release(self, session: PostgresSession, target: Target, staged: Generation) -> Generation:
        if staged.version is None or staged.version == postgres_store.versions(session, target.dataset)[-1]:
            return staged
        postgres_store.detach(session, staged)
        return replace(staged, version=None)

    def attach(self, session: PostgresSession, target: Target, staged: Generation) -> None:
        postgres_store.attach(session, target, staged)

    def settle(self, session: PostgresSession, targets: Sequence[Target]) -> None:
        wait_for_planners(
            session, [qualified(*name) for t in targets for name in books.public_names(session, t.dataset)]
        )

    def show(self, session: PostgresSession, target: Target, staged: Generation, shape: Shape) -> None:
        """Nothing: the view reads the pointer."""

    def write_out(self, session: PostgresSession, table: str, where: str, path: Path) -> Callable[[], int]:
        spool = path.with_suffix(".csv.gz")
        types = copy_out(session, table, self.columns(session, table), where, spool)
        return lambda: write_parquet(spool, types, path)

    def transaction_number(self, session: PostgresSession) -> int | None:
        return int(session.rows("SELECT pg_current_xact_id()::text::bigint")[0][0])

    def drop(self, session: PostgresSession, generation: Generation) -> None:
        postgres_store.drop_generation(session, generation)

    def unseen(self, session: PostgresSession, generation: Generation) -> bool:
        """No snapshot that is still in use is older than the end of this generation."""
        found = session.rows(
            f"SELECT 1 FROM {book('_generations')} g, pg_stat_activity a WHERE g.generation = ? "
            "AND a.backend_xmin IS NOT NULL AND a.pid <> pg_backend_pid() AND a.datname = current_database() "
            "AND age(a.backend_xmin) >= age(g.retired_by::text::xid)",
            (generation.number,),
        )
        return not found
