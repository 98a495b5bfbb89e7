"""The steps of a publish that are Redshift's own: generations are tables, and a pointer decides which is shown.

Redshift has no locks that one may name, so that empty tables stand for them: one for each of a few groups of datasets,
held by a connection of its own as long as a load is published, and one for all that write the books, held for one short
transaction. A lock is always a transaction's first statement, before Redshift takes its snapshot.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import psycopg

from ingestion.warehouse import books, redshift_store, redshift_tables
from ingestion.warehouse.base import Target
from ingestion.warehouse.books import Generation
from ingestion.warehouse.redshift_export import read_out, write_parquet
from ingestion.warehouse.redshift_session import RedshiftConnections, RedshiftSession
from ingestion.warehouse.redshift_tables import TURN
from ingestion.warehouse.sql import BOOKS, REDSHIFT, Shape, book, names, quote, stored

LOCK_MILLISECONDS: Final = 30_000  # for another load of the same table; then the task is tried again later
SET_UP_ATTEMPTS: Final = 5
IN_VIEW: Final = 1  # the version of a generation that the public view selects


class RedshiftEngine:
    """The steps of a publish that are Redshift's own; see `engine.Engine`."""

    dialect = REDSHIFT
    row_id = quote(redshift_store.ROW)

    def __init__(self, connections: RedshiftConnections, *, grace: int) -> None:
        self._connections, self.grace = connections, grace
        self._set_up = False
        self._guard = threading.Lock()

    def set_up(self) -> None:
        """Make schemas and books where they are missing. Safe in many at once: who loses a race looks again."""
        with self._guard:
            for attempt in range(1, SET_UP_ATTEMPTS + 1):
                if self._set_up:
                    return
                with self._connections.session("preparing the warehouse") as session:
                    self._set_up = _made_books(session, last=attempt == SET_UP_ATTEMPTS)

    @contextmanager
    def session(self, doing: str) -> Iterator[RedshiftSession]:
        self.set_up()
        with self._connections.session(doing) as session:
            yield session

    @contextmanager
    def reading(self, doing: str) -> Iterator[RedshiftSession]:
        with self.session(doing) as session:
            session.connection.read_only = True
            with session.connection.transaction():
                yield session
            session.connection.read_only = None

    @contextmanager
    def exclusive(self, datasets: Sequence[int]) -> Iterator[RedshiftSession]:
        with ExitStack() as held:
            slots = sorted({redshift_tables.slot(dataset) for dataset in datasets})
            if slots:
                turn = held.enter_context(self.session("waiting for other loads of the same table"))
                held.enter_context(turn.connection.transaction())
                _lock(turn, slots)
            yield held.enter_context(self.session("publishing"))

    @contextmanager
    def transaction(self, session: RedshiftSession) -> Iterator[None]:
        """Writers of the books take turns: Redshift breaks off one of two that changed the same table."""
        with session.connection.transaction():
            _lock(session, [TURN])
            yield

    def wait_briefly(self, session: RedshiftSession) -> None:
        """Nothing: who is inside a transaction has waited."""

    def columns(self, session: RedshiftSession, table: str) -> Shape:
        return redshift_store.columns(session, table)

    def current_shape(self, session: RedshiftSession, target: Target) -> Shape:
        live = books.generation(session, books.live(session, target.dataset).generation)
        return self.columns(session, live.table) if live else {}

    def shape_store(self, session: RedshiftSession, target: Target, shape: Shape) -> None:
        """Give the live table the columns that are new. One whose column changes its type is copied later."""
        live = books.generation(session, books.live(session, target.dataset).generation)
        redshift_store.refuse_foreign(session, target)
        if live is None:
            return
        present = self.columns(session, live.table)
        same = all(shape[name] == kind for name, kind in present.items())
        added = {name: kind for name, kind in shape.items() if name not in present}
        if not same or (not added and redshift_store.is_shown(session, target, shape)):
            return

        def change() -> None:
            redshift_store.add_columns(session, live.table, added)
            redshift_store.show(session, target, self._in_use(session, target.dataset), shape)

        self._in_short(session, change)

    def retype(self, session: RedshiftSession, table: str, name: str, *, after: str, value: str) -> None:
        with session.connection.transaction():
            redshift_store.retype(session, table, name, after=after, value=value)

    def fits(self, session: RedshiftSession, live: Generation, shape: Shape) -> bool:
        return dict(self.columns(session, live.table)) == dict(shape)

    def distinct(self, session: RedshiftSession, table: str, key: Sequence[str]) -> bool:
        columns, place = names(key), stored(table)
        found = session.rows(
            f"SELECT (SELECT count(*) FROM {place}), "
            f"(SELECT count(*) FROM (SELECT DISTINCT {columns} FROM {place}) AS keys)"
        )
        return bool(found[0][0] == found[0][1])

    def ready_for_merge(self, session: RedshiftSession, live: Generation, key: Sequence[str]) -> None:
        """Nothing: Redshift joins by sorting and spreading, and has no indexes."""

    def ready_for_duplicates(self, session: RedshiftSession, table: str) -> None:
        """Nothing: Redshift enforces no key."""

    def ready_to_append(self, session: RedshiftSession, live: Generation) -> None:
        """Nothing, for both of these reasons."""

    def ready_to_withdraw(self, session: RedshiftSession, live: Generation) -> None:
        """Nothing: Redshift skips the blocks that hold no row of the load."""

    def release(self, session: RedshiftSession, target: Target, staged: Generation) -> Generation:
        return staged  # a view may name it, but shows nothing of it

    def attach(self, session: RedshiftSession, target: Target, staged: Generation) -> None:
        """Make the view select the staged table as well, as long as it is the live one: it is not yet."""
        shape = self.columns(session, staged.table)

        def change() -> None:
            books.note_version(session, staged.number, IN_VIEW)
            used = [other for other in self._in_use(session, target.dataset) if other.number != staged.number]
            redshift_store.show(session, target, [staged, *used], shape)

        self._in_short(session, change)

    def settle(self, session: RedshiftSession, targets: Sequence[Target]) -> None:
        """Nothing: a generation's table stays where it is, and in the view, until long after it has ended."""

    def show(self, session: RedshiftSession, target: Target, staged: Generation, shape: Shape) -> None:
        """Nothing: the view reads the pointer."""

    def write_out(self, session: RedshiftSession, table: str, where: str, path: Path) -> Callable[[], int]:
        spool = path.with_suffix(".csv.gz")
        types = read_out(session, table, self.columns(session, table), where, spool)
        return lambda: write_parquet(spool, types, path)

    def transaction_number(self, session: RedshiftSession) -> int | None:
        return None

    def drop(self, session: RedshiftSession, generation: Generation) -> None:
        """A view that names the table is made anew in the same transaction: it would fail without it."""

        def change() -> None:
            if generation.version is not None:
                self._show_without(session, generation)
            session.run(f"DROP TABLE IF EXISTS {stored(f'{generation.table}_landing')}")
            session.run(f"DROP TABLE IF EXISTS {stored(generation.table)}")
            books.forget_generation(session, generation.number)

        self._in_short(session, change)

    def unseen(self, session: RedshiftSession, generation: Generation) -> bool:
        """It ended longer ago than the address grants, and before every transaction that we are told of began."""
        found = session.rows(
            f"SELECT retired_at < GETDATE() - INTERVAL '{self.grace:d} seconds', retired_at FROM "
            f"{book('_generations')} WHERE generation = ? AND retired_at IS NOT NULL",
            (generation.number,),
        )
        if not found:
            return True  # it was never live
        ended_long_ago, at = found[0]
        older = (
            "SELECT 1 FROM svv_transactions WHERE txn_start <= CAST(? AS timestamp) AND pid <> pg_backend_pid() LIMIT 1"
        )
        return (ended_long_ago or not self.grace) and not session.rows(older, (at.strftime("%Y-%m-%d %H:%M:%S.%f"),))

    def _show_without(self, session: RedshiftSession, generation: Generation) -> None:
        shown = [other for other in self._in_use(session, generation.dataset) if other.number != generation.number]
        target = redshift_store.target_of(session, generation.dataset)
        live = books.generation(session, books.live(session, generation.dataset).generation)
        if target and live:
            redshift_store.show(session, target, shown, self.columns(session, live.table))
        elif target:
            redshift_store.show_nothing(session, generation.dataset)

    def _in_use(self, session: RedshiftSession, dataset: int) -> list[Generation]:
        return redshift_store.in_use(session, dataset, self.grace)

    def _in_short(self, session: RedshiftSession, change: Callable[[], None]) -> None:
        redshift_store.with_short_waits(session, lambda: self.transaction(session), change)


def _lock(session: RedshiftSession, tables: Sequence[str]) -> None:
    session.run(f"SET statement_timeout TO {LOCK_MILLISECONDS}")
    for table in tables:
        session.run(f"LOCK TABLE {table}")
    session.run("SET statement_timeout TO 0")


def _made_books(session: RedshiftSession, *, last: bool) -> bool:
    """False: another process was making them, too."""
    if redshift_store.exists(session, BOOKS, redshift_tables.NEWEST):
        return True
    try:
        for schema in books.schemas():
            redshift_store.make_schema(session, schema)
        for statement in redshift_tables.TABLES:
            session.run(statement)
        with session.connection.transaction():
            _lock(session, [TURN])
            for statement in redshift_tables.LAST:
                session.run(statement)
    except (psycopg.errors.UniqueViolation, psycopg.errors.DuplicateTable, psycopg.errors.DuplicateSchema):
        if last:
            raise
        return False
    return True
