"""What a client may do with a batch through the catalogue."""

import pytest
from django.test import Client

from ingestion.models import Batch
from tests import factories
from tests.ingestion import catalog_kit as make

pytestmark = pytest.mark.django_db
ULID = "01EQ1C48TR4GD4FE7NH2522TCQ"


@pytest.fixture
def program():
    return make.asker()


def body(**members):
    return {"datasetId": make.dataset().public_id, "status": "active", "inputFormat": {"format": "json"}, **members}


def refused(program, verb, path, body=None, *, code=400, **more):
    answer = program.send(verb, path, body, **more)
    assert answer.status_code == code, (answer.status_code, answer.content)
    return answer.json()


@pytest.mark.parametrize("path", ["/batches", "/batches/", "/batch"])
def test_a_batch_without_files_is_created_as_loading_whatever_is_asked_for(program, path):
    answer = program.send("post", path, body())

    (reference,) = answer.json()
    assert answer.status_code == 201
    assert answer.headers["Location"] == make.CATALOG + reference[1:]
    shown = program.one(reference[1:])
    assert (shown["status"], shown["inputFormat"]["format"]) == ("loading", "json")


def test_the_dataset_may_be_named_as_a_related_object(program):
    dataset = make.dataset()
    members = body(datasetId=None, relatedObjects=[{"type": "dataSet", "id": dataset.public_id}])

    answer = program.send("post", "/batches", members)

    assert program.one(answer.json()[0][1:])["relatedObjects"][0]["id"] == dataset.public_id


def test_a_batch_is_created_with_an_id_of_choice(program):
    answer = program.send("post", f"/batches/{ULID}", body())

    assert (answer.status_code, answer.json()) == (201, [f"@/batches/{ULID}"])
    assert Batch.objects.get().public_id == ULID
    assert refused(program, "post", f"/batches/{ULID}", body(), code=409)
    assert Batch.objects.count() == 1


def test_a_batch_that_is_there_gets_no_second_id(program):
    wanted, other = body(externalId="night-7"), ULID[:-1] + "R"
    program.send("post", f"/batches/{ULID}", wanted)

    again = program.send("post", f"/batches/{ULID}", wanted)
    answer = refused(program, "post", f"/batches/{other}", wanted, code=409)

    assert (again.status_code, again.json()) == (201, [f"@/batches/{ULID}"])
    assert ULID in answer["detail"]
    assert [batch.public_id for batch in Batch.objects.all()] == [ULID]


def test_an_id_of_choice_is_no_external_id_of_another_batch(program):
    program.send("post", "/batches", body(externalId=ULID))

    assert ULID in refused(program, "post", f"/batches/{ULID}", body(), code=409)["detail"]
    assert ULID in refused(program, "post", f"/batches/{ULID}", body(externalId="x"), code=409)["detail"]
    assert Batch.objects.count() == 1


@pytest.mark.parametrize("public_id", ["mine", ULID.lower(), ULID + "0", "8" * 26, "I" * 26])
def test_an_id_that_is_no_ulid_is_refused(program, public_id):
    assert refused(program, "post", f"/batches/{public_id}", body())
    assert not Batch.objects.exists()


@pytest.mark.parametrize("members", [{"status": None}, {"status": "sleeping"}, {"status": 7}, {"datasetId": None}])
def test_a_batch_that_is_not_described_is_not_created(program, members):
    assert refused(program, "post", "/batches", body(**members))["title"] == "BadRequestError"
    assert not Batch.objects.exists()


def test_a_dataset_of_others_takes_no_batch(program):
    foreign = make.dataset(organisation="other")

    assert refused(program, "post", "/batches", body(datasetId=foreign.public_id), code=404)


def test_tags_are_patched_by_merging_or_by_operations(program):
    batch = make.batch(tags={"a": ["1"]}, diagnostics=True)
    path = f"/batches/{batch.public_id}"

    assert program.send("patch", path, {"tags": {"b": ["2"]}}).json() == [f"@{path}"]
    program.send("patch", path, [{"op": "remove", "path": "/tags/a"}], content_type="application/json-patch+json")

    shown = program.one(path)
    assert shown["tags"] == {"b": ["2"], "acp_enableErrorDiagnostics": True}
    assert (shown["version"], shown["updatedUser"]) == ("1.0.2", "reader@techacct")


def test_putting_replaces_tags_and_takes_what_is_shown(program):
    batch = make.batch(tags={"a": ["1"]}, error_percent=5)
    path = f"/batches/{batch.public_id}"
    shown = program.one(path)

    assert program.send("put", path, {**shown, "tags": {"b": ["2"]}}).status_code == 200
    assert program.one(path)["tags"] == {"b": ["2"], "acp_partialIngestionPercent": 5}
    assert program.send("put", path, {}).status_code == 200
    assert program.one(path)["tags"] == {"acp_partialIngestionPercent": 5}


@pytest.mark.parametrize("patch", [{"status": "active"}, {"createdUser": "x"}, {"tags": 7}, {"x": 1}, [{"op": "x"}], 7])
def test_only_tags_are_changed_here(program, patch):
    batch = make.batch(status="loading")

    assert refused(program, "patch", f"/batches/{batch.public_id}", patch)
    batch.refresh_from_db()
    assert (batch.status, batch.version) == ("loading", 0)


def test_batches_of_runs_are_not_changed_here(program):
    batch = make.batch(self_promoting=False)
    path = f"/batches/{batch.public_id}"

    assert refused(program, "patch", path, {"tags": {"a": ["b"]}}, code=409)
    assert refused(program, "delete", path, code=428)["code"] == "ERR-BI-104"


def test_a_change_is_made_only_to_the_version_that_was_seen(program):
    path = f"/batches/{make.batch(version=4).public_id}"

    assert refused(program, "patch", path, {"tags": {}}, code=412, **{"If-Match": '"1.0.3"'})
    assert refused(program, "delete", path, code=412, **{"If-Match": '"1.0.3"'})
    assert program.get(path).headers["ETag"] == '"1.0.4"'
    assert program.send("patch", path, {"tags": {}}, **{"If-Match": 'W/"1.0.3", "1.0.4"'}).status_code == 200


def test_deleting_aborts_a_batch_that_is_loading(program):
    batch = make.batch(status="loading")
    path = f"/batches/{batch.public_id}"

    for _ in range(2):
        answer = program.send("delete", path)
        assert (answer.status_code, answer.json()) == (200, [f"@{path}"])

    batch.refresh_from_db()
    assert batch.status == "aborted"


def test_deleting_takes_back_a_batch_that_is_live(program):
    batch = make.batch(make.dataset(live_rows=0), load=None)  # all of its rows were bad: nothing of it was published

    for _ in range(2):
        assert program.send("delete", f"/batches/{batch.public_id}").status_code == 200

    batch.refresh_from_db()
    assert batch.status == "inactive"
    assert batch.events.get().actor == "reader@techacct"


@pytest.mark.parametrize("status", ["inactive", "retained", "archived", "deleted"])
def test_deleting_what_was_taken_back_changes_nothing(program, status):
    batch = make.batch(status=status)

    assert program.send("delete", f"/batches/{batch.public_id}").status_code == 200
    batch.refresh_from_db()
    assert batch.status == status


@pytest.mark.parametrize("status", ["loaded", "staging", "retrying", "stalled", "failed", "abandoned"])
def test_what_can_neither_be_aborted_nor_taken_back_is_not_deleted(program, status):
    batch = make.batch(status=status)

    assert refused(program, "delete", f"/batches/{batch.public_id}", code=428)["code"] == "ERR-BI-104"
    batch.refresh_from_db()
    assert batch.status == status


def test_a_person_needs_the_right_to_see_and_the_right_to_change():
    batch, http = make.batch(), Client()
    path = f"{make.CATALOG}/batches/{batch.public_id}"
    http.force_login(factories.person("ingestion.view_batch"))

    seen = http.get(path)
    changed = http.patch(path, {"tags": {}}, content_type="application/json")

    assert (seen.status_code, changed.status_code) == (200, 403)
    assert "ingestion.change_batch" in changed.json()["detail"]
    assert http.get(f"{make.CATALOG}/dataSets").status_code == 403


def test_a_method_that_is_not_offered_is_refused_in_json(program):
    assert refused(program, "put", "/batches", {}, code=405)["status"] == 405
    assert refused(program, "get", "/v2/dataSets/x", code=405)
