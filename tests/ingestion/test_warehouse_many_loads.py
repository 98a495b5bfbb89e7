"""A table of batches takes loads by the thousand: nothing that a load does reads what all the others left."""

import time

import psycopg
import pytest

from ingestion.warehouse.base import Mode, Span, Warehouse, WithdrawRequest
from tests.ingestion.warehouse_kit import PLAIN, Load, live, part, tamper

MANY = 20_000
BOOKS = {
    "_loads": "load_id, token, facts, published_at",
    "_ledger": "load_id, position, dataset, generation, mode, token, inserted, updated, deleted, superseded, live, "
    "manifest_digest, published_at",
    "_parts": "load_id, dataset, part, facts",
    "_fence": "dataset, load_id, token",
    "_withdrawals": "batch, load_id, first_part, last_part, dataset, row_count, reason, table_name, state, "
    "withdrawn_at",
}
LEFT = {
    "_loads": "n, 1, '{}'::json, now()",
    "_ledger": "n, 0, 7, 1, 'append', 1, 10, 0, 0, 0, 10, '', now()",
    "_parts": "n, 7, n, '{}'::json",
    "_fence": "7, n, 1",
    "_withdrawals": "n, n, 1, 2, 7, 10, 'reverted', 'd7_aside_' || n, 'set aside', now()",
}


@pytest.fixture
def much_used(postgres: Warehouse, postgres_database: str) -> Warehouse:
    """A warehouse whose books hold what thousands of loads and withdrawals leave in them."""
    Load(1, [(1, "a")], mode=Mode.APPEND, target=PLAIN).run(postgres)
    Load(2, [(2, "b")], mode=Mode.APPEND, target=PLAIN).run(postgres)
    for table, columns in BOOKS.items():
        numbers = f"generate_series(1000, {1000 + MANY}) AS n"
        tamper(postgres, f"INSERT INTO headgate_books.{table} ({columns}) SELECT {LEFT[table]} FROM {numbers}")
    tamper(postgres, "ANALYZE")
    return postgres


def read_by_scanning(warehouse: Warehouse, dsn: str, schema: str) -> dict[str, int]:
    """Rows that were read in scans of whole tables, since the database was made. Sessions report when they end."""
    warehouse.close()
    with psycopg.connect(dsn, autocommit=True) as connection:
        while connection.execute(
            "SELECT 1 FROM pg_stat_activity WHERE application_name = 'headgate' AND datname = current_database()"
        ).fetchall():
            time.sleep(0.02)
        found = connection.execute(
            "SELECT relname, seq_tup_read FROM pg_stat_user_tables WHERE schemaname = %s", (schema,)
        ).fetchall()
    return dict(found)


def test_no_load_and_no_withdrawal_reads_all_of_the_books(
    much_used: Warehouse, postgres_database: str, tmp_path_factory: pytest.TempPathFactory
):
    before = read_by_scanning(much_used, postgres_database, "headgate_books")

    Load(3, parts=(part(31, ["id", "name"], [(3, "c")]),), mode=Mode.APPEND, target=PLAIN).run(much_used)
    span = Span(batch=9, load_id=3, first=31, last=31)
    Load(4, [(4, "d")], mode=Mode.APPEND, target=PLAIN, withdraws=(span,)).run(much_used)
    much_used.withdraw(WithdrawRequest(target=PLAIN, spans=(Span(batch=10, load_id=4, first=1, last=1),)))
    much_used.export(9, tmp_path_factory.mktemp("archive"))
    much_used.drop_withdrawn(9)
    much_used.give_up(5, token=1, datasets=[7])
    much_used.discard(5)
    much_used.rows(PLAIN)
    much_used.published(4)
    much_used.tidy(keep_generations=1)
    much_used.query("SELECT * FROM headgate_books.lineage WHERE _load_id = 3")

    assert live(much_used) == [(1, "a"), (2, "b")]
    after = read_by_scanning(much_used, postgres_database, "headgate_books")
    assert {table: after[table] - before[table] for table in BOOKS} == dict.fromkeys(BOOKS, 0)


def test_the_live_rows_of_a_small_batch_are_found_without_reading_the_table(
    postgres: Warehouse, postgres_database: str
):
    for load in range(1, 4):
        parts = tuple(part(load * 100 + n, ["id", "name"], [(i, "x" * 50) for i in range(2_000)]) for n in range(5))
        Load(load, parts=parts, mode=Mode.APPEND, target=PLAIN).run(postgres)
    Load(9, parts=(part(901, ["id", "name"], [(1, "z")]),), mode=Mode.APPEND, target=PLAIN).run(postgres)
    tamper(postgres, "ANALYZE")
    before = read_by_scanning(postgres, postgres_database, "headgate_store")

    postgres.withdraw(WithdrawRequest(target=PLAIN, spans=(Span(batch=9, load_id=9, first=901, last=901),)))

    after = read_by_scanning(postgres, postgres_database, "headgate_store")
    assert sum(after.values()) - sum(before.values()) <= 2  # the one row, in the table where it is set aside


@pytest.mark.parametrize("count", [50, pytest.param(400, marks=pytest.mark.long)])
def test_many_loads_leave_no_table_behind(warehouse: Warehouse, count: int):
    for number in range(1, count + 1):
        Load(number, [(number, "x")], mode=Mode.APPEND, target=PLAIN).run(warehouse)

    tables = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'headgate_store'"
    assert warehouse.query(f"{tables} AND table_name LIKE 'd7_l%'") == [(1,)]
    assert warehouse.query("SELECT count(*) FROM headgate_books._generations") == [(1,)]
    assert warehouse.query("SELECT count(*) FROM headgate_books._ledger") == [(count,)]
    assert len(live(warehouse)) == count
