"""Errors that come about before a view of the batch API: programs get them as JSON, people as pages."""

import pytest
from django.test import Client

from tests.ingestion.access_kit import headers, program, token_of
from tests.runs.test_api_problems import assert_problem

pytestmark = pytest.mark.django_db
LOST = ["/data", "/data/", "/data/core/ups/entities", "/data/foundationX/import", "/data/a\0b"]
METHODS = ["get", "post", "put", "patch", "delete"]
MEANT = [{"x-api-key": "a"}, {"x-gw-ims-org-id": "a"}, {"Authorization": "Bearer a"}]


@pytest.fixture
def client():
    return Client(raise_request_exception=False)


def assert_wire(answer, status, title):
    assert answer.status_code == status
    assert answer["Content-Type"] == "application/json"
    assert answer["X-Request-ID"]
    body = answer.json()
    assert (body["status"], body["title"]) == (status, title)
    assert body["type"] == f"urn:headgate:problem:{title}"
    assert body["detail"]
    return body


@pytest.mark.parametrize("path", LOST)
def test_a_path_below_data_that_leads_nowhere_is_told_in_json(client, path):
    for method in METHODS:
        assert_wire(getattr(client, method)(path), 404, "NotFoundError")


@pytest.mark.parametrize("meant", MEANT)
@pytest.mark.parametrize("path", ["/foundation/import/batches", "/ims/token/v9", "/v1//data/foundation/import"])
def test_any_lost_path_asked_with_a_clients_headers_is_told_in_json(client, path, meant):
    body = assert_wire(client.get(path, headers=meant), 404, "NotFoundError")

    assert path in body["detail"]


@pytest.mark.parametrize("path", ["/data/foundation/import/batches", "/data/foundation/catalog/dataSets", "/data/x"])
def test_an_unknown_host_is_told_in_json_to_programs(client, path):
    given = program()
    answer = client.post(path, headers={**headers(given, token_of(client, given)), "Host": "pushed.example"})

    body = assert_wire(answer, 400, "BadRequestError")
    assert "pushed.example" in body["detail"]
    assert "DJANGO_ALLOWED_HOSTS" in body["detail"]


def test_an_unknown_host_is_told_in_json_where_tokens_are_made(client):
    answer = client.post("/ims/token/v3", headers={"Host": "pushed.example"})

    assert_wire(answer, 400, "BadRequestError")


def test_an_unknown_host_is_a_problem_below_api(client):
    assert_problem(client.get("/api/runs/", headers={"Host": "pushed.example"}), 400, "bad_request")


@pytest.mark.parametrize("meant", [{}, {"Authorization": "Basic a"}])
def test_people_keep_their_pages(client, meant):
    lost = client.get("/nowhere", headers=meant)
    unknown = client.get("/nowhere", headers={**meant, "Host": "pushed.example"})

    assert (lost.status_code, unknown.status_code) == (404, 400)
    assert lost["Content-Type"].startswith("text/html")
    assert unknown["Content-Type"].startswith("text/html")


def test_what_breaks_outside_of_a_view_says_nothing_of_itself(client, monkeypatch):
    def broken(*_):
        raise RuntimeError("a secret of ours")

    monkeypatch.setattr("ingestion.api.base.Nowhere.dispatch", broken)
    answer = client.get("/data/foundation/x")

    body = assert_wire(answer, 500, "InternalServerError")
    assert "secret" not in answer.content.decode()
    assert answer["X-Request-ID"] in body["detail"]
