"""The built-in manifests against the demo server: every endpoint is read whole, also while the server fails."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.manifest import Manifest, parse
from connectors.protocol import Fault, SourceError
from connectors.rest.client import Clock
from connectors.rest.gate import Gate
from connectors.rest.source import RestSource
from runs.demo.running import RunningServer, start_server
from runs.demo.switches import Switches
from tests.doubles.source import read_all, records

LIBRARY = Path(__file__).resolve().parents[2] / "connectors" / "library"
NYC = parse((LIBRARY / "nycflights.yaml").read_text())
OAUTH = parse(
    (LIBRARY / "nycflights.yaml")
    .read_text()
    .replace("style: bearer", 'style: oauth2\n  token_url: "{{ settings.base_url }}/oauth/token"')
)
BENCH = parse((LIBRARY / "bench.yaml").read_text())


@pytest.fixture(scope="module")
def running() -> Iterator[RunningServer]:
    with start_server() as server:
        yield server


@pytest.fixture
def server(running: RunningServer) -> RunningServer:
    running.control(**Switches().as_json())
    running.reset_stats()
    return running


def open_demo(server: RunningServer, manifest: Manifest = NYC, **settings: str) -> RestSource:
    return RestSource(
        manifest,
        settings={"base_url": server.url, **settings},
        credentials={"token": "demo-token", "client_id": "demo", "client_secret": "demo-secret"},
        gate=Gate(["127.0.0.1:*"]),
        clock=Clock(sleep=lambda _: None, steady=iter(range(10**9)).__next__),
    )


@pytest.mark.parametrize(
    ("endpoint", "count"),
    [("airlines", 16), ("airports", 1458), ("planes", 3322), ("weather", 26_115), ("airport_summaries", 103)],
)
def test_every_endpoint_is_read_whole(server: RunningServer, endpoint: str, count: int) -> None:
    source = open_demo(server)

    pages = read_all(source, endpoint)

    assert sum(page.count for page in pages) == count
    assert all(page.request_id for page in pages)
    source.close()


def test_a_month_of_flights_is_one_of_twelve(server: RunningServer) -> None:
    source = open_demo(server)
    parts = source.partitions("flights", since=None, now="2024-01-01T00:00:00Z")

    february = records(read_all(source, "flights", partition=parts[1]))

    assert len(parts) == 12
    assert {flight["date"][:7] for flight in february} == {"2013-02"}
    assert len({flight["id"] for flight in february}) == len(february) == 24_951
    source.close()


def test_an_incremental_read_asks_for_what_changed(server: RunningServer) -> None:
    source = open_demo(server)

    rows = records(read_all(source, "weather", since="2013-12-30T00:00:00Z"))

    assert rows
    assert min(row["time_hour"] for row in rows) >= "2013-12-30T00:00:00Z"
    source.close()


@pytest.mark.parametrize("in_flight", [1, 6])
def test_a_failing_source_loses_and_doubles_nothing(server: RunningServer, in_flight: int) -> None:
    server.control(rate_429=0.1, retry_after=1, rate_500=0.05, rate_truncated=0.05, rate_html=0.05, rate_reset=0.05)
    manifest = parse(
        (LIBRARY / "bench.yaml").read_text().replace("in_flight: 8", f"in_flight: {in_flight}\n  attempts: 12")
    )
    source = open_demo(server, manifest, rows="60000")

    rows = records(read_all(source, "records"))

    assert [row["id"] for row in rows] == list(range(1, 60_001))
    assert source.usage.throttled
    assert source.usage.retried
    source.close()


def test_tokens_that_wear_out_are_renewed(server: RunningServer) -> None:
    server.control(token_requests=3)
    source = open_demo(server, OAUTH)

    assert len(records(read_all(source, "planes"))) == 3322
    assert source.usage.token_refreshes == 3
    source.close()


def test_a_fixed_token_that_ends_is_a_refused_login(server: RunningServer) -> None:
    server.control(fixed_token_valid=False)
    source = open_demo(server)

    with pytest.raises(SourceError, match=r"refused our login \(401\) at 'Planes', page 1") as caught:
        read_all(source, "planes")

    assert caught.value.fault is Fault.AUTH
    source.close()


def test_the_demo_passes_its_check(server: RunningServer) -> None:
    for manifest in (NYC, OAUTH, BENCH):
        source = open_demo(server, manifest)

        assert [step.ok for step in source.check()] == [True, True, True, True]
        source.close()
