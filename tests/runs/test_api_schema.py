"""The description of the API: valid, whole, and true of what is served."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django.urls import get_resolver, resolve
from drf_spectacular.generators import SchemaGenerator

from tests import factories as make

DOCUMENT = Path(settings.BASE_DIR) / "docs" / "api.md"
CALL = re.compile(r'^(?:\w+=\$\()?curl (.*?)"\$API(/[^"?]*)', re.MULTILINE)
VERBS = ("get", "post", "put", "patch", "delete")


@pytest.fixture(scope="module")
def described():
    return SchemaGenerator().get_schema(request=None, public=True)


def operations(schema):
    return [(path, verb, op) for path, item in schema["paths"].items() for verb, op in item.items() if verb in VERBS]


def test_the_description_is_valid_and_without_a_warning(tmp_path):
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(tmp_path / "schema.yml"))

    assert (tmp_path / "schema.yml").stat().st_size > 10_000


def test_every_operation_may_answer_a_problem(described):
    for path, verb, operation in operations(described):
        if not path.startswith("/api/"):
            continue  # the batch API speaks as its clients know it
        content = operation["responses"]["default"]["content"]
        assert content["application/problem+json"]["schema"] == {"$ref": "#/components/schemas/Problem"}, (verb, path)


def test_every_operation_says_what_it_is_for(described):
    silent = [(verb, path) for path, verb, operation in operations(described) if not operation.get("description")]

    assert silent == []


def test_starting_a_run_is_described_with_its_answer(described):
    start = described["paths"]["/api/runs/"]["post"]

    assert set(start["responses"]) == {"201", "default"}
    assert "dry_run" in [parameter["name"] for parameter in start["parameters"]]


def test_lists_are_described_without_a_count(described):
    page = described["components"]["schemas"]["PaginatedRunList"]

    assert page["properties"]["count"]["nullable"] is True


@pytest.mark.django_db
def test_the_description_is_served_to_whoever_is_logged_in(client):
    anonymous = client.get("/api/schema/")
    client.force_login(make.person())

    assert anonymous.status_code == 401
    assert b"/api/runs/" in client.get("/api/schema/").content


@pytest.mark.django_db
def test_the_root_lists_what_there_is():
    answer = make.caller().get("/api/", headers={"Accept": "application/json"}).json()

    assert answer.keys() == {"runs", "data-loads", "sources", "connectors"}


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["runs/", "data-loads/", "sources/", "connectors/"])
def test_every_list_can_be_browsed_without_anything_from_elsewhere(path):
    make.data_load()
    client = make.caller(
        "runs.view_run", "runs.view_dataload", "connectors.view_datasource", "connectors.view_connector"
    )

    page = client.get(f"/api/{path}", headers={"Accept": "text/html"})

    assert page.status_code == 200
    for word in (b'src="http', b'href="//', b"cdn."):
        assert word not in page.content


def test_the_resolver_has_one_door_for_the_api():
    prefixes = [str(pattern.pattern) for pattern in get_resolver().url_patterns]

    assert prefixes.count("api/") == 1


def test_every_call_of_the_documentation_is_one_that_is_offered():
    calls = CALL.findall(DOCUMENT.read_text())

    for options, path in calls:
        found = resolve("/api" + path.replace("$RUN", "1"))
        posts = "-X POST" in options or path.endswith("/validate/")
        view = getattr(found.func, "cls", None)
        offered = getattr(found.func, "actions", None) or [verb for verb in VERBS if hasattr(view, verb)]
        assert ("post" if posts else "get") in offered, path
    assert len(calls) >= 25


def test_every_code_that_the_lifecycle_refuses_with_is_documented():
    code = "".join(
        (Path(settings.BASE_DIR) / "runs/lifecycle" / f"{name}.py").read_text()
        for name in ("starting", "ending", "retryable", "retrying", "caring", "keys")
    )
    refusals = set(re.findall(r'code="(\w+)"', code))
    text = DOCUMENT.read_text()

    assert refusals >= {"busy", "disabled", "not_newest"}
    assert [refusal for refusal in sorted(refusals) if f"`{refusal}`" not in text] == []
