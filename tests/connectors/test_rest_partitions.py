"""Partitions cover a range without gap or overlap, and incremental runs ask for what changed and no less."""

from typing import Any

import pytest

from connectors.protocol import Fault, Partition, ReadRequest, SourceError
from connectors.rest import moments
from connectors.rest.source import RestSource
from tests.doubles.source import Call, Reply, manifest_of, ok, open_scripted, read_all, records, scripted

NOW = "2024-03-10T12:00:00Z"


def partitions(split: str, *, since: str | None = None, more: str = "", used: str = "start") -> list[Partition]:
    text = f"- {{name: items, path: '/{{{{ partition.{used} }}}}', partition: {split}{more}}}"
    with scripted(lambda _: ok([])) as server:
        return list(open_scripted(server, manifest_of(text)).partitions("items", since=since, now=NOW))


def windows(split: str, **more: Any) -> list[tuple[str, str]]:
    return [(part.slices[0]["partition.start"], part.slices[0]["partition.end"]) for part in partitions(split, **more)]


def test_a_year_has_twelve_months() -> None:
    parts = partitions("{by: date, start: 2013-01-01, end: 2014-01-01}")

    assert [part.key for part in parts] == [f"2013-{month:02}" for month in range(1, 13)]
    assert parts[1].title == "2013-02"
    assert parts[1].slices == (
        {"partition.start": "2013-02-01", "partition.end": "2013-03-01", "partition.last": "2013-02-28"},
    )


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        (
            "{by: date, start: 2024-01-20, end: 2024-03-05}",
            [("2024-01-20", "2024-02-01"), ("2024-02-01", "2024-03-01"), ("2024-03-01", "2024-03-05")],
        ),
        (
            "{by: date, start: 2024-02-28, end: 2024-03-06, step: week}",
            [("2024-02-28", "2024-03-04"), ("2024-03-04", "2024-03-06")],
        ),
        ("{by: date, start: 2024-03-09, step: day}", [("2024-03-09", "2024-03-10"), ("2024-03-10", "2024-03-11")]),
        (
            "{by: date, start: 2024-02-25, end: 2024-03-01, step: 3 days}",
            [("2024-02-25", "2024-02-28"), ("2024-02-28", "2024-03-01")],
        ),
        ("{by: date, start: 2024-03-11}", []),
        ("{by: date, start: 2024-03-10, step: day, format: epoch}", [("1710028800", "1710115200")]),
        ("{by: date, start: 2024-03-10, step: day, format: iso}", [("2024-03-10T00:00:00Z", "2024-03-11T00:00:00Z")]),
        ("{by: date, start: 2024-03-10, step: day, format: epoch_ms}", [("1710028800000", "1710115200000")]),
    ],
)
def test_windows_are_half_open_and_aligned(split: str, expected: list[tuple[str, str]]) -> None:
    assert windows(split) == expected


def test_keys_of_partitions_differ() -> None:
    for step in ("month", "week", "day", "11 days"):
        parts = partitions(f"{{by: date, start: 2022-01-15, step: {step}}}")

        assert len({part.key for part in parts}) == len(parts)
        assert len({part.title for part in parts}) == len(parts)


def test_a_cursor_without_a_parameter_narrows_the_windows() -> None:
    more = ", key: id, cursor: {field: day, look_back: 2d}"

    assert windows("{by: date, start: 2024-01-01}", since="2024-02-03T08:00:00Z", more=more) == [
        ("2024-02-01", "2024-03-01"),
        ("2024-03-01", "2024-03-11"),
    ]


def test_windows_may_end_with_the_calendar() -> None:
    assert windows("{by: date, start: 9999-11-20, end: 9999-12-31}")[-1] == ("9999-12-01", "9999-12-31")


def test_a_bookmark_of_the_first_day_has_no_time_before_it() -> None:
    more = ", key: id, cursor: {field: day, look_back: 2d}"

    assert windows("{by: date, start: 2024-03-01}", since="0001-01-01", more=more) == [("2024-03-01", "2024-03-11")]


def test_of_windows_that_all_lie_before_the_bookmark_the_last_is_read_again() -> None:
    more = ", key: id, cursor: {field: day}"

    assert windows("{by: date, start: 2024-01-01, end: 2024-03-01}", since="2024-03-01", more=more) == [
        ("2024-02-01", "2024-03-01")
    ]


def test_a_cursor_with_a_parameter_leaves_the_windows_alone() -> None:
    more = ", cursor: {field: day, param: since}"

    assert len(windows("{by: date, start: 2024-01-01}", since="2024-02-03T08:00:00Z", more=more)) == 3


def test_a_list_is_cut_into_groups() -> None:
    parts = partitions("{by: list, values: [a, b, c], group: 2}", used="value")

    assert [part.title for part in parts] == ["a to b", "c"]
    assert [dict(one) for one in parts[0].slices] == [{"partition.value": "a"}, {"partition.value": "b"}]


def test_too_many_partitions_are_refused() -> None:
    with pytest.raises(SourceError, match="would be cut into"):
        partitions("{by: date, start: 0001-01-01, step: day}")


FAMILY = """
- name: parents
  path: /parents
  records: data
  pagination: {style: page, size_param: size, size: 4}
- name: items
  path: /parents/{{ parent.id }}/items
  params: {code: "{{ parent.place.code }}"}
  records: data
  in_flight: %d
  partition: {by: parent, endpoint: parents, group: 3}
"""
PARENTS = [
    {"id": "a/../b", "place": {"code": "x&y=1"}},
    {"id": 7, "place": {"code": "p"}, "odd": "NAN"},
    {"id": None, "place": {"code": "p"}},
    {"id": "..", "place": {"code": True}},
    {"id": 7, "place": {"code": "p"}},
    {"place": {"code": "p"}},
    {"id": 8, "place": {"code": 1.5}},
]


def family(call: Call) -> Reply:
    if call.path == "/parents":
        page = int(call.params["page"])
        body = ok({"data": PARENTS[(page - 1) * 4 : page * 4]})
        return Reply(body.body.replace(b'"NAN"', b"NaN"), headers=body.headers)
    return ok({"data": [{"path": call.path, "code": call.params["code"]}]})


@pytest.mark.parametrize("in_flight", [1, 4])
def test_each_different_parent_is_one_slice_and_cannot_leave_its_path(in_flight: int) -> None:
    with scripted(family) as server:
        source = open_scripted(server, manifest_of(FAMILY % in_flight))
        parts = source.partitions("items", since=None, now=NOW)
        found = records(read_all(source))

    assert [(part.key, part.title, len(part.slices)) for part in parts] == [
        ("parents-0000001", "1–3", 3),
        ("parents-0000004", "4–4", 1),
    ]
    assert found == [
        {"path": "/parents/a%2F..%2Fb/items", "code": "x&y=1"},
        {"path": "/parents/7/items", "code": "p"},
        {"path": "/parents/%2E%2E/items", "code": "true"},
        {"path": "/parents/8/items", "code": "1.5"},
    ]


def test_a_partitioned_endpoint_is_not_read_without_a_partition() -> None:
    with scripted(family) as server, pytest.raises(SourceError, match="is read in partitions"):
        list(open_scripted(server, manifest_of(FAMILY % 1)).read(ReadRequest(endpoint="items"), stop=lambda: False))


def asked_since(cursor: str, since: str | None, *, params: str = "{}") -> dict[str, str]:
    text = f"- {{name: items, path: /items, params: {params}, cursor: {cursor}}}"
    with scripted(lambda _: ok([])) as server:
        source: RestSource = open_scripted(server, manifest_of(text))
        list(source.read(ReadRequest(endpoint="items", since=since), stop=lambda: False))
        return dict(server.calls[0].params)


@pytest.mark.parametrize(
    ("cursor", "since", "asked"),
    [
        ("{field: f, param: p}", "2024-01-02T03:04:05.678+02:00", "2024-01-02T03:04:05.678+02:00"),
        ("{field: f, param: p}", "opaque-17", "opaque-17"),
        ("{field: f, param: p, format: iso}", "2024-01-02T03:04:05+02:00", "2024-01-02T01:04:05Z"),
        ("{field: f, param: p, format: date}", "2024-01-02T03:04:05Z", "2024-01-02"),
        ("{field: f, param: p, format: epoch}", "2024-01-02", "1704153600"),
        ("{field: f, param: p, format: iso}", "1704153600", "2024-01-02T00:00:00Z"),
        ("{field: f, param: p, look_back: 1d}", "2024-01-02", "2024-01-01"),
        ("{field: f, param: p, look_back: 90}", "1704153600", "1704153510"),
        ("{field: f, param: p, look_back: 1m}", "1704153600123", "1704153540123"),
        ("{field: f, param: p, look_back: 1h}", "2024-01-02T00:30:00", "2024-01-01T23:30:00Z"),
        ("{field: f, param: p, initial: 2020-01-01, look_back: 1h}", None, "2020-01-01"),
    ],
)
def test_a_bookmark_is_asked_for_as_the_source_spells_it(cursor: str, since: str | None, asked: str) -> None:
    assert asked_since(cursor, since) == {"p": asked}


def test_without_a_bookmark_nothing_is_asked_for() -> None:
    assert asked_since("{field: f, param: p}", None) == {}
    assert asked_since("{field: f}", None, params="{q: 'changed > {{ since }}', x: 1}") == {"x": "1"}
    assert asked_since("{field: f}", "5", params="{q: 'changed > {{ since }}'}") == {"q": "changed > 5"}


def test_a_bookmark_that_is_no_time_says_so_without_telling_it() -> None:
    with pytest.raises(SourceError, match="could not be read") as caught:
        asked_since("{field: f, param: p, look_back: 1h}", "opaque-17")

    assert caught.value.fault is Fault.CONFIG
    assert "opaque" not in caught.value.message


def test_seconds_and_milliseconds_are_told_apart() -> None:
    assert moments.read("1704153600") == moments.read("1704153600000") == moments.read("2024-01-02")
