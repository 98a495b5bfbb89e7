"""What Redshift alone does while loading: it reads from S3 by a manifest, and writes down what it could not take."""

import gzip
import json
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from ingestion.errors import ConfigFault, DataFault, IngestionError
from ingestion.warehouse import books
from ingestion.warehouse.base import (
    CountMismatch,
    LoadFault,
    Mode,
    Part,
    StageRequest,
    Warehouse,
    WarehouseRefused,
    WarehouseUnavailable,
)
from ingestion.warehouse.connect import open_warehouse
from ingestion.warehouse.redshift_store import target_of
from tests.ingestion.redshift_kit import opened, told
from tests.ingestion.warehouse_kit import ID_NAME, SURVEYS, Bare, Load, columns, live, packed, part, publish
from tests.services.redshift import ROLE, RunningRedshift

ROWS = [(1, "one"), (2, "two")]


@pytest.fixture
def redshift(redshift_database: str, redshift_server: RunningRedshift, s3_bucket: str) -> Iterator[Warehouse]:
    with opened(redshift_database, redshift_server.bucket, s3_bucket) as warehouse:
        yield warehouse


def fault(load: Load, warehouse: Warehouse) -> IngestionError:
    with pytest.raises(IngestionError) as caught:
        load.stage(warehouse)
    return caught.value


def upload(server: RunningRedshift, bucket: str, given: Part) -> Part:
    with given.open() as stream:
        server.bucket.put_object(Bucket=bucket, Key=given.uri.rpartition("/")[2], Body=stream.read())
    return replace(given, uri=f"s3://{bucket}/{given.uri.rpartition('/')[2]}")


def test_a_row_that_does_not_fit_is_named_by_file_line_and_column_but_not_by_its_value(redshift: Warehouse):
    good = part(1, ["id", "name"], ROWS)
    bad = part(2, ["id", "name"], [(3, "x"), (Bare("secret"), "y")])

    error = fault(Load(1, parts=(good, bad)), redshift)

    assert isinstance(error, LoadFault)
    assert "Row 2 of s3://" in error.message
    assert "/part-2.csv.gz could not be loaded: the value of id does not fit (Invalid digit" in error.message
    assert "secret" not in told(error)
    assert "'s'" not in told(error)


def test_text_is_measured_in_bytes(redshift: Warehouse):
    fits, longer = "é" * 32_767, "é" * 32_768

    Load(1, [(1, fits)]).run(redshift)
    error = fault(Load(2, [(1, "x"), (2, longer)]), redshift)

    assert live(redshift) == [(1, fits)]
    assert "Row 2" in error.message
    assert "the value of name does not fit (String length exceeds DDL length)" in error.message


def test_backslashes_quotes_and_null_signs_arrive_as_they_are(redshift: Warehouse):
    texts = ["\\N", "\\", "a\\'b", 'say "no"', "line\nline", "\\.", "", None, "ü\u2028🙂"]

    Load(1, list(enumerate(texts))).run(redshift)

    assert [name for _, name in live(redshift)] == texts


def test_a_description_with_backslashes_is_kept(redshift: Warehouse):
    target = replace(SURVEYS, description="it's C:\\temp\\new")

    Load(1, ROWS, target=target).run(redshift)

    assert redshift.query("SELECT description FROM headgate_books._datasets") == [("it's C:\\temp\\new",)]
    assert redshift.query("SELECT obj_description(oid) FROM pg_class WHERE relname = 'surveys'") == [
        (target.description,)
    ]


def test_json_is_parsed_on_its_way(redshift: Warehouse):
    Load(1, [(1, '{"a": [1, "ü"]}'), (2, None)], columns(id="integer", data="json")).run(redshift)

    found = redshift.rows(SURVEYS)

    assert sorted(found, key=lambda row: row["id"]) == [{"id": 1, "data": {"a": [1, "ü"]}}, {"id": 2, "data": None}]
    assert redshift.query("SELECT count(*) FROM pg_class WHERE relname LIKE '%landing'") == [(0,)]


def test_a_second_member_of_a_packed_file_is_not_relied_on(redshift: Warehouse):
    both = gzip.compress(b'1,"one",1\n') + gzip.compress(b'2,"two",1\n')

    with pytest.raises(CountMismatch, match="staged with 2 rows, but 1 arrived"):
        Load(1, parts=(packed(1, ["id", "name"], both, 2),)).stage(redshift)


def test_a_part_that_is_gone_stops_the_load(redshift: Warehouse, redshift_server: RunningRedshift, s3_bucket: str):
    gone = replace(part(1, ["id", "name"], ROWS), uri=f"s3://{s3_bucket}/gone.csv.gz")

    with pytest.raises(DataFault, match=r"not there any more, looking at s3://.*gone\.csv\.gz"):
        Load(1, parts=(gone,)).stage(redshift)


def test_the_runs_manifest_serves_where_all_parts_have_the_same_columns(
    redshift: Warehouse, redshift_server: RunningRedshift, s3_bucket: str
):
    given = upload(redshift_server, s3_bucket, part(1, ["id", "name"], ROWS))
    entries = [{"url": given.uri, "mandatory": True, "meta": {"content_length": given.size}}]
    redshift_server.bucket.put_object(Bucket=s3_bucket, Key="m.json", Body=json.dumps({"entries": entries}).encode())
    since = len(redshift_server.statements)

    Load(1, parts=(given,), more={"manifest_uri": f"s3://{s3_bucket}/m.json"}).stage(redshift)

    (copy,) = [sql for sql in redshift_server.statements[since:] if sql.startswith("COPY")]
    assert f"FROM 's3://{s3_bucket}/m.json'" in copy


def test_a_mandatory_file_that_vanishes_after_the_look_is_an_error(
    redshift: Warehouse, redshift_server: RunningRedshift, s3_bucket: str
):
    given = upload(redshift_server, s3_bucket, part(1, ["id", "name"], ROWS))
    entries = [{"url": uri, "mandatory": True} for uri in (given.uri, f"s3://{s3_bucket}/other.csv.gz")]
    redshift_server.bucket.put_object(Bucket=s3_bucket, Key="m.json", Body=json.dumps({"entries": entries}).encode())

    error = fault(Load(1, parts=(given,), more={"manifest_uri": f"s3://{s3_bucket}/m.json"}), redshift)

    assert "mandatory" in error.detail


@pytest.mark.parametrize(
    "more", [{"iam_role": ROLE + "/denied"}, {"region": "us-east-1"}], ids=["the role may not", "another region"]
)
def test_what_redshift_may_not_read_is_a_matter_of_settings(
    redshift_database: str, redshift_server: RunningRedshift, s3_bucket: str, more: dict[str, str]
):
    address = redshift_database
    for name, value in more.items():
        before = {"iam_role": ROLE, "region": "eu-west-1"}[name]
        address = address.replace(f"{name}={before}", f"{name}={value}")

    with opened(address, redshift_server.bucket, s3_bucket) as warehouse:
        error = fault(Load(1, ROWS), warehouse)

    assert isinstance(error, WarehouseRefused)
    assert "could not read from S3" in error.message


def test_files_that_are_not_in_s3_are_refused(redshift_database: str):
    warehouse = open_warehouse(redshift_database)
    try:
        with pytest.raises(ConfigFault, match="loads files from S3 only"):
            Load(1, ROWS).stage(warehouse)
    finally:
        warehouse.close()


@pytest.mark.parametrize("words", ["SET generation = 2", '"_fence" (token', "ADD COLUMN"])
def test_a_serialization_conflict_is_tried_again_and_publishes_once(
    redshift: Warehouse, redshift_server: RunningRedshift, words: str
):
    Load(1, ROWS).run(redshift)
    load = Load(2, [(3, "three", 1)], columns(id="integer", name="text", more="integer"))
    change = load.change(load.stage(redshift))
    redshift_server.conflict(words)

    published = publish(redshift, 2, [change])

    assert published.already is False
    assert live(redshift, "id, name, more") == [(3, "three", 1)]
    assert redshift.query("SELECT count(*) FROM headgate_books._ledger WHERE load_id = 2") == [(1,)]


def test_a_conflict_that_does_not_end_is_left_for_later(redshift: Warehouse, redshift_server: RunningRedshift):
    Load(1, ROWS).run(redshift)
    redshift_server.conflict('INSERT INTO "headgate_books"."_ledger"', times=50)

    try:
        with pytest.raises(WarehouseUnavailable, match="Another session changed the same tables"):
            Load(2, [(9, "nine")], mode=Mode.MERGE).run(redshift)
    finally:
        redshift_server.faults.clear()

    assert live(redshift) == ROWS
    assert redshift.published(2) is None


def test_the_heartbeats_word_to_stop_ends_the_load(redshift: Warehouse):
    beats = threading.Event()

    def stop() -> None:
        beats.set()
        raise KeyboardInterrupt("stop")

    with pytest.raises(KeyboardInterrupt):
        Load(1, ROWS, more={"heartbeat": stop}).stage(redshift)

    assert beats.is_set()
    assert redshift.published(1) is None


def test_grants_and_late_binding_views_survive_a_column_that_changes_its_type(
    redshift: Warehouse, redshift_server: RunningRedshift
):
    Load(1, ROWS).run(redshift)
    name = f"reader_{id(redshift)}"
    with redshift._connections.session("granting") as session:  # type: ignore[attr-defined]
        session.run(f"CREATE USER {name}")
        session.run(f"GRANT SELECT ON live.surveys TO {name}")
        session.run("GRANT SELECT ON live.surveys TO PUBLIC")

    try:
        Load(2, [(Bare("1.5"), "x")], columns(id="numeric(38,2)", name="text")).run(redshift)

        rights = redshift.query(f"SELECT has_table_privilege('{name}', 'live.surveys', 'SELECT')")
        whom = redshift.query(
            "SELECT DISTINCT identity_name FROM svv_relation_privileges WHERE relation_name = 'surveys' "
            "AND identity_type = 'public'"
        )
        assert (rights, whom) == ([(True,)], [("public",)])
    finally:
        with redshift._connections.session("granting") as session:  # type: ignore[attr-defined]
            session.run(f"DROP OWNED BY {name}")
            session.run(f"DROP USER {name}")


def test_a_staged_load_that_was_shown_and_then_discarded_leaves_the_view_whole(redshift: Warehouse):
    Load(1, ROWS).run(redshift)
    staged = Load(2, [(9, "nine")]).stage(redshift)
    engine = redshift._engine  # type: ignore[attr-defined]
    with engine.exclusive([SURVEYS.dataset]) as session:
        engine.attach(session, target_of(session, SURVEYS.dataset), books.generation_of(session, staged.table))

    assert redshift.discard(2) == 1

    assert live(redshift) == ROWS


def test_a_stage_without_parts_asks_nothing_of_s3(redshift: Warehouse):
    request = StageRequest(load_id=1, attempt=1, target=SURVEYS, columns=ID_NAME, parts=())

    assert redshift.stage(request).rows == 0
