"""A retry after a run whose parent records were listed: no group is passed over, and none is taken for another."""

import pytest

from connectors.models import Bookmark
from runs.lifecycle import ending, starting, working
from runs.lifecycle.starting import Asked
from runs.models import Task
from runs.states import RunMode, RunStatus, TaskKind, TaskStatus
from tests.doubles.source import Call, Reply, ok, scripted

ANNA = Asked(actor="anna", trigger="retry")
MANIFEST = """
manifest: 1
name: polls
base_url: "{{ settings.base_url }}"
settings: {base_url: {title: Address}}
endpoints:
  - {name: polls, path: /polls, records: data, key: id}
  - name: votes
    path: "/polls/{{ parent.id }}/votes"
    records: data
    key: id
    partition: {by: parent, endpoint: polls, group: 2}
    cursor: {field: at, param: since}
"""
VOTES = [
    {"id": 10 * poll + n, "poll": poll, "at": f"2024-01-0{n}T00:00:00Z"} for poll in range(1, 6) for n in (1, 2, 3)
]


def answer(call: Call) -> Reply:
    if call.path == "/polls":
        return ok({"data": [{"id": n} for n in range(1, 6)]})
    poll, since = int(call.path.split("/")[2]), call.params.get("since", "")
    return ok({"data": [vote for vote in VOTES if vote["poll"] == poll and str(vote["at"]) >= since]})


@pytest.fixture
def source(house):
    with scripted(answer) as api:
        yield house.source("Polls", manifest=MANIFEST, settings={"base_url": api.url})


def votes(house) -> list[int]:
    return sorted(row[0] for row in house.rows("select id from polls.votes"))


def test_a_cancel_as_the_list_of_parents_ends_leaves_no_list_without_its_groups(house, source, monkeypatch):
    house.run(source)
    finish = working.finish

    def cancel_first(claim, outcome):
        if outcome.more and claim.task.kind == TaskKind.EXTRACTION:
            ending.cancel(claim.run.pk, actor="anna")
        finish(claim, outcome)

    monkeypatch.setattr(working, "finish", cancel_first)
    old = house.run(source)
    monkeypatch.undo()

    run = house.work(starting.retry(old.pk, asked=ANNA))

    assert (old.status, run.status) == (RunStatus.CANCELLED, RunStatus.COMPLETED)
    assert old.tasks.get(key="votes/list").status == TaskStatus.CANCELLED
    assert votes(house) == [vote["id"] for vote in VOTES]


def test_groups_that_were_read_from_a_bookmark_are_not_reused_without_it(house, source):
    house.run(source)
    waiting: list[Task] = []

    def cancel_late(task: Task) -> None:
        if task.kind == TaskKind.METADATA:
            waiting.append(task)
            ending.cancel(task.run_id, actor="anna")

    old = house.run(source, RunMode.INCREMENTAL, before=cancel_late)
    Bookmark.objects.filter(source=source, endpoint="votes").delete()

    run = house.work(starting.retry(old.pk, asked=ANNA))

    assert (old.status, run.status, len(waiting)) == (RunStatus.CANCELLED, RunStatus.COMPLETED, 1)
    assert votes(house) == [vote["id"] for vote in VOTES]
