"""Every error of the API is a problem: who asked for what, in one shape, without anything that must stay inside."""

import logging

import pytest
from django.db import OperationalError
from rest_framework.test import APIClient

from connectors.manifest import ManifestError, Problem
from connectors.protocol import Fault, SourceError
from connectors.secrets import SealError
from ingestion.errors import ConfigFault, TransientError
from runs.api.problems import problem_of
from runs.api.views import RunViewSet
from runs.errors import Refused
from tests import factories as make

pytestmark = pytest.mark.django_db
MEMBERS = {"type", "title", "status", "detail", "code", "instance", "request_id"}


def assert_problem(response, status, code):
    assert response["Content-Type"] == "application/problem+json"
    body = response.json()
    assert body.keys() >= MEMBERS
    assert (response.status_code, body["status"], body["code"]) == (status, status, code)
    assert body["type"] == f"urn:headgate:problem:{code}"
    assert response["X-Request-ID"] == body["request_id"]
    return body


def test_without_a_login_the_answer_is_401_with_a_challenge():
    response = APIClient().get("/api/runs/")

    assert_problem(response, 401, "not_authenticated")
    assert response["WWW-Authenticate"].startswith("Basic")


def test_a_wrong_password_is_401_and_a_right_one_works():
    make.person("runs.view_run", password="correct horse battery")
    client = APIClient()

    wrong = client.get("/api/runs/", headers={"Authorization": "Basic YW5uYTp3cm9uZw=="})  # anna:wrong
    client.credentials(HTTP_AUTHORIZATION="Basic YW5uYTpjb3JyZWN0IGhvcnNlIGJhdHRlcnk=")  # anna:correct horse battery
    right = client.get("/api/runs/")

    assert_problem(wrong, 401, "authentication_failed")
    assert right.status_code == 200


def test_a_session_without_its_csrf_token_changes_nothing():
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(make.person("connectors.start_run"))

    response = client.post("/api/runs/", {"source": make.source().pk, "type": "incremental"})

    assert "CSRF" in assert_problem(response, 403, "permission_denied")["detail"]


def test_a_missing_permission_is_named_as_the_admin_names_it():
    response = make.caller().get("/api/runs/")

    detail = assert_problem(response, 403, "permission_denied")["detail"]
    assert "“Can view API run” (runs.view_run)" in detail


def test_a_run_that_is_not_there_is_404():
    client = make.caller("runs.view_run")

    assert assert_problem(client.get("/api/runs/4711/"), 404, "not_found")["detail"] == "There is no API run 4711."
    assert_problem(client.get("/api/runs/4711/tasks/"), 404, "not_found")


@pytest.mark.parametrize("path", ["/api/runz/", "/api/runs/abc/", "/api/runs/1/nothing/"])
def test_an_unknown_address_below_the_api_is_a_problem(path):
    assert assert_problem(make.caller("runs.view_run").get(path), 404, "not_found")["instance"] == path


def test_a_run_number_too_large_for_the_database_is_404():
    assert_problem(make.caller("runs.view_run").get(f"/api/runs/{'9' * 18}/"), 404, "not_found")


def test_an_unknown_address_elsewhere_is_the_usual_page():
    response = APIClient().get("/nowhere/")

    assert response.status_code == 404
    assert "json" not in response["Content-Type"]


def test_a_verb_that_is_not_offered_is_405():
    assert_problem(make.caller("runs.view_run").delete("/api/runs/"), 405, "method_not_allowed")


def test_a_body_that_is_no_json_is_400():
    client = make.caller("connectors.start_run")

    response = client.post("/api/runs/", b"{not json", content_type="application/json")

    assert_problem(response, 400, "parse_error")


def test_a_body_of_another_kind_is_415():
    client = make.caller("connectors.start_run")

    assert_problem(client.post("/api/runs/", b"<x/>", content_type="text/xml"), 415, "unsupported_media_type")


def test_wrong_fields_are_listed_by_name():
    client = make.caller("connectors.start_run")

    body = assert_problem(client.post("/api/runs/", {"type": "sideways"}), 400, "invalid")

    assert {error["field"] for error in body["errors"]} == {"source", "type"}
    assert '"sideways" is not a valid choice' in body["detail"]


@pytest.mark.parametrize("given", ["req-31548.T07", "a" * 64])
def test_the_clients_request_id_is_kept(given):
    response = make.caller().get("/api/runs/", headers={"X-Request-ID": given})

    assert assert_problem(response, 403, "permission_denied")["request_id"] == given


@pytest.mark.parametrize("given", ["", "a" * 65, "two words", "<script>", "line\\nbreak"])
def test_a_request_id_that_could_forge_a_log_is_replaced(given):
    response = make.caller().get("/api/runs/", headers={"X-Request-ID": given})

    assert len(assert_problem(response, 403, "permission_denied")["request_id"]) == 32


def test_a_fault_of_ours_is_logged_with_its_id_and_says_nothing_more(monkeypatch, caplog):
    def broken(self):
        raise RuntimeError("canary: secret internals")

    monkeypatch.setattr(RunViewSet, "get_queryset", broken)
    client = make.caller("runs.view_run")

    with caplog.at_level(logging.ERROR, "runs.api.problems"):
        response = client.get("/api/runs/")

    body = assert_problem(response, 500, "internal")
    assert b"canary" not in response.content
    assert body["request_id"] in caplog.text
    assert "canary" in caplog.text


def test_the_browsable_page_shows_the_problem_too():
    response = make.caller().get("/api/runs/", headers={"Accept": "text/html"})

    assert response.status_code == 403
    assert response["Content-Type"].startswith("text/html")
    assert b"runs.view_run" in response.content


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Refused("No.", code="busy", run_id=1, blocker_id=2), 409, "busy"),
        (ManifestError([Problem("name", "is missing")]), 409, "manifest"),
        (SourceError("No answer.", fault=Fault.TRANSIENT), 502, "source_transient"),
        (SourceError("401.", fault=Fault.AUTH), 502, "source_auth"),
        (SourceError("429.", fault=Fault.RATE_LIMITED, retry_after=7), 503, "source_rate_limited"),
        (SourceError("Not allowed.", fault=Fault.CONFIG), 409, "source_config"),
        (SealError("Other key."), 409, "sealed"),
        (TransientError("The warehouse is busy."), 503, "warehouse_transient"),
        (ConfigFault("No right."), 409, "warehouse_config"),
        (OperationalError("database is locked"), 503, "database"),
    ],
)
def test_each_error_of_the_domain_has_its_status_and_code(error, status, code):
    problem = problem_of(error, request_id="x")

    assert (problem.status, problem.code) == (status, code)


def test_a_refusal_names_both_runs_and_a_busy_source_says_when_to_come_again():
    refused = problem_of(Refused("No.", code="busy", run_id=1, blocker_id=2), request_id="x")
    limited = problem_of(SourceError("429.", fault=Fault.RATE_LIMITED, retry_after=7), request_id="x")

    assert refused.more == {"run_id": 1, "blocker_id": 2}
    assert limited.headers == {"Retry-After": "7"}
