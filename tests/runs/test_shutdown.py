"""A worker told to stop hands its tasks back with nothing counted; sweepers in several copies do things once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import connections
from django.db.models.functions import Now

from runs import perform
from runs.lifecycle import starting, working
from runs.lifecycle.starting import Asked
from runs.models import Event, Task
from runs.shutdown import StopAtPages, shutting_down
from runs.states import RunMode, RunStatus, TaskKind, TaskStatus
from runs.upkeep import sweep
from tests.sources import small_source

pytestmark = pytest.mark.django_db(transaction=True)
COPIES = 3


@pytest.fixture
def run():
    return starting.request(small_source().pk, RunMode.DESTRUCTIVE, asked=Asked(actor="anna", trigger="api"))


@pytest.fixture
def stopping():
    StopAtPages().before_worker_shutdown(None, None)
    yield
    shutting_down.clear()


def test_ten_workers_that_stop_one_after_the_other_count_nothing_against_a_task(run, stopping, monkeypatch):
    def reads_a_page(_, pulse):
        pulse.check()

    monkeypatch.setitem(perform.STAGES, TaskKind.EXTRACTION, reads_a_page)
    task = run.tasks.filter(kind=TaskKind.EXTRACTION).first()

    for _ in range(10):
        assert perform.perform(task.pk)

    task.refresh_from_db()
    run.refresh_from_db()
    assert (task.status, task.attempt) == (TaskStatus.QUEUED, 10)
    assert (task.failures, task.lost, task.not_before) == (0, 0, None)
    assert run.status == RunStatus.RUNNING
    assert "shutting down" in Event.objects.filter(task=task, after="queued").last().reason


@pytest.mark.skipif("connections['default'].vendor != 'postgresql'", reason="SQLite has one writer at a time")
def test_three_sweepers_take_each_lost_task_back_once(run):
    claims = [working.claim(task.pk, worker="dead") for task in run.tasks.filter(kind=TaskKind.EXTRACTION)]
    lost = [claim.task.pk for claim in claims if claim]
    Task.objects.filter(pk__in=lost).update(lease_until=Now() - timedelta(seconds=5))
    gate = Barrier(COPIES)

    def look(_):
        gate.wait()
        try:
            return sweep()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(COPIES) as pool:
        found = list(pool.map(look, range(COPIES)))
    found.append(sweep())  # a copy goes past a run that another one holds, and comes back

    assert lost
    assert sum(one["lost"] for one in found) == len(lost)
    assert list(Task.objects.filter(pk__in=lost).values_list("lost", flat=True)) == [1] * len(lost)
    assert Event.objects.filter(task__in=lost, actor="sweeper", after="queued").count() == len(lost)
