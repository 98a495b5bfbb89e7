"""From "Run now" to live tables in Redshift's stand-in, with the parts in a bucket that it reads by itself."""

import json
import re
from decimal import Decimal

import pytest

from ingestion.models import Batch
from runs.demo import expected
from runs.models import DataLoad
from runs.states import RunStatus

SMALL = ["airlines", "airports"]


@pytest.fixture
def warehouse_url(redshift_database):
    return redshift_database


@pytest.fixture
def house(house, settings, s3_url):
    settings.STAGING_URL = s3_url
    return house


def test_a_run_brings_every_row_exactly_and_a_second_one_replaces_them(house, redshift_server, s3_bucket):
    source = house.source(endpoints=SMALL)

    first = house.run(source)
    redshift_server.conflict('UPDATE "headgate_books"."_live"')
    second = house.run(source)

    assert [first.status, second.status] == [RunStatus.COMPLETED] * 2, [m.text for m in second.messages.all()]
    assert house.count("flights.airlines") == 16
    exact = [
        (r["faa"], r["name"], Decimal(str(r["location__lat"])), Decimal(str(r["location__lon"])))
        for r in expected.airports()
    ]
    got = house.rows('select faa, name, "location__lat", "location__lon" from flights.airports order by faa')
    assert [tuple(row) for row in got] == sorted(exact)
    assert "Redshift ingestion: airlines" in {task.name for task in first.tasks.all()}
    for batch in Batch.objects.filter(owner=second.owner):
        assert batch.staged_count == batch.loaded_count == batch.inserted_count == batch.live_count
    assert DataLoad.objects.get(run=second).row_count == 16 + 1458


def test_the_runs_own_manifest_is_what_redshift_reads(house, redshift_server, s3_bucket):
    since = len(redshift_server.statements)

    house.run(house.source(endpoints=["airlines"]))

    (copy,) = [sql for sql in redshift_server.statements[since:] if sql.startswith("COPY")]
    key = copy.split(f"s3://{s3_bucket}/")[1].split("'")[0]
    manifest = json.loads(redshift_server.bucket.get_object(Bucket=s3_bucket, Key=key)["Body"].read())
    assert re.search(r"/manifest-\d+\.json$", key)
    assert manifest["entries"]
    assert all(entry["mandatory"] and entry["meta"]["content_length"] > 0 for entry in manifest["entries"])


def test_a_part_that_was_changed_in_the_bucket_is_refused(house, redshift_server, s3_bucket):
    def spoil(task):
        for found in redshift_server.bucket.list_objects_v2(Bucket=s3_bucket).get("Contents", ()):
            if task.name.startswith("Redshift ingestion") and found["Key"].endswith(".csv.gz"):
                redshift_server.bucket.put_object(Bucket=s3_bucket, Key=found["Key"], Body=b"something else")

    run = house.work(house.ask(house.source(endpoints=["airlines"])), before=spoil)

    assert run.status == RunStatus.FAILED
    assert any("is not the file that was staged" in message.text for message in run.messages.all())
