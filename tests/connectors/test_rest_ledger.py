"""What calls leave in a source's ledger: counts by endpoint, incidents in words, and until when it asked to wait."""

import json

from connectors.protocol import CallCount
from tests.doubles.source import FakeTime, Reply, manifest_of, ok, open_scripted, read_all, scripted

GOOD = ok({"data": [{"id": 1}]})
ENDPOINT = "- {name: items, title: Items, path: /items, records: data}"
TROUBLE = [
    Reply(b"", status=500),
    Reply(b"", status=429, headers={"Retry-After": "7"}),
    Reply(b'{"data": []}', length=5_000),
]


def test_calls_are_counted_by_endpoint_with_what_they_answered_and_waited():
    left, time = list(TROUBLE), FakeTime()
    with scripted(lambda _: left.pop(0) if left else GOOD) as server:
        source = open_scripted(server, manifest_of(ENDPOINT), time=time)
        (page,) = read_all(source)

    count = source.usage.ledger["Items"]
    assert (count.calls, count.throttled, count.retried) == (4, 1, 2)
    assert count.answers == {"5xx": 1, "4xx": 1, "none": 1, "2xx": 1}
    assert count.waited_seconds == source.usage.waited_seconds >= 7
    assert count.wire_bytes == source.usage.wire_bytes == page.wire_bytes
    assert page.status == 200


def test_trouble_that_passed_is_told_with_its_reason_and_wait_and_without_addresses():
    left, time = list(TROUBLE), FakeTime()
    with scripted(lambda _: left.pop(0) if left else GOOD) as server:
        source = open_scripted(server, manifest_of(ENDPOINT), time=time)
        read_all(source)

    told = [incident.text for incident in source.usage.incidents]
    assert told[0] == "A call at 'Items', page 1 is tried again after 0.5 s: it answered 500."
    assert told[1] == "The source asked us to slow down at 'Items', page 1: 7.0 s."
    assert len(told) == 3
    assert str(server.port) not in "".join(told)
    assert source.usage.quota_until == 1_700_000_000.0 + 0.5 + 7


def test_counts_of_several_attempts_add_up_and_survive_json():
    one, other = CallCount(calls=2), CallCount(calls=3, throttled=1)
    one.answered(200, 0.5, 100)
    other.answered(200, 2.0, 50)
    other.answered(None, 0.1)

    one.add(CallCount.from_json({**json.loads(json.dumps(other.to_json())), "of a later version": 1}))

    assert one == CallCount(calls=5, answers={"2xx": 2, "none": 1}, throttled=1, slowest_seconds=2.0, wire_bytes=150)
