"""The Postgres warehouse. Parts are streamed in by COPY; a publish moves pointers and never locks readers out."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psycopg

from ingestion.errors import IngestionError
from ingestion.warehouse import books, exporting, fencing, finding, postgres_store, publishing, reading, withdrawing
from ingestion.warehouse.base import (
    Exported,
    Probe,
    Published,
    PublishRequest,
    Span,
    Staged,
    StageRequest,
    Target,
    Withdrawn,
    WithdrawRequest,
)
from ingestion.warehouse.books import Generation
from ingestion.warehouse.parallel import load_parts
from ingestion.warehouse.postgres_copy import CopyLoader
from ingestion.warehouse.postgres_engine import LOCK_WAIT, PostgresEngine
from ingestion.warehouse.postgres_errors import Place
from ingestion.warehouse.postgres_session import Connections, PostgresSession
from ingestion.warehouse.sql import BOOKS, POSTGRES, STORE, book, refuse_own_names, staged_name, stored


class PostgresWarehouse:
    """See `base.Warehouse`. Opens no connection before it is used."""

    label = "Postgres"

    def __init__(self, dsn: str) -> None:
        self.place = Place.of(dsn)
        self._connections = Connections(dsn, self.place)
        self._engine = PostgresEngine(self._connections)

    def check(self) -> Iterator[Probe]:
        try:
            with self._connections.session("checking the warehouse") as session:
                yield from _probes(session, self.place)
        except IngestionError as error:
            yield Probe(name="Reach the warehouse", ok=False, detail=error.message, advice=error.advice)

    def stage(self, request: StageRequest) -> Staged:
        refuse_own_names(column.name for column in request.columns)
        table = staged_name(dataset=request.target.dataset, load=request.load_id, attempt=request.attempt)
        self._engine.set_up()
        with self._connections.session(f"preparing to load {request.target.name}") as session:
            generation = self._new_generation(session, request, table)
        if generation.live:  # published before; the publish will say so
            return Staged(table=table, rows=generation.rows)
        loader = CopyLoader(self._connections, table, request.target.name)
        rows = load_parts(request.parts, loader, heartbeat=request.heartbeat)
        with self._connections.session(f"loading {request.target.name}") as session:
            books.note_rows(session, generation.number, rows)
        return Staged(table=table, rows=rows)

    def publish(self, request: PublishRequest) -> Published:
        return publishing.publish(self._engine, request)

    def published(self, load_id: int) -> Published | None:
        with self._connections.session("reading the ledger") as session:
            if not session.rows("SELECT to_regclass(?)", (book("_loads"),))[0][0]:
                return None
        with self._engine.session("reading the ledger") as session:
            return books.published(session, load_id)

    def give_up(self, load_id: int, *, token: int, datasets: Sequence[int]) -> Published | None:
        return fencing.give_up(self._engine, load_id, token=token, datasets=datasets)

    def withdraw(self, request: WithdrawRequest) -> Withdrawn:
        return withdrawing.withdraw(self._engine, request)

    def export(self, batch: int, folder: Path) -> Exported:
        return exporting.export(self._engine, batch, folder)

    def drop_withdrawn(self, batch: int) -> bool:
        return exporting.drop_withdrawn(self._engine, batch)

    def rows(self, target: Target, *, columns: Sequence[str] = (), limit: int = 100) -> list[dict[str, Any]]:
        return reading.rows(self._engine, target, columns=columns, limit=limit)

    def rows_with(self, target: Target, values: Mapping[str, str], *, limit: int = 100) -> list[dict[str, Any]]:
        return finding.rows_with(self._engine, target, values, limit=limit)

    def rows_of(self, target: Target, span: Span, *, limit: int = 100) -> list[dict[str, Any]]:
        return reading.rows(self._engine, target, limit=limit, span=span)

    def discard(self, load_id: int) -> int:
        with self._connections.session("dropping staged tables") as session:
            if not session.rows("SELECT to_regclass(?)", (book("_generations"),))[0][0]:
                return 0
            found = books.generations(session, "load_id = ? AND live_at IS NULL", (load_id,))
        for generation in found:
            with self._engine.exclusive([generation.dataset]) as session:
                self._engine.drop(session, generation)
        return len(found)

    def tidy(self, *, keep_generations: int) -> int:
        with self._connections.session("looking for old generations") as session:
            if not session.rows("SELECT to_regclass(?)", (book("_datasets"),))[0][0]:
                return 0
            targets = [
                Target(dataset=dataset, schema=schema, name=name, description=description)
                for dataset, schema, name, description in session.rows(
                    f"SELECT dataset, schema_name, name, description FROM {book('_datasets')} ORDER BY dataset"
                )
            ]
        return sum(self._tidy(target, keep_generations) for target in targets)

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._connections.session("reading") as session, session.connection.transaction():
            session.run("SET TRANSACTION READ ONLY")
            return session.rows(sql, parameters)

    def close(self) -> None:
        self._connections.close()

    def _new_generation(self, session: PostgresSession, request: StageRequest, table: str) -> Generation:
        """An empty table for this attempt; what an earlier try left is dropped."""
        if found := books.generation_of(session, table):
            if found.live:
                return found
            postgres_store.drop_generation(session, found)
        shape = {column.name: POSTGRES.type_of(column.type) for column in request.columns}
        with self._engine.transaction(session):
            generation = books.new_generation(session, request, table)
            postgres_store.create_table(session, table, generation, shape)
        return generation

    def _tidy(self, target: Target, keep: int) -> int:
        with self._engine.exclusive([target.dataset]) as session:
            session.run(f"SET lock_timeout = '{LOCK_WAIT}'")
            old = [g for g in books.droppable(session, target.dataset, keep) if self._engine.unseen(session, g)]
            for generation in old:
                self._engine.drop(session, generation)
            postgres_store.drop_empty_versions(session, target)
        return len(old)


def _probes(session: PostgresSession, place: Place) -> Iterator[Probe]:
    version = session.rows("SHOW server_version")[0][0]
    encoding = session.rows("SHOW server_encoding")[0][0]
    yield Probe(name="Reach the warehouse", ok=True, detail=f"Postgres {version} at {place.host}:{place.port}")
    yield Probe(
        name="Encoding",
        ok=encoding == "UTF8",
        detail=f"The database {place.database} keeps text as {encoding}.",
        advice="" if encoding == "UTF8" else "Use a database with the encoding UTF8: others cannot hold every text.",
    )
    yield _may_write(session, place)


def _may_write(session: PostgresSession, place: Place) -> Probe:
    """Try for real, in a transaction that is undone."""
    try:
        with session.connection.transaction(force_rollback=True):
            for schema in (BOOKS, STORE):
                postgres_store.make_schema(session, schema)
            table = stored(f"check_{session.rows('SELECT pg_backend_pid()')[0][0]}")
            session.run(f"CREATE TABLE {table} (id bigint)")
            session.run(f"INSERT INTO {table} VALUES (1)")
    except psycopg.Error as error:
        return Probe(
            name="Create and write",
            ok=False,
            detail=f"{place.user} could not create and fill a table: {error.diag.message_primary or error}",
            advice=f"GRANT CREATE ON DATABASE {place.database} TO {place.user}, as the owner of the database.",
        )
    return Probe(name="Create and write", ok=True, detail=f"{place.user} may create tables and fill them.")
