"""The DuckDB warehouse: one file, one owner process. A publish replaces views in the transaction of the ledger."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ingestion.errors import IngestionError
from ingestion.warehouse import books, exporting, fencing, finding, publishing, reading, withdrawing
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
from ingestion.warehouse.duck_engine import DuckEngine
from ingestion.warehouse.duck_file import DuckAddress, DuckFile, DuckSession
from ingestion.warehouse.duck_load import DuckLoader
from ingestion.warehouse.parallel import load_parts
from ingestion.warehouse.sql import (
    DUCKDB,
    LOAD,
    PART,
    book,
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
        shape = {column.name: DUCKDB.type_of(column.type) for column in request.columns}
        loader = DuckLoader(self._file, table, shape, request.target.name)
        rows = load_parts(request.parts, loader, heartbeat=request.heartbeat)
        with self._file.session(f"loading {request.target.name}") as session, self._engine.writing:
            books.note_rows(session, generation.number, rows)
        return Staged(table=table, rows=rows)

    def publish(self, request: PublishRequest) -> Published:
        return publishing.publish(self._engine, request)

    def published(self, load_id: int) -> Published | None:
        self._engine.set_up()
        with self._file.session("reading the ledger") as session:
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
        own = f"{quote(LOAD)} BIGINT NOT NULL DEFAULT {request.load_id:d}, {quote(PART)} BIGINT NOT NULL"
        shape = [f"{quote(column.name)} {DUCKDB.type_of(column.type)}" for column in request.columns]
        with self._engine.transaction(session):
            generation = books.new_generation(session, request, table)
            session.run(f"CREATE TABLE {stored(table)} ({', '.join([own, *shape])})")
        return generation
