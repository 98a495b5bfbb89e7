"""What watches us gets answers: from the web without login, from workers by a port of their own; and no secrets."""

import json
import threading
import time
import urllib.error
import urllib.request

import pytest
from django.test import Client

from config.observing import pages, probes
from config.observing.port import listen
from config.observing.probes import PROBES, Watch
from runs.shutdown import shutting_down

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def watch(monkeypatch) -> Watch:
    """A watch that remembers nothing."""
    fresh = Watch(holds=0)
    monkeypatch.setattr(pages, "WATCH", fresh)
    probes._migrated.clear()
    return fresh


def test_a_web_process_is_alive_for_any_host_name_and_without_login(client: Client):
    answer = client.get("/health/live", headers={"host": "10.1.2.3"})

    assert (answer.status_code, answer.json()["status"]) == (200, "alive")


def test_it_is_ready_when_all_that_it_stands_on_answers(client: Client, watch):
    answer = client.get("/health/ready")

    assert answer.status_code == 200, answer.content
    assert [check["name"] for check in answer.json()["checks"]] == list(PROBES)
    assert "no-store" in answer.headers["Cache-Control"]


def test_a_broker_that_is_away_is_named_with_what_to_do_and_without_its_address(client: Client, watch, settings):
    settings.REDIS_URL = "redis://:hunter2secret@127.0.0.1:1/0"

    answer = client.get("/health/ready")

    assert answer.status_code == 503
    failing = [check for check in answer.json()["checks"] if not check["ok"]]
    assert [check["name"] for check in failing] == ["broker"]
    assert "REDIS_URL" in failing[0]["advice"]
    assert b"hunter2" not in answer.content
    assert b"127.0.0.1" not in answer.content


def test_a_store_and_a_warehouse_that_cannot_be_opened_are_named(client: Client, watch, settings):
    settings.STAGING_URL = "file:///proc/nowhere/staging"
    settings.WAREHOUSE_URL = "postgresql://nobody:hunter2secret@127.0.0.1:1/none"

    answer = client.get("/health/ready")

    failing = {check["name"] for check in answer.json()["checks"] if not check["ok"]}
    assert "warehouse" in failing
    assert b"hunter2" not in answer.content


def test_a_probe_that_hangs_is_reported_in_time_and_not_begun_twice():
    begun = []
    over = threading.Event()
    slow = Watch({"database": lambda: (begun.append(1), over.wait(20))}, holds=0)

    started = time.monotonic()
    answers = slow.answers(), slow.answers()
    over.set()

    assert time.monotonic() - started < 6
    assert [one.ok for found in answers for one in found] == [False, False]
    assert "No answer" in answers[0][0].problem
    assert len(begun) == 1


def test_answers_hold_for_a_while():
    asked = []
    watch = Watch({"database": lambda: asked.append(1)}, holds=60)

    watch.answers()
    watch.answers()

    assert len(asked) == 1


def test_a_process_that_was_told_to_stop_is_not_ready(client: Client, watch):
    shutting_down.set()
    try:
        answer = client.get("/health/ready")
    finally:
        shutting_down.clear()

    assert (answer.status_code, answer.json()["status"]) == (503, "stopping")


def test_the_port_of_a_worker_says_what_it_knows_and_takes_the_next_number_beside_a_neighbour(watch, settings):
    settings.METRICS_TOKEN = ""
    first = listen(lambda: {"kind": "worker", "threads_alive": 2}, host="127.0.0.1", first=19170)
    second = listen(lambda: {"kind": "worker", "threads_alive": 0}, host="127.0.0.1", first=19170)
    assert first
    assert second
    try:
        assert second.server_port > first.server_port
        status, body = _get(first.server_port, "/health/ready")
        assert (status, json.loads(body)["threads_alive"]) == (200, 2)
        assert _get(second.server_port, "/health/ready")[0] == 503, "a worker without threads is not ready"
        assert _get(first.server_port, "/elsewhere")[0] == 404
        status, body = _get(first.server_port, "/metrics")
        assert status == 200
        assert b"headgate_runs_open" in body
    finally:
        for port in (first, second):
            port.shutdown()
            port.server_close()


def test_no_port_is_opened_without_the_setting(settings):
    settings.HEALTH_PORT = None

    assert listen(dict) is None


def _get(port: int, path: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
