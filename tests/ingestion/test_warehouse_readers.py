"""What people who read the live tables see while loads are published: a whole load, always. Over both warehouses.

A load writes its number into every row of two tables, so that a mixture of two loads shows.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from ingestion.warehouse.base import Mode, Target, Warehouse
from tests.ingestion.warehouse_kit import Load, columns, publish

PUBLISHES = 30
ROWS = 40
LAYOUT = columns(id="integer", load="integer")
BOTH = tuple(Target(dataset=n, schema="live", name=f"t{n}", key=("id",)) for n in (1, 2))
SUMMARY = "SELECT count(*), min(load), max(load) FROM live.{}"
Read = Callable[[], list[tuple[Any, ...]]]


def publish_both(warehouse: Warehouse, number: int, mode: Mode) -> None:
    rows = [(n, number) for n in range(ROWS)]
    loads = [Load(number, rows, LAYOUT, mode, target) for target in BOTH]
    publish(warehouse, number, [load.change(load.stage(warehouse)) for load in loads])


@contextmanager
def polling(read: Read, seen: list[list[tuple[Any, ...]]]) -> Iterator[None]:
    stop, errors = threading.Event(), []

    def poll() -> None:
        try:
            while not stop.is_set():
                seen.append(read())
                time.sleep(0.003)
        except Exception as error:  # noqa: BLE001  any error of a reader is a finding
            errors.append(error)

    readers = [threading.Thread(target=poll) for _ in range(2)]
    for reader in readers:
        reader.start()
    yield
    stop.set()
    for reader in readers:
        reader.join()
    assert errors == []


def assert_whole(seen: list[list[tuple[Any, ...]]]) -> None:
    """Each reading holds summaries of (rows, lowest load, highest load): all rows, all of one load."""
    assert len(seen) > PUBLISHES
    assert {count for reading in seen for count, _, _ in reading} == {ROWS}
    assert all(len({load for _, *both in reading for load in both}) == 1 for reading in seen)
    assert len({reading[0][1] for reading in seen}) > 3  # the readers did see loads change


@pytest.mark.parametrize("mode", [Mode.REPLACE, pytest.param(Mode.MERGE, marks=pytest.mark.long)])
def test_one_statement_never_sees_a_load_half_done(warehouse: Warehouse, mode: Mode):
    publish_both(warehouse, 1, Mode.REPLACE)
    seen: list[list[tuple[Any, ...]]] = []
    both = " UNION ALL ".join(SUMMARY.format(target.name) for target in BOTH)

    with polling(lambda: warehouse.query(both), seen):
        for number in range(2, 2 + PUBLISHES):
            publish_both(warehouse, number, mode)
        warehouse.tidy(keep_generations=2)

    assert_whole(seen)


def test_a_statement_that_is_long_in_planning_sees_a_whole_load(warehouse: Warehouse):
    publish_both(warehouse, 1, Mode.REPLACE)
    seen: list[list[tuple[Any, ...]]] = []
    both = ", ".join(f"(SELECT count(*) FROM live.{target.name})" for target in BOTH)
    long = " UNION ALL ".join([f"SELECT {both}"] * 30)

    with polling(lambda: warehouse.query(long), seen):
        for number in range(2, 22):
            publish_both(warehouse, number, Mode.REPLACE)

    assert seen
    assert {count for reading in seen for row in reading for count in row} == {ROWS}


@contextmanager
def snapshot_reader(warehouse: Warehouse, url: str) -> Iterator[Callable[[float], list[tuple[Any, ...]]]]:
    """A reader in its own transactions: begins one, looks, waits, then reads both tables in two statements."""

    def read(wait: float) -> list[tuple[Any, ...]]:
        if url.startswith("duckdb"):
            with warehouse._file.session("reading") as session:  # type: ignore[attr-defined]
                return look(session.rows, "BEGIN TRANSACTION", wait)
        if url.startswith("redshift"):
            with warehouse._connections.session("reading") as session:  # type: ignore[attr-defined]
                return look(
                    lambda sql: session.rows(sql) if sql.startswith("SELECT") else session.run(sql), "BEGIN", wait
                )
        with psycopg.connect(url, autocommit=True) as connection:
            return look(
                lambda sql: connection.execute(sql).fetchall() if sql.startswith("SELECT") else connection.execute(sql),
                "BEGIN ISOLATION LEVEL REPEATABLE READ",
                wait,
            )

    def look(rows: Callable[[str], Any], begin: str, wait: float) -> list[tuple[Any, ...]]:
        rows(begin)
        rows("SELECT 1 FROM headgate_books._loads LIMIT 1")  # takes the snapshot, touches neither table
        time.sleep(wait)
        found = [rows(SUMMARY.format(target.name))[0] for target in BOTH]
        rows("COMMIT")
        return found

    yield read


@pytest.mark.parametrize("mode", [Mode.REPLACE, pytest.param(Mode.MERGE, marks=pytest.mark.long)])
def test_a_transaction_keeps_its_snapshot_of_both_tables(warehouse: Warehouse, warehouse_url: str, mode: Mode):
    publish_both(warehouse, 1, Mode.REPLACE)
    seen: list[list[tuple[Any, ...]]] = []

    with snapshot_reader(warehouse, warehouse_url) as read, polling(lambda: read(0.01), seen):
        for number in range(2, 2 + PUBLISHES):
            publish_both(warehouse, number, mode)
        while len(seen) <= PUBLISHES:
            time.sleep(0.05)

    assert_whole(seen)


def test_an_old_snapshot_survives_new_columns_new_types_and_tidying(warehouse: Warehouse, warehouse_url: str):
    """The reader has begun, but not touched the table, before all of it happens."""
    target = BOTH[0]
    publish_both(warehouse, 1, Mode.REPLACE)
    found: list[list[tuple[Any, ...]]] = []
    begun = threading.Event()

    with snapshot_reader(warehouse, warehouse_url) as read:
        reader = threading.Thread(target=lambda: (begun.set(), found.append(read(1.0))))
        reader.start()
        begun.wait()
        time.sleep(0.3)
        Load(2, [(1, 2, "new")], columns(id="integer", load="integer", more="text"), target=target).run(warehouse)
        Load(3, [(1, 3, "new")], columns(id="integer", load="numeric(38,2)", more="text"), target=target).run(warehouse)
        warehouse.tidy(keep_generations=0)
        reader.join()

    assert found == [[(ROWS, 1, 1), (ROWS, 1, 1)]]
    assert warehouse.query(SUMMARY.format(target.name)) == [(1, 3, 3)]


def test_a_long_reader_delays_neither_publish_nor_other_readers(postgres: Warehouse, postgres_database: str):
    publish_both(postgres, 1, Mode.REPLACE)
    with psycopg.connect(postgres_database) as long_reader:
        long_reader.execute("SELECT count(*) FROM live.t1, live.t2")

        for number, mode in ((2, Mode.REPLACE), (3, Mode.MERGE), (4, Mode.APPEND)):
            began = time.monotonic()
            publish_both(postgres, number, mode)
            assert postgres.query("SELECT max(load) FROM live.t1") == [(number,)]
            assert time.monotonic() - began < 2
