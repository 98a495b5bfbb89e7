"""How patiently a source is called: waits that are asked for, trouble that passes or does not, and stopping."""

import gzip
import threading
import time
from email.utils import formatdate
from typing import Any

import pytest

from connectors.protocol import Fault, ReadRequest, SourceError
from connectors.rest.client import Clock
from connectors.rest.gate import Gate
from connectors.rest.source import RestSource
from tests.doubles.source import (
    Answerer,
    Call,
    FakeTime,
    Reply,
    manifest_of,
    ok,
    open_scripted,
    read_all,
    records,
    scripted,
)

GOOD = ok({"data": [{"id": 1}]})
ENDPOINT = "- {name: items, path: /items, records: data}"
PAGED = """
- name: items
  path: /items
  records: data
  in_flight: 4
  pagination: {style: page, size_param: size, size: 1, pages_path: pages}
"""


def after(trouble: list[Reply]) -> Answerer:
    """Answers the trouble first, one call each, then well."""
    left = list(trouble)
    return lambda _: left.pop(0) if left else GOOD


def read(trouble: list[Reply], time: FakeTime | None = None, more: str = "") -> tuple[Any, RestSource]:
    with scripted(after(trouble)) as server:
        source = open_scripted(server, manifest_of(ENDPOINT, more=more), time=time)
        return records(read_all(source)), source


PASSING = {
    "500": Reply(b"{}", status=500),
    "502": Reply(b"<html>", status=502),
    "503": Reply(b"", status=503),
    "408": Reply(b"", status=408),
    "425": Reply(b"", status=425),
    "reset": Reply(reset=True),
    "cut_json": Reply(b'{"data": [{"id": 1}, {"id"'),
    "cut_short": Reply(b'{"data": []}', length=5_000),
    "too_long": Reply(b'{"data": [{"id": 1}]} and more', length=9),
    "html": Reply(b"<!doctype html><title>Maintenance</title>", headers={"Content-Type": "text/html"}),
    "empty": Reply(b""),
    "blank": Reply(b" \n\n "),
    "text": Reply(b"Service is starting"),
    "cut_gzip": Reply(gzip.compress(b'{"data": []}' * 99)[:-20], headers={"Content-Encoding": "gzip"}),
    "no_gzip": Reply(b'{"data": []}', headers={"Content-Encoding": "gzip"}),
}


@pytest.mark.parametrize("trouble", PASSING)
def test_trouble_that_passes_is_tried_again_and_never_read_as_no_records(trouble: str) -> None:
    found, source = read([PASSING[trouble]] * 2)

    assert found == [{"id": 1}]
    assert source.usage.retried == 2
    assert source.usage.calls == 3


@pytest.mark.parametrize("trouble", PASSING)
def test_trouble_that_stays_is_given_back_as_transient(trouble: str) -> None:
    time = FakeTime()

    with pytest.raises(SourceError) as caught:
        read([PASSING[trouble]] * 99, time, more="client: {attempts: 4}")

    assert caught.value.fault is Fault.TRANSIENT
    assert "at 'Items', page 1" in caught.value.message
    assert "Tried 4 times" in caught.value.message
    assert sum(time.slept) == pytest.approx(0.5 + 1 + 2)


@pytest.mark.parametrize(
    ("status", "fault", "words"),
    [
        (403, Fault.AUTH, "refused us access (403) at 'Items', page 1"),
        (404, Fault.CONFIG, "knows no such address (404) at 'Items', page 1"),
        (400, Fault.CONFIG, "refused the call (400)"),
        (422, Fault.CONFIG, "refused the call (422)"),
        (304, Fault.CONFIG, "refused the call (304)"),
    ],
)
def test_an_answer_that_will_not_change_is_not_tried_again(status: int, fault: Fault, words: str) -> None:
    with scripted(lambda _: Reply(b"{}", status=status)) as server:
        source = open_scripted(server, manifest_of(ENDPOINT))
        with pytest.raises(SourceError) as caught:
            read_all(source)

        assert len(server.calls) == 1
    assert (caught.value.fault, caught.value.advice != "") == (fault, True)
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("header", "waited"),
    [("7", 7.0), (formatdate(1_700_000_012, usegmt=True), 12.0), (None, 1.0), ("-5", 1.0), ("soon", 1.0), ("nan", 1.0)],
)
def test_a_short_retry_after_is_slept(header: str | None, waited: float) -> None:
    time = FakeTime()

    found, source = read([Reply(b"", status=429, headers={"Retry-After": header} if header else {})], time)

    assert found == [{"id": 1}]
    assert sum(time.slept) == pytest.approx(waited)
    assert (source.usage.throttled, source.usage.retried) == (1, 0)
    assert source.usage.waited_seconds == pytest.approx(waited)


@pytest.mark.parametrize(
    ("header", "wait"),
    [("31", 31.0), ("1000000000", 900.0), ("inf", 900.0), (formatdate(1_700_000_600, usegmt=True), 600.0)],
)
@pytest.mark.parametrize("status", [429, 503])
def test_a_long_retry_after_gives_the_worker_back(status: int, header: str, wait: float) -> None:
    time = FakeTime()

    with pytest.raises(SourceError) as caught:
        read([Reply(b"", status=status, headers={"Retry-After": header})], time)

    assert caught.value.fault is Fault.RATE_LIMITED
    assert caught.value.retry_after == pytest.approx(wait)
    assert time.slept == []


def test_a_source_that_only_says_slow_down_gives_the_worker_back() -> None:
    time = FakeTime()

    with pytest.raises(SourceError) as caught:
        read([Reply(b"", status=429, headers={"Retry-After": "2"})] * 99, time)

    assert caught.value.fault is Fault.RATE_LIMITED
    assert caught.value.retry_after == 30
    assert sum(time.slept) == pytest.approx(20)


def test_calls_in_flight_share_one_pause() -> None:
    time = FakeTime()
    throttled = threading.Event()

    def answer(call: Call) -> Reply:
        if call.params["page"] == "3" and not throttled.is_set():
            throttled.set()
            return Reply(b"", status=429, headers={"Retry-After": "20"})
        return ok({"data": [{"id": int(call.params["page"])}], "pages": 8})

    with scripted(answer) as server:
        source = open_scripted(server, manifest_of(PAGED), time=time)
        pages = read_all(source)

    assert [row["id"] for row in records(pages)] == list(range(1, 9))
    assert source.usage.throttled == 1


def test_calls_keep_the_rate_that_the_manifest_sets() -> None:
    time = FakeTime()

    def answer(call: Call) -> Reply:
        return ok({"data": [{"id": int(call.params["page"])}], "pages": 11})

    with scripted(answer) as server:
        text = PAGED.replace("in_flight: 4", "in_flight: 1")
        parsed = manifest_of(text, more="client: {requests_per_second: 4}")
        read_all(open_scripted(server, parsed, time=time))

    assert time.now == pytest.approx(10 / 4)


def test_a_fifth_of_bad_answers_loses_and_doubles_nothing() -> None:
    bad = [PASSING[name] for name in ("500", "reset", "cut_short", "html", "empty")]
    count = 0

    def answer(call: Call) -> Reply:
        nonlocal count
        count += 1
        if count % 5 == 0:
            return bad[(count // 5) % len(bad)]
        return ok({"data": [{"id": int(call.params["page"])}], "pages": 60})

    with scripted(answer) as server:
        pages = read_all(open_scripted(server, manifest_of(PAGED)))

    assert [row["id"] for row in records(pages)] == list(range(1, 61))


def real_source(url: str, more: str) -> RestSource:
    return RestSource(
        manifest_of(ENDPOINT, more=more),
        settings={"base_url": url},
        credentials={},
        gate=Gate(["127.0.0.1:*"]),
        clock=Clock(jitter=lambda: 0.0),
    )


def test_a_source_that_never_answers_times_out() -> None:
    release = threading.Event()

    with scripted(lambda _: Reply(before=lambda: release.wait(10))) as server:
        source = real_source(server.url, "client: {read_timeout: 0.2, attempts: 2}")
        with pytest.raises(SourceError, match=r"no answer came in time\. Tried 2 times") as caught:
            read_all(source)
        release.set()

    assert caught.value.fault is Fault.TRANSIENT


def test_an_answer_that_drips_is_given_up() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def drip() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
                try:
                    for _ in range(200):
                        connection.sendall(b" ")
                        time.sleep(0.02)
                except OSError:
                    return

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        source = real_source(f"http://127.0.0.1:{port}", "client: {answer_timeout: 0.3, attempts: 1}")
        with pytest.raises(SourceError, match=r"not complete after 0\.3 seconds"):
            read_all(source)
        thread.join(5)


def test_an_answer_larger_than_the_cap_is_cut() -> None:
    big = ok({"data": ["x" * 300_000]})
    packed = Reply(gzip.compress(b" " * 50_000_000), headers={"Content-Encoding": "gzip"})

    for reply in (big, packed):
        with scripted(lambda _, reply=reply: reply) as server:
            source = open_scripted(server, manifest_of(ENDPOINT, more="client: {max_answer_mb: 0.25}"))
            with pytest.raises(SourceError, match="was cut at") as caught:
                read_all(source)

            assert len(server.calls) == 1
        assert caught.value.fault is Fault.CONFIG


def test_packed_answers_are_read() -> None:
    first, second = b'{"data": [{"id": 1},', b' {"id": 2}]}'
    reply = Reply(gzip.compress(first) + gzip.compress(second), headers={"Content-Encoding": "gzip"})

    found, _ = read([reply])

    assert found == [{"id": 1}, {"id": 2}]


def test_stop_ends_reading_before_the_next_call_is_waited_for() -> None:
    asked = []

    def stop() -> bool:
        asked.append(threading.current_thread())
        return len(asked) > 2

    def answer(call: Call) -> Reply:
        return ok({"data": [{"id": int(call.params["page"])}], "pages": 500})

    with scripted(answer) as server:
        source = open_scripted(server, manifest_of(PAGED))
        pages = list(source.read(ReadRequest(endpoint="items"), stop=stop))

    assert 1 <= len(pages) <= 2
    assert set(asked) == {threading.current_thread()}


def test_stop_ends_a_wait_and_a_hanging_call_at_once() -> None:
    release = threading.Event()
    hanging = Reply(before=lambda: release.wait(20))
    waiting = Reply(b"", status=429, headers={"Retry-After": "29"})

    for reply in (hanging, waiting):
        with scripted(lambda _, reply=reply: reply) as server:
            source = real_source(server.url, "client: {read_timeout: 30}")
            began = time.monotonic()
            deadline = began + 0.5

            assert list(source.read(ReadRequest(endpoint="items"), stop=lambda d=deadline: time.monotonic() > d)) == []
            assert time.monotonic() - began < 3
            release.set()


def test_a_connection_is_kept_for_the_next_call_and_replaced_when_it_has_ended() -> None:
    ports = []

    def answer(call: Call) -> Reply:
        return ok({"data": [{"id": call.params["page"]}], "pages": 4})

    with scripted(answer) as server:
        original = server.handle

        def handle(handler: Any) -> None:
            ports.append(handler.client_address[1])
            original(handler)
            if len(ports) == 2:
                handler.close_connection = True

        server.handle = handle  # type: ignore[method-assign]
        source = open_scripted(server, manifest_of(PAGED.replace("in_flight: 4", "in_flight: 1")))
        read_all(source)

    assert ports[0] == ports[1] != ports[2] == ports[3]
    assert source.usage.retried <= 1


def test_interim_answers_are_passed_over() -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\nContent-Length: 7\r\n\r\n"
    interim = [hints, b"HTTP/1.1 100 Continue\r\n\r\n" + hints * 2, b"HTTP/1.1 102 Processing\r\n\r\n", b""]

    def answer(call: Call) -> Reply:
        return ok({"data": [{"id": call.params["page"]}], "pages": 4})

    with scripted(answer) as server:
        original, left, ports = server.handle, list(interim), set()

        def handle(handler: Any) -> None:
            ports.add(handler.client_address[1])
            handler.wfile.write(left.pop(0))
            original(handler)

        server.handle = handle  # type: ignore[method-assign]
        source = open_scripted(server, manifest_of(PAGED.replace("in_flight: 4", "in_flight: 1")))
        pages = read_all(source)

    assert [row["id"] for row in records(pages)] == ["1", "2", "3", "4"]
    assert {page.status for page in pages} == {200}
    assert source.usage.retried == 0
    assert len(ports) == 1


def test_interim_answers_without_end_are_given_up() -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\n\r\n"

    with scripted(lambda _: GOOD) as server:
        server.handle = lambda handler: handler.wfile.write(hints * 2_000)  # type: ignore[method-assign]
        source = open_scripted(server, manifest_of(ENDPOINT, more="client: {attempts: 2}"))
        with pytest.raises(SourceError, match="announced an answer 100 times and gave none") as caught:
            read_all(source)

    assert caught.value.fault is Fault.TRANSIENT
