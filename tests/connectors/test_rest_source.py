""" "Test connection", what a source says of itself, and that no secret ever leaves it."""

import socket
import threading
from typing import Any

import pytest

from connectors.protocol import CheckStep, Fault, Partitioning, ReadRequest, Source, SourceError
from connectors.rest.gate import Gate
from connectors.rest.source import RestSource
from connectors.secrets import IN_USE
from tests.doubles.source import TOKEN, Call, FakeTime, Reply, manifest_of, ok, open_scripted, read_all, scripted

ENDPOINTS = """
- name: answers
  title: Answers
  description: What people said.
  path: /surveys/{{ parent.id }}/answers
  records: data
  partition: {by: parent, endpoint: surveys}
  key: [id]
  depth: 2
  types: {at: timestamp}
  tables: [{name: choices, path: form.choices, description: Choices., depth: 1}]
- name: surveys
  title: Surveys
  path: /surveys
  params: {key: canary-in-query}
  records: data
  pagination: {style: page, size_param: size, size: 2, total_path: total}
  cursor: {field: at, param: since}
- name: days
  path: /days/{{ partition.start }}
  records: data
  partition: {by: date, start: 2024-01-01}
"""
BEARER = "{style: bearer}"


def check(answer: Any, *, token: str = TOKEN, gate: Gate | None = None) -> list[CheckStep]:
    with scripted(answer) as server:
        source = RestSource(
            manifest_of(ENDPOINTS, auth=BEARER, more="client: {attempts: 2}"),
            settings={"base_url": server.url},
            credentials={"token": token},
            gate=gate or Gate(["127.0.0.1:*"]),
            clock=FakeTime().clock(),
        )
        return list(source.check())


def test_a_good_source_passes_every_step() -> None:
    steps = check(lambda _: ok({"data": [{"id": 1}, {"id": 2}], "total": 2}))

    assert [(step.name, step.ok) for step in steps] == [
        ("Address", True),
        ("Connection", True),
        ("Login", True),
        ("First page of 'Surveys'", True),
    ]
    assert steps[-1].detail.startswith("2 records in ")


@pytest.mark.parametrize(
    ("reply", "failed", "words"),
    [
        (Reply(b"{}", status=401), "Login", "refused our login (401) at 'Surveys', page 1."),
        (Reply(b"{}", status=403), "Login", "refused us access (403)"),
        (Reply(b"{}", status=404), "First page of 'Surveys'", "knows no such address (404)"),
        (Reply(b"<html>"), "First page of 'Surveys'", "a web page (HTML) instead of JSON. Tried 2 times."),
        (ok({"items": []}), "First page of 'Surveys'", "it holds items"),
    ],
)
def test_the_step_that_fails_is_the_last_and_says_what_to_do(reply: Reply, failed: str, words: str) -> None:
    steps = check(lambda _: reply)

    assert (steps[-1].name, steps[-1].ok) == (failed, False)
    assert words in steps[-1].detail
    assert steps[-1].advice
    assert all(step.ok for step in steps[:-1])


def test_a_closed_gate_fails_at_the_address() -> None:
    steps = check(lambda _: ok({}), gate=Gate())

    assert [(step.name, step.ok) for step in steps] == [("Address", False)]


def test_a_missing_setting_or_credential_fails_without_a_call() -> None:
    assert [(s.name, s.ok) for s in check(lambda _: ok({}), token=" ")] == [("Login", False)]
    source = RestSource(manifest_of(ENDPOINTS), settings={}, credentials={}, gate=Gate(), clock=FakeTime().clock())
    (step,) = source.check()
    assert (step.name, step.ok) == ("Address", False)
    assert 'needs a value for "Address"' in step.detail


def test_nobody_at_the_address_fails_at_the_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    source = RestSource(
        manifest_of(ENDPOINTS, auth=BEARER),
        settings={"base_url": url},
        credentials={"token": TOKEN},
        gate=Gate(["127.0.0.1:*"]),
    )

    steps = list(source.check())

    assert [(step.name, step.ok) for step in steps] == [("Address", True), ("Connection", False)]
    assert "connection refused" in steps[-1].detail


def test_a_source_describes_its_endpoints_and_tables() -> None:
    with scripted(lambda _: ok({})) as server:
        source: Source = open_scripted(server, manifest_of(ENDPOINTS))
        answers, surveys, days = source.discover()

        assert server.calls == []
    assert [endpoint.partitioning for endpoint in (answers, surveys, days)] == [
        Partitioning.PARENT,
        Partitioning.NONE,
        Partitioning.STATIC,
    ]
    assert [endpoint.incremental for endpoint in (answers, surveys, days)] == [False, True, False]
    own, choices = answers.tables
    assert (own.name, own.description, own.key, own.depth) == ("answers", "What people said.", ("id",), 2)
    assert own.types == {"at": "timestamp"}
    assert (choices.name, choices.array_path, choices.depth) == ("answers__choices", ("form", "choices"), 1)
    assert (surveys.tables[0].cursor, surveys.tables[0].array_path) == ("at", ())


def test_an_unknown_endpoint_is_named() -> None:
    with scripted(lambda _: ok({})) as server, pytest.raises(SourceError, match='no endpoint "nope"'):
        read_all_of(open_scripted(server, manifest_of(ENDPOINTS)), "nope")


def read_all_of(source: RestSource, endpoint: str) -> None:
    list(source.read(ReadRequest(endpoint=endpoint), stop=lambda: False))


TROUBLE = {
    "401": Reply(b'{"error": "canary-in-body"}', status=401),
    "400": Reply(b'{"error": "canary-in-body"}', status=400),
    "500": Reply(b'{"error": "canary-in-body"}', status=500),
    "429": Reply(b"canary-in-body", status=429, headers={"Retry-After": "400"}),
    "shape": ok({"rows": {"data": "canary-in-body"}, "total": "canary-in-body"}),
    "json": Reply(b'{"data": ["canary-in-body"'),
    "redirect": Reply(status=302, headers={"Location": "https://other.example:99/canary?canary-in-link"}),
    "reset": Reply(reset=True),
    "charset": Reply(b'{"data": ["canary-in-body\xff"]}'),
}


@pytest.mark.parametrize("trouble", TROUBLE)
def test_no_error_holds_a_query_a_token_or_a_body(trouble: str) -> None:
    with scripted(lambda _: TROUBLE[trouble]) as server:
        source = open_scripted(server, manifest_of(ENDPOINTS, auth=BEARER), credentials={"token": TOKEN})
        with pytest.raises(SourceError) as caught:
            read_all(source, "surveys")

    error: BaseException | None = caught.value
    while error is not None:
        assert "canary" not in str(error) + repr(error)
        error = error.__cause__ or error.__context__
    assert "canary" not in caught.value.advice
    assert TOKEN not in repr(source.__dict__)


def test_secrets_are_known_to_the_log_filter_while_a_source_is_open() -> None:
    with scripted(lambda _: ok({"data": [], "total": 0})) as server:
        own = "a-token-of-this-test"
        source = open_scripted(server, manifest_of(ENDPOINTS, auth=BEARER), credentials={"token": own})
        read_all(source, "surveys")

        assert own in IN_USE.values()
        source.close()
        source.close()
        assert own not in IN_USE.values()


def test_request_ids_and_bytes_are_kept_with_each_page() -> None:
    reply = ok({"data": [1], "total": 1}, **{"X-Request-Id": "req-17"})

    with scripted(lambda _: reply) as server:
        source = open_scripted(server, manifest_of(ENDPOINTS))
        (page,) = read_all(source, "surveys")

    assert (page.request_id, page.wire_bytes) == ("req-17", len(reply.body))
    assert source.usage.wire_bytes == len(reply.body)


def test_an_abandoned_reading_leaves_no_threads() -> None:
    def answer(call: Call) -> Reply:
        return ok({"data": [1, 2], "page": call.params["page"], "total": 1000})

    before = threading.active_count()
    with scripted(answer) as server:
        parsed = manifest_of(ENDPOINTS.replace("title: Surveys", "title: Surveys\n  in_flight: 6"))
        source = open_scripted(server, parsed)
        reading = source.read(ReadRequest(endpoint="surveys"), stop=lambda: False)
        next(reading)
        reading.close()
        source.close()
        for thread in threading.enumerate():
            if thread.name.startswith("fetch-surveys"):
                thread.join(5)

    assert not [thread for thread in threading.enumerate() if thread.name.startswith("fetch-surveys")]
    assert threading.active_count() <= before + 8


def test_a_source_can_be_read_again_after_an_abandoned_reading() -> None:
    def answer(call: Call) -> Reply:
        page = int(call.params["page"])
        return ok({"data": [page * 2, page * 2 + 1], "total": 20})

    with scripted(answer) as server:
        source = open_scripted(server, manifest_of(ENDPOINTS))
        next(source.read(ReadRequest(endpoint="surveys"), stop=lambda: False))

        assert len(read_all(source, "surveys")) == 10


def test_faults_tell_what_to_do() -> None:
    transient = SourceError("x", fault=Fault.RATE_LIMITED, retry_after=5)

    assert transient.transient
    assert not SourceError("x", fault=Fault.AUTH).transient
