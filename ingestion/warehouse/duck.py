"""The DuckDB warehouse: one file, one owner process. A publish replaces views in the transaction of the ledger."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import duckdb

from ingestion.errors import IngestionError
from ingestion.warehouse import books, publishing
from ingestion.warehouse.base import (
    Part,
    Probe,
    Published,
    PublishRequest,
    Staged,
    StageRequest,
    Target,
    WarehouseRefused,
)
from ingestion.warehouse.books import Generation
from ingestion.warehouse.duck_file import DuckAddress, DuckFile, DuckSession
from ingestion.warehouse.duck_load import load_part
from ingestion.warehouse.parallel import load_parts
from ingestion.warehouse.sql import (
    DUCKDB,
    LINEAGE,
    LOAD,
    PART,
    Shape,
    book,
    literal,
    names,
    qualified,
    quote,
    refuse_own_names,
    staged_name,
    stored,
)


class DuckWarehouse:
    """See `base.Warehouse`. Opens its file when it is first used."""

    label = "DuckDB"

    def __init__(self, url: str) -> None:
        self._file = DuckFile(DuckAddress.parse(url))
        self._engine = DuckEngine(self._file)

    def check(self) -> Iterator[Probe]:
        try:
            with self._file.session("checking the warehouse") as session:
                version = session.rows("SELECT version()")[0][0]
                yield Probe(name="Open the file", ok=True, detail=f"DuckDB {version}, {self._file.path}")
                with self._engine.transaction(session, commit=False):
                    session.run("CREATE SCHEMA IF NOT EXISTS headgate_check")
                    session.run("CREATE TABLE headgate_check.probe AS SELECT 1 AS id")
                yield Probe(name="Create and write", ok=True, detail="Tables can be created and filled.")
        except IngestionError as error:
            yield Probe(name="Open the file", ok=False, detail=error.message, advice=error.advice)

    def stage(self, request: StageRequest) -> Staged:
        refuse_own_names(column.name for column in request.columns)
        table = staged_name(dataset=request.target.dataset, load=request.load_id, attempt=request.attempt)
        self._engine.set_up()
        with self._file.session(f"preparing to load {request.target.name}") as session:
            generation = self._new_generation(session, request, table)
        if generation.live:  # published before; the publish will say so
            return Staged(table=table, rows=generation.rows)
        rows = self._load(request, table)
        with self._file.session(f"loading {request.target.name}") as session, self._engine.writing:
            books.note_rows(session, generation.number, rows)
        return Staged(table=table, rows=rows)

    def publish(self, request: PublishRequest) -> Published:
        return publishing.publish(self._engine, request)

    def published(self, load_id: int) -> Published | None:
        self._engine.set_up()
        with self._file.session("reading the ledger") as session:
            return books.published(session, load_id)

    def discard(self, load_id: int) -> int:
        self._engine.set_up()
        with self._file.session("dropping staged tables") as session:
            found = books.generations(session, "load_id = ? AND live_at IS NULL", (load_id,))
        for generation in found:
            with self._engine.exclusive([generation.dataset]) as session:
                self._engine.drop(session, generation)
        return len(found)

    def tidy(self, *, keep_generations: int) -> int:
        self._engine.set_up()
        with self._file.session("looking for old generations") as session:
            datasets = [row[0] for row in session.rows(f"SELECT dataset FROM {book('_live')} ORDER BY dataset")]
        count = 0
        for dataset in datasets:
            with self._engine.exclusive([dataset]) as session:
                old = books.droppable(session, dataset, keep_generations)
                for generation in old:
                    self._engine.drop(session, generation)
                count += len(old)
        return count

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._file.session("reading") as session:
            return session.select(sql, parameters)

    def close(self) -> None:
        self._file.close()

    def _new_generation(self, session: DuckSession, request: StageRequest, table: str) -> Generation:
        """An empty table for this attempt; what an earlier try left is dropped."""
        if found := books.generation_of(session, table):
            if found.live:
                return found
            self._engine.drop(session, found)
        generation = Generation(
            number=books.next_generation(session),
            dataset=request.target.dataset,
            version=None,
            load=request.load_id,
            table=table,
            rows=books.UNFINISHED,
            superseded=0,
            live=False,
        )
        own = f"{quote(LOAD)} BIGINT NOT NULL DEFAULT {request.load_id:d}, {quote(PART)} BIGINT NOT NULL"
        shape = [f"{quote(column.name)} {DUCKDB.type_of(column.type)}" for column in request.columns]
        with self._engine.writing, self._engine.transaction(session):
            session.run(f"CREATE TABLE {stored(table)} ({', '.join([own, *shape])})")
            books.enter_staged(session, generation)
        return generation

    def _load(self, request: StageRequest, table: str) -> int:
        shape = {column.name: DUCKDB.type_of(column.type) for column in request.columns}
        running: set[DuckSession] = set()

        def load(part: Part, stop: threading.Event) -> int:
            with self._file.session(f"loading {part.uri} into {request.target.name}") as session:
                running.add(session)
                try:
                    return load_part(session, table, shape, part)
                finally:
                    running.discard(session)

        def interrupt() -> None:
            for session in list(running):
                session.cursor.interrupt()

        return load_parts(request.parts, load, heartbeat=request.heartbeat, interrupt=interrupt)


class DuckEngine:
    """The steps of a publish that are DuckDB's own; see `publishing.Engine`."""

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
                for statement in books.TABLES:
                    session.run(statement.format(**books.UNKEYED))
            self._set_up = True

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
            except BaseException:
                _roll_back(session)
                raise
            session.run("COMMIT" if commit else "ROLLBACK")

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

    def release(self, session: DuckSession, target: Target, staged: Generation) -> Generation:
        return staged  # never attached to anything

    def attach(self, session: DuckSession, target: Target, staged: Generation) -> None:
        """Nothing: the table is shown as it is."""

    def show(self, session: DuckSession, target: Target, staged: Generation, shape: Shape) -> None:
        """Replace the view. DuckDB's catalog is versioned: readers see the old one until the commit."""
        books.enter_name(session, target, shown_as=staged.table)
        for schema, name in books.public_names(session, target.dataset):
            _show_as(session, qualified(schema, name), target, staged, shape)

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


def _roll_back(session: DuckSession) -> None:
    """DuckDB has undone a transaction itself after some errors, and then refuses to do it again."""
    try:
        session.run("ROLLBACK")
    except duckdb.TransactionException as error:
        if "no transaction is active" not in str(error):
            raise


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
