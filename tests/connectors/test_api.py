"""Connectors and data sources over HTTP: reading them, checking a manifest, trying a connection, ten records."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from connectors.models import Connector
from runs.states import RunStatus
from tests import factories as make
from tests.sources import TWO_ENDPOINTS

pytestmark = pytest.mark.django_db
SEE, TEST, RAW = "connectors.view_datasource", "connectors.test_source", "runs.view_raw_data"
CANARY = "canary-secret-4711"


@contextmanager
def source_answering(*records, status=200):
    """A source over a real server on loopback; every endpoint answers these records."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = json.dumps({"data": records}).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield make.source(url=f"http://127.0.0.1:{server.server_port}"), server.server_port
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def allowed(settings):
    def allow(port):
        settings.OUTBOUND_ALLOW = [f"127.0.0.1:{port}"]

    return allow


def post(client, path, **body):
    return client.post(f"/api/{path}", body, format="json")


def test_connectors_are_listed_without_and_shown_with_their_manifest():
    make.source()
    client = make.caller("connectors.view_connector")

    row = client.get("/api/connectors/?name=small").json()["results"][0]
    one = client.get(f"/api/connectors/{row['id']}/").json()

    assert row["name"] == "Small API"
    assert "manifest" not in row
    assert one["manifest"] == TWO_ENDPOINTS


def test_a_good_manifest_has_no_problems():
    response = post(make.caller("connectors.view_connector"), "connectors/validate/", manifest=TWO_ENDPOINTS)

    assert (response.status_code, response.json()) == (200, {"ok": True, "problems": []})


def test_every_problem_of_a_manifest_is_named_with_its_place():
    text = TWO_ENDPOINTS.replace("by: list", "by: lost").replace("path: /surveys", "path: surveys")

    answer = post(make.caller("connectors.view_connector"), "connectors/validate/", manifest=text).json()

    assert answer["ok"] is False
    assert {"endpoints[0].path", "endpoints[1].partition.by"} == {problem["path"] for problem in answer["problems"]}


def test_a_manifest_may_come_as_a_form_field():
    client = make.caller("connectors.view_connector")

    assert client.post("/api/connectors/validate/", {"manifest": TWO_ENDPOINTS}).json()["ok"] is True


def test_validating_keeps_nothing():
    post(make.caller("connectors.view_connector"), "connectors/validate/", manifest=TWO_ENDPOINTS)

    assert not Connector.objects.exists()


def test_a_source_never_shows_its_credentials():
    source = make.source()
    source.seal({"token": CANARY})
    source.save()

    response = make.caller(SEE, RAW).get(f"/api/sources/{source.pk}/")

    assert response.json()["has_credentials"] is True
    assert CANARY.encode() not in response.content
    assert "sealed_credentials" not in response.json()


def test_a_source_has_the_status_of_its_newest_run():
    source = make.source()
    done, failed = make.run(source), make.failed_run(source)
    make.source("Idle")

    rows = {row["name"]: row for row in make.caller(SEE).get("/api/sources/").json()["results"]}

    small = rows["Small"]
    assert (small["status"], small["status_label"], small["last_run"]) == ("failed", "Failed", failed.pk)
    assert small["last_completed_at"] == done.finished_at.isoformat().replace("+00:00", "Z")
    assert (rows["Idle"]["status"], rows["Idle"]["status_label"], rows["Idle"]["last_run"]) == (None, "", None)


@pytest.mark.parametrize(
    ("blocker", "shown"),
    [(RunStatus.RUNNING, "rejected"), (RunStatus.COMPLETED, "completed"), (RunStatus.FAILED, "failed")],
)
def test_a_rejected_run_gives_its_status_only_while_its_blocker_is_open(blocker, shown):
    source = make.source()
    make.rejected_run(make.run(source, status=blocker))

    assert make.caller(SEE).get(f"/api/sources/{source.pk}/").json()["status"] == shown


def test_sources_are_filtered():
    source = make.source()
    make.source("Other", enabled=False)
    client = make.caller(SEE)

    def names(**query):
        return [row["name"] for row in client.get("/api/sources/", query).json()["results"]]

    assert names() == ["Other", "Small"]
    assert names(enabled="true") == names(connector=source.connector_id) == names(name="SMA") == ["Small"]


def test_thirty_sources_cost_as_many_queries_as_three(django_assert_num_queries):
    client = make.caller(SEE)
    for n in range(3):
        make.run(make.source(f"Source {n}"))
    with CaptureQueriesContext(connection) as few:
        assert len(client.get("/api/sources/").json()["results"]) == 3
    for n in range(3, 30):
        make.run(make.source(f"Source {n}"))

    with django_assert_num_queries(len(few)):
        assert len(client.get("/api/sources/").json()["results"]) == 30


def test_a_test_tells_each_step(allowed):
    with source_answering({"id": 1}) as (source, port):
        allowed(port)
        response = post(make.caller(TEST), f"sources/{source.pk}/test/")

    answer = response.json()
    assert response.status_code == 200
    assert answer["ok"] is True
    assert [step["ok"] for step in answer["steps"]] == [True] * 4


def test_a_test_that_fails_is_an_answer_with_advice_not_an_error(allowed):
    with source_answering(status=401) as (source, port):
        allowed(port)
        response = post(make.caller(TEST), f"sources/{source.pk}/test/")

    answer = response.json()
    last = answer["steps"][-1]
    assert (response.status_code, answer["ok"], last["ok"]) == (200, False, False)
    assert "401" in last["detail"]
    assert last["advice"]


def test_ten_records_come_with_their_columns(allowed):
    records = [{"id": n, "name": None if n else "x", "tags": ["a"], "big": 2**60 + n, "f": 0.5} for n in range(14)]
    with source_answering(*records) as (source, port):
        allowed(port)
        answer = post(make.caller(TEST, RAW), f"sources/{source.pk}/sample/", endpoint="surveys").json()

    assert answer["endpoint"] == "surveys"
    assert answer["records"] == records[:10]
    assert answer["columns"] == [
        {"name": "id", "kinds": ["integer"]},
        {"name": "name", "kinds": ["text", "null"]},
        {"name": "tags", "kinds": ["list"]},
        {"name": "big", "kinds": ["integer"]},
        {"name": "f", "kinds": ["number"]},
    ]


def test_without_a_name_the_first_endpoint_is_sampled_and_none_is_no_error(allowed):
    with source_answering() as (source, port):
        allowed(port)
        answer = post(make.caller(TEST, RAW), f"sources/{source.pk}/sample/").json()

    assert answer == {"endpoint": "surveys", "columns": [], "records": []}


def test_an_unknown_endpoint_is_refused_with_those_that_there_are():
    source = make.source()

    response = post(make.caller(TEST, RAW), f"sources/{source.pk}/sample/", endpoint="survey")

    assert response.status_code == 400
    assert "It has: surveys, responses." in response.json()["detail"]


def test_a_source_that_refuses_us_is_a_problem_with_advice(allowed):
    with source_answering(status=403) as (source, port):
        allowed(port)
        response = post(make.caller(TEST, RAW), f"sources/{source.pk}/sample/")

    assert (response.status_code, response.json()["code"]) == (502, "source_auth")
    assert response.json()["advice"]


def test_an_address_that_is_not_allowed_is_not_called():
    source = make.source(url="http://127.0.0.1:9")

    response = post(make.caller(TEST, RAW), f"sources/{source.pk}/sample/")

    assert (response.status_code, response.json()["code"]) == (409, "source_config")


@pytest.mark.parametrize(
    ("method", "path", "held"),
    [
        ("get", "connectors/", (SEE, TEST, RAW)),
        ("post", "connectors/validate/", (SEE, TEST, RAW)),
        ("get", "sources/", (TEST, RAW)),
        ("post", "sources/{}/test/", (SEE, RAW)),
        ("post", "sources/{}/sample/", (SEE, TEST)),
        ("post", "sources/{}/sample/", (SEE, RAW)),
        ("post", "sources/{}/start/", (SEE, TEST, RAW)),
    ],
)
def test_each_verb_needs_its_own_permission(method, path, held):
    client = make.caller(*held)

    response = getattr(client, method)(f"/api/{path.format(make.source().pk)}")

    assert (response.status_code, response.json()["code"]) == (403, "permission_denied")
