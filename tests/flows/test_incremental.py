"""Incremental runs against sources with habits of their own: no row is lost, none stands there twice."""

from collections.abc import Callable, Sequence
from typing import Any

from connectors.models import Bookmark
from runs.models import Level, Run
from runs.states import RunMode, RunStatus
from tests.doubles.source import Call, ok, scripted

MANIFEST = """
manifest: 1
name: events
base_url: "{{ settings.base_url }}"
settings: {base_url: {title: Address}}
endpoints:
  - name: events
    title: Events
    path: /events
    records: data
    cursor: {field: at, param: since}
"""
FIRST, SECOND, THIRD = ({"n": n, "at": f"2026-01-0{n}T00:00:00Z"} for n in (1, 2, 3))
TIMELESS = {"n": 9, "at": None}


def story(
    house, answer: Callable[[Call, int], Sequence[dict[str, Any]]], *, runs: int, manifest: str = MANIFEST
) -> list[Run]:
    """So many incremental runs of a source; `answer` is asked with the call and the number of the run."""
    done: list[Run] = []
    with scripted(lambda call: ok({"data": answer(call, len(done))})) as api:
        source = house.source("Log", manifest=manifest, settings={"base_url": api.url})
        while len(done) < runs:
            done.append(house.run(source, RunMode.INCREMENTAL))
    assert {run.status for run in done} == {RunStatus.COMPLETED}, [m.text + m.detail for m in done[-1].messages.all()]
    return done


def numbers(house) -> list[int]:
    return [n for (n,) in house.rows("select n from log.events order by n")]


def test_a_source_that_takes_no_notice_of_the_cursor_fills_no_row_twice(house):
    answers = [[FIRST, SECOND, TIMELESS], [FIRST, SECOND, TIMELESS, THIRD], [FIRST, SECOND, TIMELESS, THIRD]]

    *_, last = story(house, lambda _, run: answers[run], runs=3)

    assert numbers(house) == [1, 2, 3, 9]
    said = last.messages.get(code="sent_again")
    assert (said.level, said.count) == (Level.WARNING, 3)
    assert "“events”" in said.text
    assert "`cursor`" in said.advice


def test_a_source_that_sends_only_what_is_later_than_the_bookmark_loses_no_row(house):
    records = [[FIRST, SECOND], [FIRST, SECOND], [FIRST, SECOND, THIRD]]

    def later(call: Call, run: int) -> list[dict[str, Any]]:
        return [record for record in records[run] if record["at"] > call.params.get("since", "")]

    quiet = story(house, later, runs=3)[1]

    assert numbers(house) == [1, 2, 3]
    assert quiet.messages.filter(code="nothing_new").exists()
    assert Bookmark.objects.get(endpoint="events").value == THIRD["at"]


def test_a_time_in_the_future_stops_no_later_record(house):
    manifest = MANIFEST.replace("param: since", "param: since, format: epoch")
    asked: list[str] = []

    def answer(call: Call, _: int) -> list[dict[str, Any]]:
        asked.append(call.params.get("since", ""))
        return [{"n": 1, "at": 4_070_908_800}]

    first, _ = story(house, answer, runs=2, manifest=manifest)

    assert asked[0] == ""
    assert first.created_at.timestamp() - 60 < int(asked[1]) <= first.finished_at.timestamp()
    assert numbers(house) == [1]


def test_a_cursor_too_long_to_be_kept_fails_with_its_name_and_no_value(house):
    with scripted(lambda _: ok({"data": [{"n": 1, "at": "x" * 300}]})) as api:
        run = house.run(house.source("Log", manifest=MANIFEST, settings={"base_url": api.url}))

    said = run.messages.get(level=Level.ERROR)
    assert (run.status, run.fault) == (RunStatus.FAILED, "data")
    assert "“at”" in said.text
    assert "300 characters" in said.text
    assert "xxx" not in said.text + said.detail
