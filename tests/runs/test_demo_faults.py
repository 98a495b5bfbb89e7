"""The demo source server when it is switched to be slow, faulty, empty or inconsistent."""

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

from runs.demo.running import DemoServerError, RunningServer, start_server
from runs.demo.switches import Switches
from tests.runs.test_demo_server import get, linked

GOOD = {"Authorization": "Bearer demo-token"}
CREDENTIALS = {"grant_type": "client_credentials", "client_id": "demo", "client_secret": "demo-secret"}
FEBRUARY = {"from": "2013-02-01", "to": "2013-03-01"}


@pytest.fixture(scope="module")
def running() -> Iterator[RunningServer]:
    with start_server() as server:
        yield server


@pytest.fixture
def server(running: RunningServer) -> RunningServer:
    running.control(**Switches().as_json())
    running.reset_stats()
    return running


@pytest.fixture
def client(server: RunningServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, headers=GOOD, trust_env=False) as client:
        yield client


@pytest.mark.parametrize(("style", "header"), [("seconds", "7"), ("none", None)])
def test_too_many_calls_say_when_to_come_back(
    client: httpx.Client, server: RunningServer, style: str, header: str | None
) -> None:
    server.control(rate_429=1, retry_after=7, retry_after_style=style)

    response = client.get("/v1/airlines")

    assert response.status_code == 429
    assert response.headers.get("Retry-After") == header


def test_too_many_calls_may_name_a_date(client: httpx.Client, server: RunningServer) -> None:
    server.control(rate_429=1, retry_after=60, retry_after_style="date")

    wait = parsedate_to_datetime(client.get("/v1/airlines").headers["Retry-After"]) - datetime.now(UTC)

    assert timedelta(seconds=57) < wait <= timedelta(seconds=61)


def test_a_truncated_answer_is_shorter_than_it_says(client: httpx.Client, server: RunningServer) -> None:
    server.control(rate_truncated=1)

    with pytest.raises(httpx.RemoteProtocolError, match=r"received 395 bytes, expected 790"):
        client.get("/v1/airlines")
    assert server.stats()["faults"] == {"truncated": 1}


def test_a_reset_connection_gets_no_answer(client: httpx.Client, server: RunningServer) -> None:
    server.control(rate_reset=1)

    with pytest.raises(httpx.ReadError):
        client.get("/v1/airlines")
    assert server.stats()["calls"] == {"/v1/airlines": {"reset": 1}}


def test_html_comes_with_status_200(client: httpx.Client, server: RunningServer) -> None:
    server.control(rate_html=1)

    response = client.get("/v1/airlines")

    assert (response.status_code, response.headers["Content-Type"]) == (200, "text/html; charset=utf-8")


def test_faults_come_again_with_the_same_seed(client: httpx.Client, server: RunningServer) -> None:
    def statuses(seed: int, pages: list[int]) -> dict[int, list[int]]:
        server.control(rate_500=0.3, rate_429=0.2, seed=seed)
        return {page: [client.get(f"/v1/bench?page={page}&per_page=1").status_code for _ in range(3)] for page in pages}

    pages = list(range(1, 41))
    first, again, other = statuses(5, pages), statuses(5, pages[::-1]), statuses(6, pages)
    drawn = [status for three in first.values() for status in three]

    assert first == again
    assert first != other
    assert 20 <= drawn.count(500) <= 45
    assert 10 <= drawn.count(429) <= 40


def test_every_fault_is_counted_and_control_never_meets_one(client: httpx.Client, server: RunningServer) -> None:
    server.control(rate_500=0.5, rate_html=0.5)
    drawn = [client.get("/v1/airlines") for _ in range(40)]
    html = sum(response.headers["Content-Type"].startswith("text/html") for response in drawn)
    failed = sum(response.status_code == 500 for response in drawn)

    stats = server.stats()

    assert stats["faults"] == {"500": failed, "html": html}
    assert stats["calls"] == {"/v1/airlines": {"200": 40 - failed, "500": failed}}
    server.control(rate_500=1, rate_reset=1, rate_429=1)
    assert [server.control()["rate_500"] for _ in range(20)] == [1] * 20


def test_latency_holds_each_answer_back_but_not_the_others(client: httpx.Client, server: RunningServer) -> None:
    server.control(latency_ms=200)
    began = time.monotonic()

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda page: client.get(f"/v1/airlines?page={page}"), range(1, 5)))

    assert 0.2 <= time.monotonic() - began < 0.6
    assert [response.json()["meta"]["page"] for response in answers] == [1, 2, 3, 4]
    assert server.stats()["most_in_flight"] == 4


def test_an_empty_endpoint_answers_no_records(client: httpx.Client, server: RunningServer) -> None:
    server.control(empty=["airlines", "flights", "weather", "planes", "summary"])

    assert get(client, "/v1/airlines") == {"data": [], "meta": {"page": 1, "pages": 0, "total": 0}}
    assert get(client, "/v1/flights", **FEBRUARY) == {"data": {"flights": []}, "links": {"next": None}}
    assert get(client, "/v1/planes") == {"planes": [], "next_cursor": None}
    assert linked(client, "/v1/weather") == []
    assert client.get("/v1/airports/JFK/summary").status_code == 404
    assert get(client, "/v1/airports")["total"] == 1458


def test_a_field_drifts_from_its_page_on(client: httpx.Client, server: RunningServer) -> None:
    server.control(drift=[["flights", "departure.delay", 2, "late"], ["flights", "gate", 3, 12]])

    pages = [get(client, "/v1/flights", page=page, per_page=2)["data"]["flights"] for page in (1, 2, 3)]

    assert [[one["departure"]["delay"] for one in page] for page in pages] == [[2, 4], ["late"] * 2, ["late"] * 2]
    assert ["gate" in page[0] for page in pages] == [False, False, True]


@pytest.mark.parametrize(
    "switches",
    [
        {"rate_404": 1},
        {"rate_500": 1.5},
        {"rate_500": True},
        {"empty": ["cars"]},
        {"drift": [["flights", "x", 0, 1]]},
        {"retry_after_style": "soon"},
        {"seed": "one"},
    ],
)
def test_a_wrong_switch_changes_nothing(server: RunningServer, switches: dict[str, Any]) -> None:
    before = server.control()

    with pytest.raises(DemoServerError, match=next(iter(switches))):
        server.control(latency_ms=5, **switches)
    assert server.control() == before


def test_calls_sent_at_once_on_one_connection_are_answered_in_turn(server: RunningServer) -> None:
    server.control(latency_ms=30)
    calls = [
        f"GET /v1/airlines?page={page}&per_page=1 HTTP/1.1\r\nAuthorization: Bearer demo-token\r\n"
        for page in (1, 2, 3)
    ]

    received = talk(
        server, "\r\n".join([*calls, ""]).replace("\r\n\r\nGET", "\r\n\r\nGET") + "Connection: close\r\n\r\n"
    )

    assert [received.index(f'"page":{page},') for page in (1, 2, 3)] == sorted(
        received.index(f'"page":{page},') for page in (1, 2, 3)
    )


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ("nonsense\r\n\r\n", "400"),
        ("GET / HTTP/2\r\n\r\n", "505"),
        ("POST /oauth/token HTTP/1.1\r\nContent-Length: x\r\n\r\n", "400"),
        ("POST /oauth/token HTTP/1.1\r\nContent-Length: 9999999\r\n\r\n", "413"),
        ("POST /oauth/token HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", "411"),
        ("GET / HTTP/1.1\r\nX: " + "x" * 70_000, "431"),
    ],
)
def test_an_unreadable_call_is_refused_and_the_server_lives(server: RunningServer, sent: str, status: str) -> None:
    assert talk(server, sent).startswith(f"HTTP/1.1 {status} ")
    assert server.stats()["calls"] == {}


def talk(server: RunningServer, sent: str) -> str:
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(sent.encode())
        received = b""
        while piece := connection.recv(65_536):
            received += piece
    return received.decode()
