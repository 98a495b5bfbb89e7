"""The demo source server, over its real wire: every endpoint's pages against the rows it promises, and tokens."""

import json
import re
import time
from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from typing import Any

import httpx
import pytest

from runs.demo import expected
from runs.demo.running import RunningServer, start_server
from runs.demo.switches import Switches

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


def get(client: httpx.Client, path: str, **params: Any) -> Any:
    response = client.get(path, params=params or None)  # {} would cut the query of a link
    assert response.status_code == 200, response.text
    return json.loads(response.text, parse_float=Decimal)


def followed(client: httpx.Client, path: str, **params: Any) -> list[dict[str, Any]]:
    """All flights of a window, by the next link in the body."""
    found: list[dict[str, Any]] = []
    answer = get(client, path, **params)
    for _ in range(500):
        found += answer["data"]["flights"]
        if answer["links"]["next"] is None:
            return found
        answer = get(client, answer["links"]["next"])
    raise AssertionError("The next links do not end.")


def linked(client: httpx.Client, path: str, **params: Any) -> list[dict[str, Any]]:
    """All records of an endpoint that answers bare arrays, by the Link header."""
    response = client.get(path, params=params or None)
    found = response.json()
    while "next" in response.links:
        response = client.get(response.links["next"]["url"])
        found += response.json()
    return found


def same(records: list[dict[str, Any]], rows: Iterator[dict[str, Any]]) -> None:
    wanted = list(rows)
    columns = list(wanted[0])
    assert expected.digest(map(expected.flat, records), columns) == expected.digest(wanted, columns)
    assert {tuple(expected.flat(record)) for record in records} == {tuple(columns)}


def test_airlines_come_by_page_number(client: httpx.Client) -> None:
    answers = [get(client, "/v1/airlines", page=page, per_page=6) for page in (1, 2, 3, 4)]

    assert [len(answer["data"]) for answer in answers] == [6, 6, 4, 0]
    assert answers[2]["meta"] == {"page": 3, "pages": 3, "total": 16}
    same([one for answer in answers for one in answer["data"]], expected.airlines())


def test_airports_come_by_offset(client: httpx.Client) -> None:
    answers = [get(client, "/v1/airports", offset=offset, limit=500) for offset in (0, 500, 1000)]

    assert {answer["total"] for answer in answers} == {1458}
    assert answers[0]["items"][0] == {
        "faa": "04G",
        "name": "Lansdowne Airport",
        "location": {"lat": Decimal("41.1304722"), "lon": Decimal("-80.6195833"), "alt": 1044},
        "timezone": {"tz": -5, "dst": "A", "tzone": "America/New_York"},
    }
    same([one for answer in answers for one in answer["items"]], expected.airports())


def test_planes_come_by_cursor(client: httpx.Client) -> None:
    found, cursor = [], ""
    while cursor is not None:
        answer = get(client, "/v1/planes", limit=1000, cursor=cursor)
        found += answer["planes"]
        cursor = answer["next_cursor"]

    same(found, expected.planes())
    assert found[0]["speed"] is None


def test_weather_comes_as_bare_arrays_by_link_header(client: httpx.Client, server: RunningServer) -> None:
    found = linked(client, "/v1/weather", per_page=10_000)

    same(found, expected.weather())
    assert len(found) == 26_115
    assert server.stats()["calls"] == {"/v1/weather": {"200": 3}}


def test_flights_of_a_window_come_by_next_link(client: httpx.Client) -> None:
    found = followed(client, "/v1/flights", **FEBRUARY, per_page=10_000)

    assert len(found) == 24_951
    delays = [
        {"_parent_id": one["id"], "_index": index, **delay}
        for one in found
        for index, delay in enumerate(one.pop("delays"))
    ]
    same(delays, expected.flights__delays(first="2013-02-01", end="2013-03-01"))
    same(found, expected.flights(first="2013-02-01", end="2013-03-01"))


def test_the_first_flight_is_answered_as_documented(client: httpx.Client) -> None:
    answer = get(client, "/v1/flights", per_page=1)

    assert answer["data"]["flights"] == [
        {
            "id": 1,
            "date": "2013-01-01",
            "carrier": "UA",
            "flight": 1545,
            "tailnum": "N14228",
            "origin": "EWR",
            "dest": "IAH",
            "air_time": 227,
            "distance": 1400,
            "scheduled_at": "2013-01-01T10:00:00Z",
            "updated_at": "2013-01-01T10:00:00Z",
            "departure": {"scheduled": 515, "actual": 517, "delay": 2},
            "arrival": {"scheduled": 819, "actual": 830, "delay": 11},
            "delays": [],
        }
    ]


def test_all_flights_are_in_the_monthly_windows_once(client: httpx.Client) -> None:
    starts = [f"2013-{month:02d}-01" for month in range(1, 13)] + ["2014-01-01"]
    ids: list[int] = []

    for first, end in pairwise(starts):
        for page in range(1, 5):
            content = client.get(f"/v1/flights?from={first}&to={end}&per_page=10000&page={page}").content
            assert all(first <= day.decode() < end for day in set(re.findall(rb'"date":"([^"]+)"', content)))
            ids += map(int, re.findall(rb'{"id":(\d+),', content))

    assert sorted(ids) == list(range(1, 336_777))


def test_a_window_over_a_month_end_is_in_order_of_date(client: httpx.Client) -> None:
    found = followed(client, "/v1/flights", **{"from": "2013-09-30", "to": "2013-10-02"}, per_page=700)

    assert [one["date"] for one in found] == sorted(one["date"] for one in found)
    assert {one["date"] for one in found} == {"2013-09-30", "2013-10-01"}


def test_updated_since_leaves_older_flights_and_weather_out(client: httpx.Client) -> None:
    since = "2013-12-31T03:00:00Z"

    flights = followed(client, "/v1/flights", updated_since=since, per_page=300)
    weather = linked(client, "/v1/weather", updated_since="2013-12-30T20:00:00Z", per_page=5)

    assert {one["id"] for one in flights} == {one["id"] for one in expected.flights(since=since)}
    same(weather, expected.weather(since="2013-12-30T20:00:00Z"))


def test_airport_summaries_are_404_without_flights(client: httpx.Client) -> None:
    january = {"faa": "JFK", "departures": 111_279, "arrivals": 0}

    assert get(client, "/v1/airports/JFK/summary") == {"summary": january}
    assert get(client, "/v1/airports/LAX/summary")["summary"]["arrivals"] == 16_174
    assert client.get("/v1/airports/04G/summary").status_code == 404


@pytest.mark.parametrize("page", [1, 2, 101, 1000])
def test_bench_rows_follow_from_their_ids(client: httpx.Client, page: int) -> None:
    answer = get(client, "/v1/bench", page=page, per_page=1000)

    same(answer["data"], expected.bench_rows(page * 1000 - 999, page * 1000))
    assert answer["meta"] == {"page": page, "pages": 1000, "total": 1_000_000}


def test_bench_rows_may_be_many_and_pages_odd(client: httpx.Client) -> None:
    answer = get(client, "/v1/bench", page=4321, per_page=2345, rows=10_132_000)

    assert answer["data"][0]["id"] == 4320 * 2345 + 1
    same(answer["data"], expected.bench_rows(4320 * 2345 + 1, 10_132_000))
    assert get(client, "/v1/bench", rows=0) == {"data": [], "meta": {"page": 1, "pages": 0, "total": 0}}


def test_bench_records_are_about_368_bytes_of_12_fields(client: httpx.Client) -> None:
    response = client.get("/v1/bench", params={"page": 50, "per_page": 1000})
    records = response.json()["data"]

    assert 360 < len(response.content) / 1000 < 376
    assert {len(one) for one in records} == {12}
    assert {type(one["note"]) for one in records} == {str, type(None)}


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("/v1/airlines", {"per_page": "0"}),
        ("/v1/airlines", {"per_page": "10001"}),
        ("/v1/airports", {"offset": "-1"}),
        ("/v1/planes", {"cursor": "bm9uc2Vuc2U="}),
        ("/v1/planes", {"cursor": "é"}),
        ("/v1/weather", {"updated_since": "yesterday"}),
        ("/v1/flights", {"from": "2013-02-30"}),
        ("/v1/flights", {"from": "2013-03-01", "to": "2013-02-01"}),
    ],
)
def test_a_wrong_parameter_is_named(client: httpx.Client, path: str, params: dict[str, str]) -> None:
    response = client.get(path, params=params)

    assert response.status_code == 400
    assert any(name in response.json()["message"] for name in params)


def test_no_token_no_data(client: httpx.Client, server: RunningServer) -> None:
    answers = [
        client.get("/v1/airlines", headers={"Authorization": given}) for given in ("", "Bearer x", "Basic demo-token")
    ]

    assert {response.status_code for response in answers} == {401}
    assert answers[0].json()["error"] == "invalid_token"
    assert server.stats()["calls"]["/v1/airlines"] == {"401": 3}


def test_an_issued_token_opens_until_its_calls_are_used_up(client: httpx.Client, server: RunningServer) -> None:
    server.control(token_requests=2)
    issued = client.post("/oauth/token", data=CREDENTIALS).json()
    header = {"Authorization": f"Bearer {issued['access_token']}"}

    statuses = [client.get("/v1/airlines", headers=header).status_code for _ in range(3)]

    assert (issued["token_type"], issued["expires_in"]) == ("Bearer", 3600)
    assert statuses == [200, 200, 401]
    assert server.stats()["tokens_issued"] == 1


def test_an_issued_token_ends_with_its_time(client: httpx.Client, server: RunningServer) -> None:
    server.control(token_ttl=0.2)
    header = {"Authorization": f"Bearer {client.post('/oauth/token', data=CREDENTIALS).json()['access_token']}"}

    before = client.get("/v1/airlines", headers=header).status_code
    time.sleep(0.25)

    assert (before, client.get("/v1/airlines", headers=header).status_code) == (200, 401)


def test_the_fixed_token_can_be_revoked(client: httpx.Client, server: RunningServer) -> None:
    server.control(fixed_token_valid=False)

    assert client.get("/v1/airlines").status_code == 401


def test_a_wrong_client_gets_no_token(client: httpx.Client, server: RunningServer) -> None:
    response = client.post("/oauth/token", data=CREDENTIALS | {"client_secret": "wrong"})

    assert (response.status_code, response.json()["error"]) == (401, "invalid_client")
    assert server.stats()["tokens_issued"] == 0


def test_every_answer_has_its_own_request_id(client: httpx.Client, server: RunningServer) -> None:
    answers = [
        client.get(path) for path in ("/v1/airlines", "/v1/airlines", "/v1/none", "/_stats", "/v1/flights?from=x")
    ]

    assert len({response.headers["X-Request-Id"] for response in answers}) == 5
    assert server.stats()["calls"]["(unknown)"] == {"404": 1}


def test_summaries_are_those_of_the_server(client: httpx.Client) -> None:
    rows = list(expected.summaries())

    found = [get(client, f"/v1/airports/{row['faa']}/summary")["summary"] for row in rows]

    assert found == rows
    assert len(rows) == 103
