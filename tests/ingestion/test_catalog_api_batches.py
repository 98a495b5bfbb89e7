"""Lists of batches: pages, order, conditions, members; and one batch."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.ingestion import catalog_kit as make

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOON_MS = 1_772_366_400_000


@pytest.fixture
def program():
    return make.asker()


def ids(*batches):
    return [batch.public_id for batch in batches]


def test_a_list_without_batches_is_an_empty_map(program):
    answer = program.get("/batches")

    assert (answer.status_code, answer.json()) == (200, {})


@pytest.mark.parametrize("path", ["/batches", "/batches/", "/batch", "/batch/"])
def test_batches_are_listed_newest_first_at_every_address(program, path):
    first, second = make.batch(), make.batch()

    assert program.ids(path) == ids(second, first)


def test_one_batch_is_a_map_of_one(program):
    batch = make.batch()

    for path in ("/batches/", "/batch/"):
        assert program.one(path + batch.public_id)["id"] == batch.public_id


def test_a_batch_of_another_organisation_or_sandbox_is_not_there(program):
    foreign = make.batch(make.dataset(organisation="other@AdobeOrg"))
    elsewhere = make.batch(make.dataset(sandbox="dev"))

    assert program.ids() == []
    for batch in (foreign, elsewhere):
        assert "no batch" in program.refused(f"/batches/{batch.public_id}", 404)
        assert program.send("delete", f"/batches/{batch.public_id}").status_code == 404
        assert program.send("patch", f"/batches/{batch.public_id}", {"tags": {"a": ["b"]}}).status_code == 404
        batch.refresh_from_db()
        assert (batch.status, batch.tags) == ("success", {})
    assert make.asker(name="Dev", sandbox="dev").ids() == ids(elsewhere)


def test_batches_of_runs_are_listed_too(program):
    batch = make.batch(self_promoting=False, owner="run/7")

    assert program.ids() == ids(batch)


def test_pages_follow_each_other(program):
    batches = ids(*(make.batch() for _ in range(5)))[::-1]

    assert program.ids(limit=2) == batches[:2]
    assert program.ids(limit=2, start=2) == batches[2:4]
    assert program.ids(limit=2, offset=4) == batches[4:]
    assert program.ids(start=5) == []


def test_twenty_are_shown_where_no_limit_is_given(program):
    dataset = make.dataset()
    for _ in range(21):
        make.batch(dataset, status="loading")

    assert len(program.ids()) == 20


@pytest.mark.parametrize("limit", ["0", "101", "-1", "x", "", "1e2", "9" * 30, "１"])
def test_a_limit_beyond_the_range_names_the_range(program, limit):
    assert "1-100" in program.refused("/batches", limit=limit)


@pytest.mark.parametrize("start", ["-1", "x", "9" * 30])
def test_a_start_that_is_none_is_refused(program, start):
    assert "start" in program.refused("/batches", start=start)


def test_batches_are_ordered_by_what_is_asked_for(program):
    small, large = make.batch(input_size=1), make.batch(input_size=9)
    middle = make.batch(input_size=5)

    assert program.ids(orderBy="size") == ids(small, middle, large)
    assert program.ids(orderBy="desc:size") == ids(large, middle, small)
    assert program.ids(sort="desc:created") == ids(middle, large, small)
    assert program.ids(orderBy="asc:created") == ids(small, large, middle)
    assert program.ids(orderBy="status,desc:size") == ids(large, middle, small)


def test_what_has_no_value_comes_last_in_either_order(program):
    without, later = make.batch(), make.batch(started_at=NOON)
    sooner = make.batch(started_at=NOON - timedelta(hours=1))

    assert program.ids(orderBy="asc:started") == ids(sooner, later, without)
    assert program.ids(orderBy="desc:started") == ids(later, sooner, without)


@pytest.mark.parametrize("order", ["nothing", "up:created", "desc:errors", "a\0", "tags.a\0b", 'tags."', "tags."])
def test_an_order_by_what_cannot_be_ordered_is_refused(program, order):
    assert program.refused("/batches", orderBy=order)


def test_members_are_cut_to_those_asked_for(program):
    batch = make.batch()

    assert program.one("/batches", properties="status,created").keys() == {"status", "created"}
    assert program.one("/batches", properties="nothing") == {}
    assert program.one(f"/batches/{batch.public_id}", properties="id") == {"id": batch.public_id}


@pytest.mark.parametrize(
    ("word", "statuses"),
    [
        ("success", "success"),
        ("active", "success"),
        ("failed", "failed"),
        ("failure", "failed"),
        ("FAILURE", "failed"),
        ("loading,failure", "failed loading"),
        ("!active", "failed loading"),
        ("!success,failed", "loading"),
        ("queued", ""),
        ("staged,loading", "loading"),
    ],
)
def test_batches_are_found_by_status_in_every_spelling(program, word, statuses):
    found = {status: make.batch(status=status) for status in ("success", "loading", "failed")}

    assert program.ids(status=word) == ids(*(found[status] for status in statuses.split()))


def test_a_word_that_is_no_status_is_refused(program):
    assert "sleeping" in program.refused("/batches", status="sleeping")


def test_batches_are_found_by_time(program):
    before, at, after = (
        make.batch(created_at=NOON + timedelta(milliseconds=offset), updated_at=NOON) for offset in (-1, 0, 1)
    )

    assert program.ids(createdAfter=NOON_MS) == ids(after)
    assert program.ids(createdBefore=NOON_MS) == ids(before)
    assert program.ids(createdAfter=NOON_MS - 2, createdBefore=NOON_MS + 1) == ids(at, before)
    assert program.ids(created=NOON_MS) == ids(at)
    assert program.ids(created=f"{NOON_MS},{NOON_MS + 1}") == ids(after, at)
    assert program.ids(updated=NOON_MS + 1) == []
    assert program.ids(property=f"created>={NOON_MS}") == ids(after, at)
    assert program.ids(property=f"created<={NOON_MS}") == ids(at, before)


def test_a_time_is_exact_to_the_millisecond_that_is_shown(program):
    batch = make.batch(created_at=NOON + timedelta(microseconds=999))

    assert program.one("/batches")["created"] == NOON_MS
    assert program.ids(created=NOON_MS) == ids(batch)
    assert program.ids(createdAfter=NOON_MS) == []


@pytest.mark.parametrize("value", ["x", "-5", "1.5", "9" * 15, "9" * 19, "9" * 400, "", "١"])
def test_a_time_that_is_none_is_refused(program, value):
    assert program.refused("/batches", createdAfter=value)


def test_batches_are_found_by_when_their_data_can_be_used(program):
    expiring = make.batch(make.dataset(retention_days=1), finished_at=NOON)
    lasting = make.batch(finished_at=NOON)
    make.batch(status="failed", finished_at=NOON)

    assert program.ids(startAfter=NOON_MS // 1000 - 1) == ids(lasting, expiring)
    assert program.ids(startAfter=NOON_MS) == []
    assert program.ids(endBefore=NOON_MS + 2 * 86_400_000) == ids(expiring)
    assert program.ids(endAfter=NOON_MS + 2 * 86_400_000) == []


def test_batches_are_found_by_ids(program):
    one, other = make.batch(external_id="mine"), make.batch()

    assert program.ids(batch=one.public_id) == ids(one)
    assert program.ids(batch=f"{one.public_id},{other.public_id}") == ids(other, one)
    assert program.ids(externalId="mine") == ids(one)
    assert program.ids(externalId=other.public_id) == ids(other)
    assert program.ids(externalId="!mine") == ids(other)
    assert program.ids(dataSet=one.dataset.public_id) == ids(one)
    assert program.ids(dataSet=f"!{one.dataset.public_id}") == ids(other)


def test_batches_are_found_by_people_versions_and_counts(program):
    one = make.batch(created_user="anna", created_client="a", version=2, input_size=9, finished_at=NOON)
    make.batch(created_user="bert", created_client="b", version=0, extracted_count=0, rejected_count=0)

    for query in (
        {"createdUser": "anna"},
        {"createdClient": "a"},
        {"updatedUser": "anna"},
        {"version": "1.0.2"},
        {"recordCount": "10"},
        {"failedRecordCount": "1"},
        {"size": "9"},
    ):
        assert program.ids(**query) == ids(one), query


def test_several_conditions_must_all_hold(program):
    dataset = make.dataset()
    wanted = make.batch(dataset, created_user="anna")
    make.batch(dataset, created_user="bert")
    make.batch(created_user="anna")

    assert program.ids(dataSet=dataset.public_id, createdUser="anna", status="active") == ids(wanted)


def test_a_parameter_that_nobody_knows_is_refused_with_a_hint(program):
    assert "createdUser" in program.refused("/batches", createdUsr="anna")
    assert program.refused("/batches", nonsense="1")


def test_the_cost_does_not_grow_with_the_number_of_batches(program):
    def cost():
        with CaptureQueriesContext(connection) as captured:
            program.get("/batches", limit=100)
        return len(captured)

    make.file(make.batch(successor=make.batch()))
    few = cost()
    for _ in range(10):
        make.file(make.batch(successor=make.batch()))

    assert cost() == few <= 3


def test_related_objects_are_told_of_when_aggregated(program):
    old = make.batch(status="inactive", errors=[])
    new = make.batch(old.dataset, replay={"predecessors": [old.public_id], "reason": "replace"})

    dataset, predecessor = program.one(f"/batches/{new.public_id}", aggregate="true")["relatedObjects"]

    assert dataset == {"type": "dataSet", "id": old.dataset.public_id, "name": "Surveys"}
    assert (predecessor["id"], predecessor["status"]) == (old.public_id, "inactive")


def test_unique_values_of_a_member(program):
    make.batch(created_user="anna", version=1, created_at=NOON)
    make.batch(created_user="bert", version=1, created_at=NOON)

    assert program.get("/batches/uniques/createdUser").json() == ["anna", "bert"]
    assert program.get("/batches/uniques/version").json() == ["1.0.1"]
    assert program.get("/batches/uniques/created").json() == [NOON_MS]
    assert program.get("/batches/uniques/createdUser", createdUser="bert").json() == ["bert"]
    assert program.get("/batches/uniques/metrics.inputRecordCount").json() == [10]
    assert program.refused("/batches/uniques/errors")


def test_last_batches_are_told_by_dataset(program):
    dataset, other = make.dataset(), make.dataset()
    make.batch(dataset, status="failed")
    failed, good = make.batch(dataset, status="failed"), make.batch(dataset)
    newest = make.batch(dataset, status="loading")
    make.batch(other)
    make.dataset()

    told = program.get("/lastBatches").json()

    assert told.keys() == {dataset.public_id, other.public_id}
    assert told[dataset.public_id] | {"created": 0, "updated": 0} == {
        "lastBatchId": newest.public_id,
        "lastBatchStatus": "loading",
        "lastSuccessfulBatchId": good.public_id,
        "lastFailedBatchId": failed.public_id,
        "imsOrg": "default",
        "sandboxId": "prod",
        "created": 0,
        "updated": 0,
    }
    assert program.ids("/lastBatches", dataSetId=f"{dataset.public_id},x") == [dataset.public_id]
    assert program.ids("/lastBatches", lastBatchStatus="active") == [other.public_id]
    assert program.one("/lastBatches", limit=1, properties="lastBatchStatus") == {"lastBatchStatus": "success"}


def test_the_root_names_what_there_is(program):
    assert program.get("/").json().keys() >= {"batches", "dataSets", "dataSetFiles"}


def test_without_a_token_nothing_is_answered(client):
    answer = client.get(make.CATALOG + "/batches")

    assert (answer.status_code, answer.json()["error_code"]) == (403, "403010")
