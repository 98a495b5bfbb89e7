"""A connector may limit how many tasks of its source are at work at once: who waits says so, and is woken in time."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connections

from runs.lifecycle import ending, places, starting, working
from runs.lifecycle.starting import Asked
from runs.lifecycle.working import Failure, Outcome
from runs.models import Task
from runs.states import RunMode, RunStatus, TaskKind, TaskStatus
from tests.sources import small_source

pytestmark = pytest.mark.django_db
ANNA = Asked(actor="anna", trigger="api")
MANY = """
manifest: 1
name: small
base_url: "{{ settings.base_url }}"
settings: {base_url: {title: Address}}
client: {tasks_at_once: 2}
endpoints:
  - name: rows
    title: Rows
    path: /rows
    records: data
    partition: {by: list, values: [a, b, c, d, e]}
    params: {region: "{{ partition.value }}"}
"""


@pytest.fixture
def run():
    return starting.request(small_source(manifest=MANY).pk, RunMode.DESTRUCTIVE, asked=ANNA)


@pytest.fixture
def woken(monkeypatch):
    found: list[int] = []
    monkeypatch.setattr(places, "wake", lambda pk, _: found.append(pk))
    return found


def extractions(run):
    return list(run.tasks.filter(kind=TaskKind.EXTRACTION).order_by("pk"))


def claim(task):
    return working.claim(task.pk, worker="w")


def test_a_task_beyond_the_limit_is_not_taken_and_says_why(run):
    first, second, third, *_ = extractions(run)

    taken = [claim(task) is not None for task in (first, second, third)]

    third.refresh_from_db()
    assert taken == [True, True, False]
    assert (third.status, third.attempt) == (TaskStatus.QUEUED, 0)
    assert third.note == "Waits for a place: its connector allows 2 tasks at once."


@pytest.mark.parametrize("way", ["finish", "fail", "again", "release"])
def test_a_place_that_is_free_wakes_the_next(run, woken, way):
    first, second, third, fourth, *_ = extractions(run)
    held, _ = claim(first), claim(second)

    if way == "finish":
        working.finish(held, Outcome())
    elif way == "release":
        working.release(held, reason="the worker is shutting down")
    else:
        fault = "auth" if way == "fail" else "transient"
        working.fail(held, Failure(fault=fault, text="No.", advice=""))

    assert woken == [first.pk if way == "release" else third.pk]
    held = claim(third)
    assert held is not None
    held.task.refresh_from_db()
    assert held.task.note == ""
    assert claim(fourth) is None


def test_a_cancel_wakes_nobody(run, woken):
    first, second, *_ = extractions(run)
    held = [claim(first), claim(second)]

    ending.cancel(run.pk, actor="anna")
    for one in held:
        working.stopped(one)

    run.refresh_from_db()
    assert (run.status, woken) == (RunStatus.CANCELLED, [])


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(
    "connections['default'].vendor != 'postgresql'", reason="SQLite has one writer at a time: nothing to race"
)
def test_claims_at_once_never_take_more_places_than_there_are(run):
    tasks = extractions(run)
    gate = Barrier(len(tasks))

    def one(task: Task) -> bool:
        gate.wait()
        try:
            return claim(task) is not None
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(tasks)) as pool:
        taken = list(pool.map(one, tasks))

    assert sum(taken) == 2
    assert run.tasks.filter(status=TaskStatus.RUNNING).count() == 2
