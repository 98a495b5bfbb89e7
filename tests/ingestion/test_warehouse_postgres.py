"""What only Postgres has: grants, dependent views, locks, refused users, broken connections, an older release."""

import gzip
import hashlib
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from ingestion.errors import SchemaFault
from ingestion.warehouse import postgres_store
from ingestion.warehouse.base import (
    CountMismatch,
    LoadFault,
    Mode,
    TableChange,
    Warehouse,
    WarehouseRefused,
    WarehouseUnavailable,
)
from ingestion.warehouse.connect import open_warehouse
from tests.ingestion.warehouse_kit import Load, columns, live, packed, publish, tamper
from tests.services.postgres import FAST, RunningPostgres, start_postgres

ROWS = [(1, "one"), (2, "two")]
WIDER = columns(id="numeric(38,2)", name="text")


@pytest.fixture
def reader(postgres_database: str) -> str:
    """A role that may log in and has no rights but those a test grants."""
    with psycopg.connect(postgres_database, autocommit=True) as owner:
        owner.execute(
            "DO $$ BEGIN CREATE ROLE analyst LOGIN PASSWORD 'pass'; EXCEPTION WHEN duplicate_object THEN END $$"
        )
    parts = urlsplit(postgres_database)
    return f"postgresql://analyst:pass@{parts.hostname}:{parts.port}{parts.path}"


def grants(dsn: str) -> list[tuple[object, ...]]:
    with psycopg.connect(dsn) as connection:
        return connection.execute(
            "SELECT table_name, grantee, privilege_type, is_grantable FROM information_schema.table_privileges "
            "WHERE table_schema = 'live' AND grantee <> 'headgate' ORDER BY 1, 2, 3"
        ).fetchall()


def test_a_key_too_long_to_be_looked_up_is_said_to_be_so(postgres_database: str):
    digits = "".join(hashlib.sha256(bytes([n])).hexdigest() for n in range(200))

    warehouse = open_warehouse(postgres_database)

    with pytest.raises(LoadFault, match=r"key is longer than Postgres can look up.*while") as caught:
        Load(1, [(digits, "long")], columns(id="text", name="text")).run(warehouse)

    warehouse.close()
    assert "`key`" in caught.value.advice
    assert digits[:20] not in caught.value.message


def test_grants_views_comments_and_options_outlive_a_change_of_type(
    postgres: Warehouse, postgres_database: str, reader: str
):
    Load(1, ROWS).run(postgres)
    for statement in (
        "GRANT USAGE ON SCHEMA live TO analyst",
        "GRANT SELECT ON live.surveys TO analyst WITH GRANT OPTION",
        "CREATE VIEW live.ids WITH (security_barrier = true) AS SELECT id FROM live.surveys",
        "CREATE VIEW live.top AS SELECT i.id, s.name FROM live.ids i JOIN live.surveys s USING (id)",
        "GRANT SELECT ON live.top TO PUBLIC",
        "GRANT SELECT (id) ON live.ids TO analyst",
        "COMMENT ON VIEW live.top IS 'It''s the top'",
        "COMMENT ON COLUMN live.top.id IS 'the key'",
    ):
        tamper(postgres, statement)
    before = grants(postgres_database)

    Load(2, [(1, "uno")], WIDER, Mode.MERGE).run(postgres)

    assert grants(postgres_database) == before != []
    with psycopg.connect(reader) as connection:
        assert connection.execute("SELECT id, name FROM live.top ORDER BY id").fetchall() == [(1, "uno"), (2, "two")]
        assert connection.execute("SELECT id FROM live.ids ORDER BY id").fetchall() == [(1,), (2,)]
    assert postgres.query("SELECT obj_description('live.top'::regclass), col_description('live.top'::regclass, 1)") == [
        ("It's the top", "the key")
    ]
    assert postgres.query("SELECT reloptions FROM pg_class WHERE oid = 'live.ids'::regclass") == [
        (["security_barrier=true"],)
    ]


def test_a_reader_needs_no_right_but_on_the_public_view(postgres: Warehouse, reader: str):
    Load(1, ROWS).run(postgres)
    tamper(postgres, "GRANT USAGE ON SCHEMA live TO analyst")
    tamper(postgres, "GRANT SELECT ON live.surveys TO analyst")

    with psycopg.connect(reader) as connection:
        assert len(connection.execute("SELECT * FROM live.surveys").fetchall()) == 2
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT * FROM headgate_store.d7_v1")


def test_a_materialized_view_over_a_changing_column_is_named(postgres: Warehouse):
    Load(1, ROWS).run(postgres)
    tamper(postgres, "CREATE MATERIALIZED VIEW live.kept AS SELECT id FROM live.surveys")

    with pytest.raises(SchemaFault, match=r"materialized view live\.kept"):
        Load(2, [(3, "x")], WIDER).run(postgres)

    assert live(postgres) == ROWS


def test_a_view_that_cannot_follow_leaves_all_as_it_was(postgres: Warehouse):
    Load(1, [(1, 5)], columns(id="integer", v="integer")).run(postgres)
    tamper(postgres, "CREATE VIEW live.twice AS SELECT v * 2 AS double FROM live.surveys")

    with pytest.raises(SchemaFault, match=r"the view live\.twice does not fit"):
        Load(2, [(2, "x")], columns(id="integer", v="text")).run(postgres)

    assert postgres.query("SELECT double FROM live.twice") == [(10,)]


def test_an_older_store_is_dropped_when_its_last_generation_is(postgres: Warehouse):
    Load(1, ROWS).run(postgres)
    Load(2, ROWS, WIDER).run(postgres)
    stores = "SELECT relname FROM pg_class WHERE relname LIKE 'd7_v%' AND relkind = 'p' ORDER BY 1"
    assert postgres.query(stores) == [("d7_v1",), ("d7_v2",)]

    postgres.tidy(keep_generations=0)

    assert postgres.query(stores) == [("d7_v2",)]
    assert live(postgres) == ROWS
    assert "UNION" not in postgres.query("SELECT pg_get_viewdef('live.surveys'::regclass)")[0][0]


def test_dead_generations_are_not_read(postgres: Warehouse):
    for number in (1, 2, 3):
        Load(number, ROWS).run(postgres)

    plan = "\n".join(row[0] for row in postgres.query("EXPLAIN (ANALYZE, TIMING OFF) SELECT * FROM live.surveys"))

    assert plan.count("never executed") == 2


def test_a_new_column_waits_for_a_reader_in_short_attempts(
    postgres: Warehouse, postgres_database: str, monkeypatch: pytest.MonkeyPatch
):
    Load(1, ROWS).run(postgres)
    monkeypatch.setattr(postgres_store, "LOCK_ATTEMPTS", 3)
    monkeypatch.setattr(postgres_store, "LOCK_PAUSE", 0.05)
    wider = columns(id="integer", name="text", more="text")
    load = Load(2, [(3, "x", "y")], wider)
    change = load.change(load.stage(postgres))

    with psycopg.connect(postgres_database) as long_reader:
        long_reader.execute("SELECT * FROM live.surveys")
        with pytest.raises(WarehouseUnavailable, match="holds a lock"):
            publish(postgres, 2, [change])
        assert live(postgres) == ROWS

    publish(postgres, 2, [change], token=2)
    assert live(postgres, "id, name, more") == [(3, "x", "y")]


def test_a_wrong_password_is_refused_and_never_shown(postgres_dsn: str):
    parts = urlsplit(postgres_dsn)
    warehouse = open_warehouse(f"postgresql://headgate:wrong-secret@{parts.hostname}:{parts.port}/postgres")

    with pytest.raises(WarehouseRefused) as raised:
        Load(1, ROWS).stage(warehouse)

    assert "wrong-secret" not in raised.value.message + raised.value.advice + raised.value.detail
    assert f"{parts.hostname}:{parts.port}" in raised.value.message
    (probe,) = warehouse.check()
    assert not probe.ok
    assert "WAREHOUSE_URL" in probe.advice


def test_a_missing_database_is_refused(postgres_dsn: str):
    with pytest.raises(WarehouseRefused, match="no_such_database"):
        open_warehouse(postgres_dsn.rsplit("/", 1)[0] + "/no_such_database").published(1)


def test_a_server_that_is_not_there_is_unavailable():
    with pytest.raises(WarehouseUnavailable, match="could not be reached") as raised:
        open_warehouse("postgresql://user:secret@127.0.0.1:1/db").published(1)

    assert "secret" not in raised.value.message + raised.value.detail


def test_a_missing_right_is_refused_and_found_by_the_check(postgres: Warehouse, reader: str):
    warehouse = open_warehouse(reader)

    with pytest.raises(WarehouseRefused, match="permission denied"):
        Load(1, ROWS).stage(warehouse)

    probes = list(warehouse.check())
    assert [probe.ok for probe in probes] == [True, True, False]
    assert "GRANT CREATE ON DATABASE" in probes[-1].advice
    warehouse.close()


def test_connections_that_the_server_ended_are_replaced(postgres: Warehouse, postgres_dsn: str):
    Load(1, ROWS).run(postgres)
    with psycopg.connect(postgres_dsn, autocommit=True) as other:
        ours = "SELECT pid FROM pg_stat_activity WHERE application_name = 'headgate'"
        other.execute(f"SELECT pg_terminate_backend(pid, 10000) FROM ({ours})")  # waits until they are gone

    assert live(postgres) == ROWS


def break_publish(postgres: Warehouse, database: str, dsn: str, load: Load) -> TableChange:
    """Stage a load and end its connection when all is prepared, inside the publish transaction."""
    change = load.change(load.stage(postgres))
    with psycopg.connect(database) as blocker:
        blocker.execute("LOCK TABLE headgate_books._ledger IN EXCLUSIVE MODE")
        breaker = threading.Thread(target=break_waiting, args=(dsn,))
        breaker.start()
        with pytest.raises(WarehouseUnavailable):
            publish(postgres, load.number, [change])
        breaker.join()
    return change


def test_a_publish_whose_connection_breaks_is_unknown_and_the_ledger_knows(
    postgres: Warehouse, postgres_database: str, postgres_dsn: str
):
    Load(1, ROWS).run(postgres)
    change = break_publish(postgres, postgres_database, postgres_dsn, Load(2, [(9, "nine")]))

    assert postgres.published(2) is None
    assert live(postgres) == ROWS
    assert not publish(postgres, 2, [change], token=2).already
    assert live(postgres) == [(9, "nine")]


def test_a_broken_publish_can_be_repeated_after_another_load_has_widened_the_table(
    postgres: Warehouse, postgres_database: str, postgres_dsn: str
):
    Load(1, ROWS).run(postgres)
    change = break_publish(postgres, postgres_database, postgres_dsn, Load(2, [(9, "nine")]))
    Load(3, [("x", "text", "more")], columns(id="text", name="text", more="text")).run(postgres)

    publish(postgres, 2, [change], token=2)

    assert live(postgres, "id, name, more") == [("9", "nine", None)]


def test_a_broken_publish_can_be_discarded(postgres: Warehouse, postgres_database: str, postgres_dsn: str):
    Load(1, ROWS).run(postgres)
    break_publish(postgres, postgres_database, postgres_dsn, Load(2, [(9, "nine")]))

    assert postgres.discard(2) == 1
    assert live(postgres) == ROWS


def break_waiting(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as other:
        for _ in range(100):
            ended = other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'headgate' AND wait_event_type = 'Lock' AND query LIKE 'INSERT%'"
            ).fetchall()
            if ended:
                return
            time.sleep(0.05)


def test_a_row_that_no_table_can_hold_is_named(postgres: Warehouse):
    layout = columns(id="integer", **{f"c{n}": "text" for n in range(1500)})

    with pytest.raises(LoadFault, match="too large"):
        Load(1, [(1, *["twenty bytes of text"] * 1500)], layout).run(postgres)


@pytest.fixture(scope="module")
def old_postgres(tmp_path_factory: pytest.TempPathFactory):
    running: RunningPostgres = start_postgres(tmp_path_factory.mktemp("old"), settings=FAST, oldest=True)
    yield running
    running.remove()


def test_on_an_older_release_a_line_that_ends_a_copy_silently_is_found(old_postgres: RunningPostgres, tmp_path: Path):
    warehouse = open_warehouse(old_postgres.dsn)
    assert int(warehouse.query("SHOW server_version_num")[0][0]) < 180000
    text = b'1,"a",1\n\\.\n2,"b",1\n'

    with pytest.raises(CountMismatch, match="staged with 2 rows, but 1"):
        Load(1, parts=(packed(1, ["id", "name"], gzip.compress(text), 2),)).stage(warehouse)
    warehouse.close()


def test_on_an_older_release_a_load_goes_live_and_widens(old_postgres: RunningPostgres):
    warehouse = open_warehouse(old_postgres.dsn)
    Load(1, ROWS).run(warehouse)
    Load(2, [(2, "zwei")], WIDER, Mode.MERGE).run(warehouse)
    Load(3, [(3, "drei")], WIDER).run(warehouse)

    assert live(warehouse) == [(3, "drei")]
    assert warehouse.tidy(keep_generations=0) == 2
    warehouse.close()
