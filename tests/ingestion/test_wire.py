"""How batches and datasets look to clients."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from ingestion.api import wire
from ingestion.models import Batch, Origin
from ingestion.states import BatchStatus
from tests.ingestion import catalog_kit as make

pytestmark = pytest.mark.django_db
AT = datetime(2026, 3, 1, 12, 0, 0, 123_999, tzinfo=UTC)
AT_MS = 1_772_366_400_123


def test_a_batch_has_the_members_that_clients_rely_on():
    dataset = make.dataset()
    batch = make.batch(dataset, status="loading", version=3, created_at=AT, updated_at=AT)

    shown = wire.batch_json(batch)

    assert shown == {
        "id": batch.public_id,
        "externalId": batch.public_id,
        "imsOrg": "default",
        "sandboxId": "prod",
        "status": "loading",
        "created": AT_MS,
        "createdClient": "nightly",
        "createdUser": "nightly@techacct",
        "updated": AT_MS,
        "updatedUser": "nightly@techacct",
        "version": "1.0.3",
        "relatedObjects": [{"type": "dataSet", "id": dataset.public_id}],
        "inputFormat": {"format": "json", "isMultiLineJson": False},
        "tags": {},
        "errors": [],
        "size": 0,
    }


def test_a_promoted_batch_has_metrics_by_both_spellings():
    batch = make.batch(input_size=500, output_size=80)
    make.file(batch)

    metrics = wire.batch_json(batch)["metrics"]

    assert metrics == {
        "inputByteSize": 500,
        "inputFileCount": 1,
        "inputRecordCount": 10,
        "inputRecordSize": 10,
        "recordsSize": 10,
        "outputByteSize": 80,
        "outputFileCount": 0,
        "outputRecordCount": 9,
        "outputRecordSize": 9,
        "failedRecordCount": 1,
        "invalidRecordCount": 1,
        "partitionCount": 0,
    }


@pytest.mark.parametrize("status", [status for status in BatchStatus if status != BatchStatus.SUCCESS])
def test_a_batch_that_is_not_promoted_has_no_metrics(status):
    assert "metrics" not in wire.batch_json(make.batch(status=status))


def test_csv_has_no_metrics_and_no_counts():
    shown = wire.batch_json(make.batch(input_format={"format": "csv"}, finished_at=AT))

    assert not {"metrics", "recordCount", "failedRecordCount"} & shown.keys()


def test_a_batch_of_a_run_tells_no_sizes_of_files():
    shown = wire.batch_json(make.batch(self_promoting=False, input_format={}))

    assert "size" not in shown
    assert "inputByteSize" not in shown["metrics"]
    assert shown["metrics"]["outputRecordCount"] == 9


def test_an_ended_batch_tells_when_it_began_ended_and_can_be_used():
    dataset = make.dataset(retention_days=30)
    times = {"started_at": AT, "finished_at": AT + timedelta(seconds=5)}

    shown = wire.batch_json(make.batch(dataset, **times))

    assert (shown["started"], shown["completed"]) == (AT_MS, AT_MS + 5000)
    assert shown["availableDates"] == {"startDate": AT_MS // 1000 + 5, "endDate": AT_MS // 1000 + 5 + 30 * 86400}
    assert (shown["recordCount"], shown["failedRecordCount"]) == (10, 1)


def test_settings_and_the_successor_are_told_as_tags():
    successor = make.batch()
    batch = make.batch(
        successor=successor, diagnostics=True, error_percent=5.0, tags={"team": ["a"], "acp_successor": ["forged"]}
    )

    assert wire.batch_json(batch)["tags"] == {
        "team": ["a"],
        "acp_enableErrorDiagnostics": True,
        "acp_partialIngestionPercent": 5,
        "acp_successor": [successor.public_id],
    }


def test_a_replay_names_its_predecessors_after_the_dataset():
    replay = {"predecessors": ["01EQ1C48TR4GD4FE7NH2522TCQ"], "reason": "replace"}

    shown = wire.batch_json(make.batch(replay=replay))

    assert shown["replay"] == replay
    assert [each["type"] for each in shown["relatedObjects"]] == ["dataSet", "batch"]


def test_a_failed_batch_shows_its_errors_and_where_its_rows_are():
    errors = [{"code": "INGEST-1212-400", "description": "…", "rows": [], "recordCount": 3}]

    batch = make.batch(status="failed", errors=errors)

    assert wire.batch_json(batch)["errors"] == errors
    assert wire.batch_json(batch)["failedBatchLocation"].endswith(f"/{batch.public_id}/failed")


def test_batches_are_shown_from_one_query():
    for _ in range(3):
        make.file(make.batch(successor=make.batch()))

    with CaptureQueriesContext(
        connection,
    ) as captured:
        shown = [wire.batch_json(batch) for batch in wire.shown(Batch.objects.all())]

    assert len(captured) == 1
    assert sum(each["metrics"]["inputFileCount"] for each in shown) == 3


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("active", ["success"]),
        ("SUCCESS", ["success"]),
        ("failure", ["failed"]),
        ("staged", []),
        ("loading", ["loading"]),
    ],
)
def test_statuses_have_the_words_of_clients(word, found):
    assert wire.statuses(word) == found


def test_an_unknown_status_is_no_status():
    with pytest.raises(ValueError, match="sleeping"):
        wire.statuses("sleeping")


@pytest.mark.parametrize("number", [-1, 10**15, 10**40])
def test_what_is_no_time_is_refused(number):
    with pytest.raises(ValueError, match="milliseconds"):
        wire.moment(number)


def test_times_survive_the_way_there_and_back():
    assert wire.milliseconds(wire.moment(AT_MS)) == AT_MS


def test_a_dataset_always_has_what_clients_rely_on():
    shown = wire.dataset_json(make.dataset(name="surveys", file_format="parquet", tags={"team": ["a"]}))

    assert shown["name"] == "Surveys"
    assert shown["tags"] == {
        "team": ["a"], "adobe/pqs/table": ["surveys"], "adobe/siphon/table/format": ["parquet"],
    }  # fmt: skip
    assert shown["classification"] == {"dataBehavior": "adhoc", "managedBy": "CUSTOMER"}
    assert shown["fileDescription"] == {"persisted": True, "containerFormat": "parquet", "format": "parquet"}
    assert shown["basePath"] == "lake.surveys"


def test_a_dataset_of_runs_is_shown_by_the_name_of_its_source():
    shown = wire.dataset_json(make.dataset(origin=Origin.RUNS, title="", source_name="survey.responses"))

    assert shown["name"] == "survey.responses"
    assert shown["classification"]["managedBy"] == "SYSTEM"


def test_rows_and_their_time_to_live_are_told_as_extensions():
    shown = wire.dataset_json(make.dataset(live_rows=7, retention_days=30))

    assert shown["extensions"] == {
        "adobe_lakeHouse": {"metrics": {"rowCount": 7}, "rowExpiration": {"ttlValue": "P30D"}}
    }
