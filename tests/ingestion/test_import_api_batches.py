"""Creating batches over the Import API: what is read, what is refused, and what asking twice gives."""

import json
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ingestion.models import AnsweredRequest, Batch, BatchEvent, Origin
from ingestion.warehouse.base import Mode
from tests.ingestion.import_kit import IMPORT, dataset, kept, refused, sender, statements

pytestmark = pytest.mark.django_db
UPSERT = {"unifiedProfile": ["enabled:true", "isUpsert: true"], "unifiedIdentity": ["enabled: true"]}


@pytest.fixture
def send():
    return sender()


def test_a_new_batch_is_loading_and_tells_all_that_clients_read(send):
    of = dataset()

    answer = send.post({"datasetId": of.public_id, "inputFormat": {"format": "JSON", "isMultiLineJson": "True"}})

    made = answer.json()
    assert answer.status_code == 201
    assert made["status"] == "loading"
    assert made["relatedObjects"] == [{"type": "dataSet", "id": of.public_id}]
    assert made["externalId"] == made["id"]
    assert made["inputFormat"] == {"format": "json", "isMultiLineJson": True}
    assert (made["imsOrg"], made["sandboxId"], made["version"]) == ("default", "prod", "1.0.0")
    assert made["createdUser"] == made["updatedUser"] == "nightly@techacct"
    assert made["createdClient"] == send.headers["x-api-key"]
    assert made["tags"] == {}
    assert abs(made["created"] / 1000 - timezone.now().timestamp()) < 60
    assert kept(made).touched_at is not None
    assert BatchEvent.objects.get(batch=kept(made)).actor == "nightly@techacct"


def test_the_format_is_parquet_where_none_is_given(send):
    made = send.post({"datasetId": dataset().public_id}).json()

    assert made["inputFormat"] == {"format": "parquet"}


def test_options_of_csv_are_kept_as_the_catalog_shows_them(send):
    given = {"format": "CSV", "delimiter": "\\t", "quote": "'", "header": True, "charset": "utf-8", "nullMarker": ""}

    made = send.create(dataset(), inputFormat=given)

    assert made["inputFormat"] == {
        "format": "csv", "delimiter": "\t", "quote": "'", "header": "true", "charset": "UTF-8", "nullMarker": ""
    }  # fmt: skip


def test_a_create_costs_four_statements_at_most(send):
    of = dataset()
    send.create(of)

    with CaptureQueriesContext(
        connection,
    ) as captured:
        send.create(of, externalId="mine")

    assert len(statements(captured)) <= 1 + 4  # one for the gateway


@pytest.mark.parametrize("name", ["partialIngestionPercent", "partialIngestionPercentage"])
def test_diagnostics_and_tolerance_are_kept(send, name):
    made = send.create(dataset(), **{"enableErrorDiagnostics": True, name: 2.5})

    assert (kept(made).diagnostics, kept(made).error_percent) == (True, 2.5)
    assert made["tags"] == {"acp_enableErrorDiagnostics": True, "acp_partialIngestionPercent": 2.5}


def test_diagnostics_are_as_the_dataset_has_them_where_nothing_is_said(send):
    assert kept(send.create(dataset(error_diagnostics=True))).diagnostics


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"datasetId": None}, "datasetId"),
        ({"datasetId": ["a"]}, "datasetId"),
        ({"datasetId": "a\u0007b"}, "datasetId"),
        ({"externalId": ""}, "externalId"),
        ({"externalId": "x" * 256}, "externalId"),
        ({"inputFormat": "json"}, "inputFormat"),
        ({"inputFormat": {"format": "avro"}}, "json, parquet, csv"),
        ({"inputFormat": {"format": 7}}, "inputFormat.format"),
        ({"inputFormat": {"format": "json", "isMultiLineJson": "yes"}}, "isMultiLineJson"),
        ({"inputFormat": {"format": "csv", "delimiter": "||"}}, "inputFormat.delimiter"),
        ({"inputFormat": {"format": "csv", "delimiter": '"'}}, "inputFormat.delimiter"),
        ({"inputFormat": {"format": "csv", "charset": "EBCDIC"}}, "inputFormat.charset"),
        ({"enableErrorDiagnostics": 1}, "enableErrorDiagnostics"),
        ({"partialIngestionPercent": 101}, "partialIngestionPercent"),
        ({"partialIngestionPercent": True}, "partialIngestionPercent"),
        ({"partialIngestionPercent": 10**400}, "partialIngestionPercent"),
        ({"partialIngestionPercent": [5]}, "partialIngestionPercent"),
        ({"tags": ["a"]}, "tags"),
        ({"tags": {"a": [1]}}, "tags.a"),
        ({"tags": {"": ["x"]}}, "tags"),
        ({"replay": {"predecessors": "01"}}, "replay.predecessors"),
        ({"replay": {"predecessors": ["$"]}}, "replay.predecessors"),
        ({"replay": {"reason": 5}}, "reason"),
    ],
)
def test_a_member_that_cannot_be_used_is_named(send, body, word):
    refused(send.post({"datasetId": dataset().public_id, **body}), 400, word)
    assert not Batch.objects.exists()


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"[]", b"null", b"{", b'{"a": NaN}', b'{"datasetId": "\\ud800"}', b'{"tags": {"a\\u0000": ["b"]}}',
        b"\xff\xfe", b"[" * 100_000, b'{"datasetId": ' + b"9" * 5000 + b"}", b"a=b",
    ],
)  # fmt: skip
def test_a_body_that_is_no_json_object_is_a_bad_request(send, raw):
    answer = send.http.generic("POST", f"{IMPORT}/batches", raw, "application/json", headers=send.headers)

    refused(answer, 400)


def test_json_is_read_whatever_its_content_type_but_not_from_a_form(send):
    body = json.dumps({"datasetId": dataset().public_id})

    as_curl_sends = send.call("POST", "/batches", body, content_type="application/x-www-form-urlencoded")
    as_form = send.call("POST", "/batches", body, content_type="multipart/form-data; boundary=x")

    assert as_curl_sends.status_code == 201
    refused(as_form, 400, "A valid content-type must be specified")


def test_a_dataset_that_is_not_there_is_not_found(send):
    for dataset_id in ("5c8c3c555033b814b69f947f", dataset(organisation="other").public_id, "é"):
        refused(send.post({"datasetId": dataset_id}), 404, "no dataset")
    refused(send.post({"datasetId": dataset(deleted_at=timezone.now()).public_id}), 404)


def test_a_dataset_of_runs_takes_no_batches(send):
    refused(send.post({"datasetId": dataset(origin=Origin.RUNS).public_id}), 400, "API runs")


def test_a_dataset_stored_as_json_is_incompatible(send):
    refused(send.post({"datasetId": dataset(file_format="json").public_id}), 400, code="ERR-BI-106")


@pytest.mark.parametrize(
    ("fields", "mode"),
    [
        ({"tags": UPSERT, "key": ["id"]}, Mode.MERGE),
        ({"tags": UPSERT}, Mode.APPEND),
        ({"tags": {"unifiedProfile": ["enabled:true"]}, "key": ["id"]}, Mode.APPEND),
        ({"key": ["id"]}, Mode.APPEND),
    ],
)
def test_a_batch_changes_live_records_only_where_the_dataset_is_tagged_so(send, fields, mode):
    assert kept(send.create(dataset(**fields))).mode == mode


def test_the_same_external_id_and_meaning_is_the_same_batch(send):
    of = dataset()

    first = send.create(of, externalId="night-7", tags={"a": "b"})
    second = send.create(of, externalId="night-7", tags={"a": ["b"]})

    assert second == first
    assert first["externalId"] == "night-7"
    assert Batch.objects.count() == 1


def test_the_same_external_id_with_another_meaning_is_a_conflict(send):
    made = send.create(dataset(), externalId="night-7")

    refused(
        send.post({"datasetId": dataset().public_id, "externalId": "night-7"}), 409, made["id"], "dataset", "format"
    )


def test_an_external_id_is_unique_over_the_sandboxes_of_an_organisation(send):
    other = sender(name="Other", sandbox="dev")
    made = send.create(dataset(), externalId="night-7")

    body = refused(other.post({"datasetId": dataset(sandbox="dev").public_id, "externalId": "night-7"}), 409)
    elsewhere = sender("else").create(dataset(organisation="else"), externalId="night-7")

    assert made["id"] not in body["detail"]
    assert elsewhere["id"] != made["id"]


def test_an_external_id_is_never_the_id_of_another_batch(send):
    of = dataset()
    first, named = send.create(of), send.create(of, externalId="night-7")
    dev = sender(name="Other", sandbox="dev")

    for taken in (first, named):
        body = {"datasetId": of.public_id, "externalId": taken["id"], "inputFormat": {"format": "json"}}
        refused(send.post(body), 409, "the id of another batch")
        refused(dev.post({**body, "datasetId": dataset(sandbox="dev").public_id}), 409, "the id of another batch")
    assert Batch.objects.count() == 2

    elsewhere = sender("else").create(dataset(organisation="else"), externalId=first["id"])
    assert elsewhere["externalId"] == first["id"]


def test_a_repeated_request_gets_its_first_answer(send):
    body = {"datasetId": dataset().public_id}

    first = send.post(body, **{"Idempotency-Key": "k1"})
    again = send.post(body, **{"Idempotency-Key": "k1"})
    other = send.post(body, **{"Idempotency-Key": "k2"})

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert other.json()["id"] != first.json()["id"]
    assert Batch.objects.count() == 2


def test_an_idempotency_key_is_not_for_another_body(send):
    of = dataset()
    send.post({"datasetId": of.public_id}, **{"Idempotency-Key": "k1"})

    refused(send.post({"datasetId": of.public_id, "externalId": "x"}, **{"Idempotency-Key": "k1"}), 422)


def test_while_the_first_is_being_answered_the_second_is_told_to_wait(send):
    body = {"datasetId": dataset().public_id}
    send.post(body, **{"Idempotency-Key": "k1"})
    answered = AnsweredRequest.objects.get()
    AnsweredRequest.objects.filter(pk=answered.pk).update(**{"status": None, "body": None})

    answer = send.post(body, **{"Idempotency-Key": "k1"})

    refused(answer, 409)
    assert answer["Retry-After"] == "1"


def test_a_request_whose_process_died_is_taken_over(send):
    body = {"datasetId": dataset().public_id}
    first = send.post(body, **{"Idempotency-Key": "k1"}).json()
    long_ago = timezone.now() - timedelta(minutes=5)
    AnsweredRequest.objects.update(**{"status": None, "at": long_ago})

    again = send.post(body, **{"Idempotency-Key": "k1"})

    assert again.status_code == 201
    assert again.json()["id"] != first["id"]
    assert AnsweredRequest.objects.get().body == again.json()


def test_a_refused_request_leaves_its_key_free(send):
    body = {"datasetId": "5c8c3c555033b814b69f947f"}

    for _ in range(2):
        refused(send.post(body, **{"Idempotency-Key": "k1"}), 404)
    assert not AnsweredRequest.objects.exists()


@pytest.mark.parametrize("key", ["x" * 256, "é", " "])
def test_an_idempotency_key_must_be_printable_text(send, key):
    refused(send.post({"datasetId": dataset().public_id}, **{"Idempotency-Key": key}), 400)


def test_another_tenants_key_is_another_key(send):
    other = sender("else")
    send.post({"datasetId": dataset().public_id}, **{"Idempotency-Key": "k1"})

    answer = other.post({"datasetId": dataset(organisation="else").public_id}, **{"Idempotency-Key": "k1"})

    assert answer.status_code == 201


def test_the_collection_only_takes_new_batches(send):
    answer = send.call("GET", "/batches")

    refused(answer, 405)
    assert "POST" in answer["Allow"]


@pytest.mark.parametrize("path", ["/batches/", "/batches"])
def test_a_slash_at_the_end_makes_no_difference(send, path):
    answer = send.post({"datasetId": dataset().public_id}, path=path)

    assert answer.status_code == 201


def test_a_create_sent_as_patch_is_taken(send):
    body = json.dumps({"datasetId": dataset().public_id})

    assert send.call("PATCH", "/batches", body, content_type="application/json").status_code == 201


@pytest.mark.parametrize("path", ["/nothing", "/batches/x/y", "", "/batches/x/datasets/y/files"])
def test_an_address_that_leads_nowhere_is_told_in_json(send, path):
    refused(send.call("GET", path), 404)


def test_an_address_that_is_too_long_is_refused(send):
    refused(send.call("POST", "/batches/x?action=" + "A" * 2000), 414)


def test_the_gateways_refusals_keep_their_own_shape(send):
    answer = send.http.post(f"{IMPORT}/batches", {}, content_type="application/json")

    assert answer.status_code == 403
    assert answer.json() == {"error_code": "403010", "message": "Oauth token is missing."}
