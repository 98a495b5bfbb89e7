"""R13: readers look at three tables again and again while loads of them become live, on Postgres and on DuckDB.

Each load writes its number into every row of all three tables. A read is bad when a table is empty or partial, when
tables of two loads are seen together in one snapshot, or when it ends with an error.
"""

import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import psycopg

from ingestion.warehouse.base import Target, Warehouse
from ingestion.warehouse.connect import open_warehouse
from tests.chaos.scenario import Answer, Options, main, quantile
from tests.ingestion.warehouse_kit import Load, columns, publish
from tests.services.postgres import FAST, start_postgres

ROWS = 40
SHAPE = columns(id="integer", load="integer")
TABLES = [Target(dataset=n, schema="live", name=f"t{n}", key=("id",)) for n in (1, 2, 3)]
ONE = " , ".join(f"(select array_agg(load) from live.{table.name})" for table in TABLES)
OLD_SNAPSHOT_S = 0.05
PUBLISHES = 200
WAIT_P99_S = 0.25


@dataclass
class Seen:
    """What readers found, by kind of read, and how long each read took."""

    reads: Counter[str] = field(default_factory=Counter)
    bad: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, kind: str, tables: list[Any], seconds: float) -> None:
        fault = _fault(tables)
        with self.lock:
            self.reads[kind] += 1
            self.seconds.append(seconds)
            if fault:
                self.bad[f"{kind}: {fault}"] += 1

    def note_error(self, kind: str, error: Exception) -> None:
        with self.lock:
            self.reads[kind] += 1
            self.bad[f"{kind}: {type(error).__name__} {str(error)[:120]}"] += 1


def _fault(tables: list[Any]) -> str:
    if any(not loads for loads in tables):
        return "empty"
    if any(len(loads) != ROWS for loads in tables):
        return "partial"
    return "mixed" if len({number for loads in tables for number in loads}) != 1 else ""


def play(options: Options) -> Answer:
    answer = Answer()
    folder = Path(tempfile.mkdtemp(prefix="headgate-chaos-"))
    postgres = start_postgres(folder / "pg", settings=FAST)
    try:
        dsn = postgres.create_database("warehouse")
        _watch(answer, options, "Postgres", open_warehouse(dsn), _postgres_readers(dsn), dsn)
        if options.mutant == "none":
            warehouse = open_warehouse(f"duckdb:///{folder}/w.duckdb?memory_limit=200MB&threads=1")
            _watch(answer, options, "DuckDB", warehouse, _duckdb_readers(warehouse), "")
    finally:
        postgres.remove()
        shutil.rmtree(folder, ignore_errors=True)
    return answer


Reader = Callable[[Seen, threading.Event], None]


def _watch(
    answer: Answer, options: Options, engine: str, warehouse: Warehouse, readers: list[Reader], dsn: str
) -> None:
    """Publish until the readers have read enough, and at least the share of publishes that goes with it."""
    make_live = MAKERS[options.mutant]
    _product(warehouse, 1, dsn)
    if options.mutant != "none":
        _as_plain_tables(dsn)
    seen, over = Seen(), threading.Event()
    threads = [threading.Thread(target=reader, args=(seen, over)) for reader in readers]
    for thread in threads:
        thread.start()
    wanted = options.count // (2 if options.mutant == "none" else 1)
    least = min(PUBLISHES // 2, max(5, wanted * PUBLISHES // 20_000))
    number = 1
    try:
        while sum(seen.reads.values()) < wanted or number <= least:
            number += 1
            make_live(warehouse, number, dsn)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    answer.add(f"reads of {engine}", sum(seen.reads.values()))
    answer.wrong += [f"{engine}, {kind}: {count} reads" for kind, count in seen.bad.most_common()]
    p99 = quantile(seen.seconds, 0.99)
    answer.facts[engine] = {"publishes": number - 1, "reads": dict(seen.reads), "read_p99_s": p99}
    answer.expect(p99 is not None and p99 < WAIT_P99_S, f"{engine}: a read in a hundred took {p99} s or more")
    warehouse.close()


def _product(warehouse: Warehouse, number: int, _: str) -> None:
    loads = [Load(number, [(n, number) for n in range(ROWS)], columns=SHAPE, target=table) for table in TABLES]
    publish(warehouse, number, [load.change(load.stage(warehouse)) for load in loads])
    if number % 20 == 0:
        warehouse.tidy(keep_generations=2)


def _as_plain_tables(dsn: str) -> None:
    """What the mutants publish into: tables as most programs keep them."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        for table in TABLES:
            name = f"live.{table.name}"
            connection.execute(f"drop view if exists {name} cascade; create table {name} (id bigint, load bigint)")
            connection.execute(f"insert into {name} select n, 1 from generate_series(1, {ROWS}) n")


def _truncate(_: Warehouse, number: int, dsn: str) -> None:
    """Truncate and insert in one transaction."""
    with psycopg.connect(dsn) as connection:
        for table in TABLES:
            connection.execute(f"truncate live.{table.name}")
            connection.execute(f"insert into live.{table.name} select n, {number} from generate_series(1, {ROWS}) n")
    time.sleep(0.02)


def _swap(_: Warehouse, number: int, dsn: str) -> None:
    """Fill a new table beside the old one, then drop and rename in one transaction."""
    with psycopg.connect(dsn) as connection:
        for table in TABLES:
            name = table.name
            connection.execute(f"create table live.new_{name} (id bigint, load bigint)")
            connection.execute(f"insert into live.new_{name} select n, {number} from generate_series(1, {ROWS}) n")
            connection.execute(f"drop table live.{name}")
            connection.execute(f"alter table live.new_{name} rename to {name}")
    time.sleep(0.02)


MAKERS: dict[str, Callable[[Warehouse, int, str], None]] = {"none": _product, "truncate": _truncate, "swap": _swap}


def _postgres_readers(dsn: str) -> list[Reader]:
    def one_statement(connection: Any) -> list[Any]:
        return list(connection.execute(f"select {ONE}").fetchone())

    def two_statements(connection: Any) -> list[Any]:
        with connection.transaction():
            connection.execute("set transaction isolation level repeatable read, read only")
            first = connection.execute("select array_agg(load) from live.t1").fetchone()[0]
            rest = [connection.execute(f"select array_agg(load) from live.t{n}").fetchone()[0] for n in (2, 3)]
        return [first, *rest]

    def old_snapshot(connection: Any) -> list[Any]:
        with connection.transaction():
            connection.execute("set transaction isolation level repeatable read, read only")
            connection.execute("select 1 from pg_class limit 1")  # takes the snapshot, and no table of ours
            time.sleep(OLD_SNAPSHOT_S)
            return list(connection.execute(f"select {ONE}").fetchone())

    kinds = {"one statement": one_statement, "repeatable read": two_statements, "old snapshot": old_snapshot}

    def reader(kind: str) -> Reader:
        def read(seen: Seen, over: threading.Event) -> None:
            with psycopg.connect(dsn, autocommit=True) as connection:
                while not over.is_set():
                    _timed(seen, kind, lambda: kinds[kind](connection))

        return read

    return [reader(kind) for kind in ("one statement", "repeatable read", "repeatable read", "old snapshot")]


def _timed(seen: Seen, kind: str, read: Callable[[], list[Any]]) -> None:
    started = time.monotonic()
    try:
        tables = read()
    except (psycopg.Error, duckdb.Error) as error:
        seen.note_error(kind, error)
        return
    slept = OLD_SNAPSHOT_S if kind == "old snapshot" else 0.0
    seen.note(kind, tables, time.monotonic() - started - slept)


def _duckdb_readers(warehouse: Any) -> list[Reader]:
    """Cursors of the one process that owns the file, as its own pages have them."""
    statement = "select " + ONE.replace("array_agg", "list")

    def one_statement(cursor: Any) -> list[Any]:
        return list(cursor.execute(statement).fetchone())

    def one_transaction(cursor: Any) -> list[Any]:
        cursor.execute("begin transaction read only")
        try:
            return [cursor.execute(f"select list(load) from live.t{n}").fetchone()[0] for n in (1, 2, 3)]
        finally:
            cursor.execute("rollback")

    def reader(kind: str, read: Callable[[Any], list[Any]]) -> Reader:
        def reading(seen: Seen, over: threading.Event) -> None:
            with warehouse._file.session("reading") as session:
                while not over.is_set():
                    _timed(seen, kind, lambda: read(session.cursor))

        return reading

    return [reader("one statement", one_statement), reader("one transaction", one_transaction)]


if __name__ == "__main__":
    raise SystemExit(main({"R13": play}))
