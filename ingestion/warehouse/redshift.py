"""The Redshift warehouse. It reads the parts from S3 itself; a publish moves pointers and never locks readers out."""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from ingestion.errors import IngestionError
from ingestion.warehouse import books, exporting, fencing, finding, publishing, reading, redshift_store, withdrawing
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
from ingestion.warehouse.redshift_address import RedshiftAddress
from ingestion.warehouse.redshift_check import probes
from ingestion.warehouse.redshift_copy import Copier
from ingestion.warehouse.redshift_engine import RedshiftEngine
from ingestion.warehouse.redshift_errors import Conflict
from ingestion.warehouse.redshift_s3 import Bucket
from ingestion.warehouse.redshift_session import RedshiftConnections
from ingestion.warehouse.redshift_tables import NEWEST
from ingestion.warehouse.sql import BOOKS, REDSHIFT, book, refuse_own_names, staged_name

ATTEMPTS: Final = 4  # at what another session's transaction broke off
PAUSE: Final = 0.5
T = TypeVar("T")


class RedshiftWarehouse:
    """See `base.Warehouse`. Opens no connection before it is used."""

    label = "Redshift"

    def __init__(self, url: str) -> None:
        self.address = RedshiftAddress.parse(url)
        self._connections = RedshiftConnections(self.address)
        self._bucket = Bucket(self.address)
        self._engine = RedshiftEngine(self._connections, grace=self.address.grace)

    def check(self) -> Iterator[Probe]:
        try:
            with self._connections.session("checking the warehouse") as session:
                yield from probes(session, self.address)
        except IngestionError as error:
            yield Probe(name="Reach the warehouse", ok=False, detail=error.message, advice=error.advice)

    def stage(self, request: StageRequest) -> Staged:
        refuse_own_names([*(column.name for column in request.columns), redshift_store.ROW])
        table = staged_name(dataset=request.target.dataset, load=request.load_id, attempt=request.attempt)
        generation = _again(lambda: self._new_generation(request, table))
        if generation.live:  # published before; the publish will say so
            return Staged(table=table, rows=generation.rows)
        landing = redshift_store.landing(table, request.columns)
        rows = Copier(self._connections, self._bucket, request).load(landing)
        _again(lambda: self._finish(request, generation, rows, landing))
        return Staged(table=table, rows=rows)

    def publish(self, request: PublishRequest) -> Published:
        return _again(lambda: publishing.publish(self._engine, request))  # which reads the ledger first

    def published(self, load_id: int) -> Published | None:
        with self._connections.session("reading the ledger") as session:
            if not redshift_store.exists(session, BOOKS, NEWEST):
                return None
            return books.published(session, load_id)

    def give_up(self, load_id: int, *, token: int, datasets: Sequence[int]) -> Published | None:
        return _again(lambda: fencing.give_up(self._engine, load_id, token=token, datasets=datasets))

    def withdraw(self, request: WithdrawRequest) -> Withdrawn:
        return _again(lambda: withdrawing.withdraw(self._engine, request))

    def export(self, batch: int, folder: Path) -> Exported:
        return exporting.export(self._engine, batch, folder)

    def drop_withdrawn(self, batch: int) -> bool:
        return _again(lambda: exporting.drop_withdrawn(self._engine, batch))

    def rows(self, target: Target, *, columns: Sequence[str] = (), limit: int = 100) -> list[dict[str, Any]]:
        return reading.rows(self._engine, target, columns=columns, limit=limit)

    def rows_with(self, target: Target, values: Mapping[str, str], *, limit: int = 100) -> list[dict[str, Any]]:
        return finding.rows_with(self._engine, target, values, limit=limit)

    def rows_of(self, target: Target, span: Span, *, limit: int = 100) -> list[dict[str, Any]]:
        return reading.rows(self._engine, target, limit=limit, span=span)

    def discard(self, load_id: int) -> int:
        with self._connections.session("dropping staged tables") as session:
            if not redshift_store.exists(session, BOOKS, NEWEST):
                return 0
            found = books.generations(session, "load_id = ? AND live_at IS NULL", (load_id,))
        for generation in found:
            _again(lambda generation=generation: self._drop(generation))  # type: ignore[misc]
        return len(found)

    def tidy(self, *, keep_generations: int) -> int:
        with self._engine.session("looking for old generations") as session:
            datasets = [row[0] for row in session.rows(f"SELECT dataset FROM {book('_live')} ORDER BY dataset")]
            old = [g for dataset in datasets for g in books.droppable(session, dataset, keep_generations)]
            gone = [generation for generation in old if self._engine.unseen(session, generation)]
        for generation in gone:
            _again(lambda generation=generation: self._drop(generation))  # type: ignore[misc]
        return len(gone)

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._connections.session("reading") as session:
            session.connection.read_only = True
            with session.connection.transaction():
                found = session.rows(sql, parameters)
            session.connection.read_only = None
            return found

    def close(self) -> None:
        self._connections.close()

    def _new_generation(self, request: StageRequest, table: str) -> Generation:
        """An empty table for this attempt; what an earlier try left is dropped."""
        with self._engine.session(f"preparing to load {request.target.name}") as session:
            if found := books.generation_of(session, table):
                if found.live:
                    return found
                self._engine.drop(session, found)
            shape = {column.name: REDSHIFT.type_of(column.type) for column in request.columns}
            with self._engine.transaction(session):
                generation = books.new_generation(session, request, table)
                redshift_store.create_table(session, table, request.load_id, shape, request.target.key)
                redshift_store.create_landing(session, table, request.load_id, shape)
            return generation

    def _finish(self, request: StageRequest, generation: Generation, rows: int, landing: str) -> None:
        with self._engine.session(f"loading {request.target.name}") as session, self._engine.transaction(session):
            if landing != generation.table:
                redshift_store.move_landed(session, generation.table, landing, rows, request.target.name)
            books.note_rows(session, generation.number, rows)

    def _drop(self, generation: Generation) -> None:
        with self._engine.exclusive([generation.dataset]) as session:
            if books.generation(session, generation.number):
                self._engine.drop(session, generation)


def _again(verb: Callable[[], T]) -> T:
    """Another session's transaction that got in the way is over when ours breaks off. Every verb begins by asking the
    books what has been done already."""
    for attempt in range(1, ATTEMPTS):
        try:
            return verb()
        except Conflict:
            time.sleep(PAUSE * attempt * random.uniform(0.5, 1.5))  # noqa: S311  only spreads attempts
    return verb()
