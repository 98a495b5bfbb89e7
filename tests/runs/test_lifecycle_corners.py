"""Corners of the lifecycle where two things meet: cancel and shutdown, retry and janitor, close and publish."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.db.models.functions import Now

from connectors.models import Bookmark
from ingestion.errors import TransientError
from ingestion.models import Batch, Part
from runs import upkeep
from runs.errors import Refused
from runs.lifecycle import ending, starting, working
from runs.lifecycle.working import Failure, Outcome
from runs.models import Run, TableLoad, Task
from runs.planning import PlannedTask
from runs.stages import completion
from runs.states import RunMode, RunStatus, TaskKind, TaskStatus
from tests.runs.test_lifecycle import ANNA, BROKEN, claim, expire, finish_all, published, tasks, through_to_completion
from tests.sources import small_source

pytestmark = pytest.mark.django_db


@pytest.fixture
def run():
    return starting.request(small_source().pk, RunMode.DESTRUCTIVE, asked=ANNA)


def test_a_shutdown_during_a_cancel_ends_the_run(run):
    held = claim(tasks(run)[0])
    ending.cancel(run.pk, actor="anna")

    working.release(held, reason="the worker is shutting down")

    assert Run.objects.get(pk=run.pk).status == RunStatus.CANCELLED


def test_work_found_during_a_cancel_is_not_begun(run):
    held = claim(tasks(run)[0])
    ending.cancel(run.pk, actor="anna")
    found = PlannedTask(kind=TaskKind.EXTRACTION, key="surveys/more", name="Surveys more", endpoint="surveys")

    working.finish(held, Outcome(more=[found]))

    assert Run.objects.get(pk=run.pk).status == RunStatus.CANCELLED
    assert not Task.objects.filter(run=run, status__in=[TaskStatus.QUEUED, TaskStatus.WAITING]).exists()


def test_a_retry_does_not_reuse_a_task_whose_staged_files_are_gone(run):
    task = tasks(run)[0]
    batch = Batch.objects.filter(owner=run.owner).first()
    held = claim(task)
    Part.objects.create(batch=batch, label=task.label, number=1, key="k", columns=[], row_count=5, size=1, sha256="x")
    working.checkpoint(held, commit=lambda: {batch.pk: 5}, state={"flushes": 1, "state": None, "cursor": ""})
    working.finish(held, Outcome())
    ending.cancel(run.pk, actor="anna")
    assert TableLoad.objects.get(task=task).row_count == 5
    Part.objects.all().delete()

    again = starting.retry(run.pk, asked=ANNA)

    assert not again.tasks.exclude(reused_from=None).exists()


def test_a_retry_remembers_when_its_reused_tasks_began(run):
    surveys, *_ = tasks(run, kind=TaskKind.EXTRACTION)
    working.finish(claim(surveys), Outcome(output={"cursor": "2999-01-01T00:00:00Z"}))
    ending.cancel(run.pk, actor="anna")
    earlier = Task.objects.get(pk=surveys.pk).started_at - timedelta(hours=2)
    Task.objects.filter(pk=surveys.pk).update(started_at=earlier)
    again = starting.retry(run.pk, asked=ANNA)
    finish_all(again, TaskKind.EXTRACTION, output={"cursor": ""})

    assert completion.bookmarks_of(Run.objects.get(pk=again.pk))["surveys"] == f"{earlier:%Y-%m-%dT%H:%M:%SZ}"


def test_a_run_that_is_publishing_cannot_be_forced_closed(run):
    through_to_completion(run)
    held = claim(tasks(run, kind=TaskKind.COMPLETION)[0])
    with pytest.raises(Refused, match="making its tables live just now"):
        ending.close(run.pk, None, actor="admin", reason="x")

    expire(held)

    assert ending.close(run.pk, None, actor="admin", reason="x") == RunStatus.FAILED


def test_a_lost_completion_is_not_judged_while_the_ledger_cannot_be_read(run, monkeypatch):
    through_to_completion(run)
    expire(claim(tasks(run, kind=TaskKind.COMPLETION)[0]))
    Task.objects.filter(run=run).update(lost=9)

    def away(*_, **__):
        raise TransientError("the warehouse is away")

    monkeypatch.setattr(upkeep.loading, "give_up", away)

    assert upkeep.sweep()["lost"] == 0
    assert Run.objects.get(pk=run.pk).status == RunStatus.RUNNING


def test_a_run_past_its_time_waits_for_a_ledger_that_cannot_be_read(run, monkeypatch):
    through_to_completion(run)
    expire(claim(tasks(run, kind=TaskKind.COMPLETION)[0]))
    Run.objects.filter(pk=run.pk).update(deadline_at=Now() - timedelta(seconds=1))

    def away(*_, **__):
        raise TransientError("the warehouse is away")

    monkeypatch.setattr(upkeep.loading, "give_up", away)

    assert upkeep.sweep()["too_long"] == 0
    assert not run.messages.filter(code="too_long").exists()


def test_a_source_set_to_take_whole_tables_fails_when_none_is_whole():
    run = starting.request(
        small_source(on_failure="whole", endpoints=["responses"]).pk, RunMode.DESTRUCTIVE, asked=ANNA
    )
    north, south = tasks(run, kind=TaskKind.EXTRACTION)
    working.finish(claim(north), Outcome())

    working.fail(claim(south), BROKEN)

    assert Run.objects.get(pk=run.pk).status == RunStatus.FAILED


def test_the_message_of_a_table_left_out_does_not_speak_of_the_others():
    run = starting.request(small_source(on_failure="whole").pk, RunMode.DESTRUCTIVE, asked=ANNA)

    working.fail(claim(tasks(run)[0]), Failure(fault="auth", text="Refused.", advice=""))

    assert run.messages.get().text == "Refused. Its table stays as it was."


def test_a_source_whose_chosen_endpoints_are_gone_is_refused():
    with pytest.raises(Refused, match="choose again"):
        starting.request(small_source(endpoints=["gone"]).pk, RunMode.DESTRUCTIVE, asked=ANNA)


def test_a_retry_that_finds_its_load_live_already_moves_no_bookmark(run):
    ending.cancel(run.pk, actor="anna")
    again = starting.retry(run.pk, asked=ANNA)
    finish_all(again, TaskKind.EXTRACTION, output={"cursor": "2026-01-01"})
    batches = through_to_completion(again)
    held = claim(tasks(again, kind=TaskKind.COMPLETION)[0])

    assert completion.settle_published(held, replace(published(again, batches), already=True))

    assert Run.objects.get(pk=again.pk).status == RunStatus.COMPLETED
    assert not Bookmark.objects.exists()
