"""The moves of runs and tasks: who may make them, how often, and what they leave."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from connectors.models import Bookmark
from ingestion.models import Batch
from ingestion.states import BatchStatus
from ingestion.warehouse.base import Effect, Published
from runs import upkeep
from runs.errors import Ghost, Refused
from runs.lifecycle import ending, starting, working
from runs.lifecycle.retrying import Choice
from runs.lifecycle.starting import Asked
from runs.lifecycle.working import Failure, Outcome
from runs.models import DataLoad, Event, Run, TableLoad, Task
from runs.planning import PlannedTask
from runs.states import RunMode, RunStatus, TaskKind, TaskStatus
from tests.sources import small_source

pytestmark = pytest.mark.django_db
ANNA = Asked(actor="anna", trigger="person")
TRANSIENT = Failure(fault="transient", text="The source did not answer.", advice="")
BROKEN = Failure(fault="auth", text="The source refused our login (401) at “Surveys”, page 1.", advice="Renew it.")


@pytest.fixture
def run():
    return starting.request(small_source().pk, RunMode.DESTRUCTIVE, asked=ANNA)


def claim(task, worker="w1"):
    return working.claim(task.pk, worker=worker)


def tasks(run, **where):
    return list(run.tasks.filter(**where).order_by("pk"))


def finish_all(run, kind, **facts):
    for task in tasks(run, kind=kind, status=TaskStatus.QUEUED):
        working.finish(claim(task), Outcome(**facts))


def through_to_completion(run):
    """Everything but the completion, by hand: no data, one ingestion for each batch."""
    finish_all(run, TaskKind.EXTRACTION)
    batches = list(Batch.objects.filter(owner=run.owner))
    more = [PlannedTask(kind=TaskKind.INGESTION, key=str(b.pk), name=f"load {b.pk}", batch=b.pk) for b in batches]
    working.finish(claim(tasks(run, kind=TaskKind.METADATA)[0]), Outcome(more=more))
    Batch.objects.filter(owner=run.owner).update(status=BatchStatus.STAGING, loaded_count=0, blueprint=[])
    finish_all(run, TaskKind.INGESTION)
    return list(Batch.objects.filter(owner=run.owner).select_related("dataset"))


def published(run, batches):
    effects = tuple(
        Effect(dataset=b.dataset_id, generation=1, inserted=0, updated=0, deleted=0, superseded=0, live=0)
        for b in batches
    )
    return Published(load_id=run.load_id, effects=effects)


def test_an_accepted_run_waits_with_its_first_phase_queued(run):
    assert run.status == RunStatus.WAITING
    assert [t.name for t in tasks(run, status=TaskStatus.QUEUED)] == ["Surveys", "Responses north", "Responses south"]
    assert [t.status for t in tasks(run, kind=TaskKind.METADATA)] == [TaskStatus.WAITING]
    assert Run.objects.get(pk=run.pk).pending == 3


def test_a_second_start_is_rejected_and_names_the_blocker(run):
    second = starting.request(run.source_id, RunMode.INCREMENTAL, asked=ANNA)

    assert second.get_status_display() == "Rejected - previous load still running"
    assert second.blocked_by == run
    assert "No table was changed" in second.messages.get().text
    assert not second.tasks.exists()


def test_a_disabled_source_takes_no_run():
    source = small_source(enabled=False)

    with pytest.raises(Refused, match="disabled"):
        starting.request(source.pk, RunMode.DESTRUCTIVE, asked=ANNA)


def test_one_run_at_a_time_over_all_sources_when_so_set(run, settings):
    settings.ONE_RUN_AT_A_TIME = True
    first = starting.request(small_source("Second").pk, RunMode.DESTRUCTIVE, asked=ANNA)

    third = starting.request(small_source("Third").pk, RunMode.DESTRUCTIVE, asked=ANNA)

    assert (first.status, third.status) == (RunStatus.WAITING, RunStatus.REJECTED)


def test_the_first_claim_makes_the_run_running_and_a_second_gets_nothing(run):
    task = tasks(run)[0]

    first, second = claim(task), claim(task, "w2")

    assert first.attempt == 1
    assert second is None
    run.refresh_from_db()
    assert (run.status, run.started_at is not None) == (RunStatus.RUNNING, True)


def test_a_message_for_an_unknown_task_is_ignored():
    assert working.claim(987_654, worker="w") is None


def test_a_task_that_must_wait_cannot_be_claimed(run):
    Task.objects.filter(run=run).update(not_before=Now() + timedelta(minutes=1))

    assert claim(tasks(run)[0]) is None


def test_phases_open_when_the_last_task_of_the_one_before_ends(run):
    one, two, three = tasks(run, kind=TaskKind.EXTRACTION)
    for task in (one, two):
        working.finish(claim(task), Outcome())
    assert tasks(run, kind=TaskKind.METADATA)[0].status == TaskStatus.WAITING

    working.finish(claim(three), Outcome())

    assert tasks(run, kind=TaskKind.METADATA)[0].status == TaskStatus.QUEUED


def test_a_task_that_finds_more_work_of_its_phase_keeps_the_phase_open(run):
    found = PlannedTask(kind=TaskKind.EXTRACTION, key="surveys/more", name="Surveys more", endpoint="surveys")
    working.finish(claim(tasks(run)[0]), Outcome(more=[found]))
    for task in tasks(run, kind=TaskKind.EXTRACTION, status=TaskStatus.QUEUED)[:2]:
        working.finish(claim(task), Outcome())

    assert tasks(run, kind=TaskKind.METADATA)[0].status == TaskStatus.WAITING
    working.finish(claim(tasks(run, key="surveys/more")[0]), Outcome())
    assert tasks(run, kind=TaskKind.METADATA)[0].status == TaskStatus.QUEUED


def test_completion_makes_run_data_load_counts_and_bookmarks_in_one_go(run):
    batches = through_to_completion(run)
    held = claim(tasks(run, kind=TaskKind.COMPLETION)[0])

    assert ending.complete(run.pk, published(run, batches), batches, {"surveys": "2026-01-01"}, actor="w")

    run.refresh_from_db()
    assert run.status == RunStatus.COMPLETED
    assert DataLoad.objects.get(run=run).table_count == 2
    assert Bookmark.objects.get(source=run.source).value == "2026-01-01"
    assert {b.status for b in Batch.objects.filter(owner=run.owner)} == {BatchStatus.SUCCESS}
    assert Task.objects.get(pk=held.task.pk).status == TaskStatus.COMPLETED


def test_completing_twice_changes_nothing(run):
    batches = through_to_completion(run)
    claim(tasks(run, kind=TaskKind.COMPLETION)[0])
    ending.complete(run.pk, published(run, batches), batches, {}, actor="w")

    assert not ending.complete(run.pk, published(run, batches), batches, {}, actor="w")
    assert DataLoad.objects.filter(run=run).count() == 1


def test_no_data_load_exists_for_a_run_that_failed(run):
    working.fail(claim(tasks(run)[0]), BROKEN)
    finish_all(run, TaskKind.EXTRACTION)

    assert Run.objects.get(pk=run.pk).status == RunStatus.FAILED
    assert not DataLoad.objects.exists()


def test_one_failing_endpoint_does_not_stop_the_others_but_nothing_goes_live(run):
    working.fail(claim(tasks(run)[0]), BROKEN)
    assert Run.objects.get(pk=run.pk).status == RunStatus.RUNNING

    finish_all(run, TaskKind.EXTRACTION)

    run.refresh_from_db()
    assert (run.status, run.fault) == (RunStatus.FAILED, "auth")
    assert run.outcome == "Failed: “Surveys” failed. No table was changed."
    assert [t.note for t in tasks(run, status=TaskStatus.SKIPPED)] == ["Skipped: “Surveys” failed"] * 2
    assert {b.status for b in Batch.objects.filter(owner=run.owner)} == {BatchStatus.ABORTED}
    message = run.messages.get()
    assert message.text.endswith("page 1. No table was changed.")
    assert message.advice == "Renew it."


def test_a_source_may_be_set_to_complete_with_the_tables_that_are_whole():
    run = starting.request(small_source(on_failure="whole").pk, RunMode.DESTRUCTIVE, asked=ANNA)
    working.fail(claim(tasks(run)[0]), BROKEN)

    finish_all(run, TaskKind.EXTRACTION)

    assert tasks(run, kind=TaskKind.METADATA)[0].status == TaskStatus.QUEUED


def test_a_transient_failure_goes_back_to_the_queue_with_a_wait(run):
    held = claim(tasks(run)[0])

    assert not working.fail(held, TRANSIENT)

    task = Task.objects.get(pk=held.task.pk)
    assert (task.status, task.failures) == (TaskStatus.QUEUED, 1)
    assert task.not_before is not None
    assert claim(task) is None


def fail_until_the_end(task, failure, *, limit=40, progress=False):
    for count in range(1, limit):
        Task.objects.filter(pk=task.pk).update(not_before=None)
        held = claim(task)
        if progress:
            working.checkpoint(held, commit=dict, state={"flushes": count, "state": None, "cursor": ""})
        if working.fail(held, failure):
            return count
    return None


def test_five_transient_failures_without_progress_are_the_end(run):
    assert fail_until_the_end(tasks(run)[0], TRANSIENT) == 5


def test_twenty_transient_failures_are_the_end_even_with_progress(run):
    assert fail_until_the_end(tasks(run)[0], TRANSIENT, progress=True) == 20


def test_being_rate_limited_never_counts_as_a_failure(run):
    limited = Failure(fault="rate_limited", text="Asked to wait.", advice="", retry_after=40)

    assert fail_until_the_end(tasks(run)[0], limited) is None
    assert Task.objects.get(pk=tasks(run)[0].pk).failures == 0


def test_a_released_task_counts_nothing_and_can_be_claimed_at_once(run):
    held = claim(tasks(run)[0])

    working.release(held, reason="the worker is shutting down")

    again = claim(held.task, "w2")
    assert again.attempt == 2
    assert again.task.failures == 0


def expire(held):
    Task.objects.filter(pk=held.task.pk).update(lease_until=Now() - timedelta(seconds=1))


def test_the_sweeper_takes_a_task_from_a_dead_worker(run):
    held = claim(tasks(run)[0])
    expire(held)

    assert upkeep.sweep()["lost"] == 1

    assert claim(held.task, "w2").attempt == 2


def test_a_ghost_can_write_nothing(run):
    ghost = claim(tasks(run)[0])
    expire(ghost)
    upkeep.sweep()
    claim(ghost.task, "w2")

    for word in (
        lambda: working.beat(ghost),
        lambda: working.checkpoint(ghost, commit=dict, state={}),
        lambda: working.finish(ghost, Outcome()),
        lambda: working.fail(ghost, BROKEN),
    ):
        with pytest.raises(Ghost):
            word()
    working.release(ghost, reason="late")
    working.stopped(ghost)
    task = Task.objects.get(pk=ghost.task.pk)
    assert (task.status, task.attempt, task.checkpoint) == (TaskStatus.RUNNING, 2, None)


def test_a_task_whose_worker_died_three_times_has_failed(run):
    task = tasks(run)[0]
    for _ in range(3):
        expire(claim(task))
        upkeep.sweep()

    task.refresh_from_db()
    assert (task.status, task.fault) == (TaskStatus.FAILED, "lost")
    assert "died 3 times" in task.messages.filter(level=3).get().text


def test_a_checkpoint_counts_rows_for_task_run_and_table(run):
    held = claim(tasks(run)[0])
    batch = Batch.objects.filter(owner=run.owner).first()
    for _ in range(2):
        working.checkpoint(held, commit=lambda: {batch.pk: 7}, state={"flushes": 1, "state": None, "cursor": ""})

    assert Task.objects.get(pk=held.task.pk).row_count == 14
    assert Run.objects.get(pk=run.pk).row_count == 14
    assert TableLoad.objects.get(task=held.task).row_count == 14


def test_cancel_before_anything_ran_ends_at_once(run):
    answer = ending.cancel(run.pk, actor="anna")

    assert answer.first
    assert answer.run.status == RunStatus.CANCELLED
    assert {t.status for t in tasks(run)} == {TaskStatus.CANCELLED}
    assert answer.run.outcome == "Cancelled by anna. No table was changed."


def test_cancel_waits_for_the_running_task_and_names_who_asked_first(run):
    held = claim(tasks(run)[0])
    ending.cancel(run.pk, actor="anna")

    again = ending.cancel(run.pk, actor="ben")

    assert not again.first
    assert again.run.get_status_display() == "Canceling …"
    assert again.run.cancel_requested_by == "anna"
    assert working.beat(held) == RunStatus.CANCELING
    working.stopped(held)
    assert Run.objects.get(pk=run.pk).status == RunStatus.CANCELLED


def test_a_run_whose_worker_died_while_canceling_is_cancelled_by_the_sweeper(run):
    held = claim(tasks(run)[0])
    ending.cancel(run.pk, actor="anna")
    expire(held)

    upkeep.sweep()

    assert Run.objects.get(pk=run.pk).status == RunStatus.CANCELLED


def test_a_cancel_after_the_end_is_refused_with_the_reason(run):
    batches = through_to_completion(run)
    claim(tasks(run, kind=TaskKind.COMPLETION)[0])
    ending.complete(run.pk, published(run, batches), batches, {}, actor="w")

    with pytest.raises(Refused, match="completed: the cancel came too late"):
        ending.cancel(run.pk, actor="anna")


def test_a_cancel_that_the_publish_overtook_ends_completed(run):
    batches = through_to_completion(run)
    claim(tasks(run, kind=TaskKind.COMPLETION)[0])
    ending.cancel(run.pk, actor="anna")

    ending.complete(run.pk, published(run, batches), batches, {}, actor="w")

    run.refresh_from_db()
    assert run.status == RunStatus.COMPLETED
    assert run.outcome.endswith("The cancel came too late.")


def test_a_run_can_be_forced_closed_and_its_late_worker_is_fenced(run):
    held = claim(tasks(run)[0])

    upkeep.force_close(run.pk, actor="admin", reason="the worker hangs")

    assert Run.objects.get(pk=run.pk).status == RunStatus.FAILED
    with pytest.raises(Ghost):
        working.finish(held, Outcome())


def test_forcing_waits_for_the_deadline_of_a_cancel(run):
    claim(tasks(run)[0])
    ending.cancel(run.pk, actor="anna")
    with pytest.raises(Refused, match="still stopping"):
        upkeep.force_close(run.pk, actor="admin", reason="x")

    Run.objects.filter(pk=run.pk).update(cancel_requested_at=Now() - timedelta(minutes=4))

    assert upkeep.force_close(run.pk, actor="admin", reason="x") == RunStatus.CANCELLED


def test_a_run_past_its_longest_time_is_closed(run):
    claim(tasks(run)[0])
    Run.objects.filter(pk=run.pk).update(deadline_at=Now() - timedelta(seconds=1))

    upkeep.sweep()

    run.refresh_from_db()
    assert run.status == RunStatus.FAILED
    assert "longer than the 24 hours" in run.outcome


def cancelled_run(source):
    run = starting.request(source.pk, RunMode.DESTRUCTIVE, asked=ANNA)
    ending.cancel(run.pk, actor="anna")
    return run


def test_a_retry_is_a_new_run_with_the_same_load():
    old = cancelled_run(small_source())

    run = starting.retry(old.pk, asked=ANNA)

    assert (run.retry_of, run.load, run.trigger) == (old, old.load, "retry")


def test_a_second_retry_of_the_same_run_is_refused():
    old = cancelled_run(small_source())
    run = starting.retry(old.pk, asked=ANNA)

    with pytest.raises(Refused, match=f"retried already: run {run.pk}"):
        starting.retry(old.pk, asked=ANNA)


def test_only_the_newest_run_can_be_retried():
    source = small_source()
    old, new = cancelled_run(source), cancelled_run(source)

    with pytest.raises(Refused, match=f"Only the newest run of this source can be retried: run {new.pk}"):
        starting.retry(old.pk, asked=ANNA)


def test_a_completed_run_cannot_be_retried(run):
    with pytest.raises(Refused, match="only a failed, cancelled or rejected run"):
        starting.retry(run.pk, asked=ANNA)


def test_a_rejected_run_can_be_retried_once_the_source_is_free(run):
    rejected = starting.request(run.source_id, RunMode.INCREMENTAL, asked=ANNA)
    with pytest.raises(Refused, match="still open"):
        starting.retry(rejected.pk, asked=ANNA)
    ending.cancel(run.pk, actor="anna")
    Run.objects.filter(pk=run.pk).update(status=RunStatus.COMPLETED)  # as if it had gone well

    retried = starting.retry(rejected.pk, asked=ANNA)

    assert (retried.status, retried.mode) == (RunStatus.WAITING, RunMode.INCREMENTAL)
    assert retried.load != run.load


def test_a_retry_reuses_the_finished_extractions_and_opens_what_is_left(run):
    surveys, north, south = tasks(run, kind=TaskKind.EXTRACTION)
    for task in (surveys, north):
        working.finish(claim(task), Outcome(output={"cursor": ""}))
    working.fail(claim(south), BROKEN)

    again = starting.retry(run.pk, asked=ANNA)

    assert [t.name for t in tasks(again, status=TaskStatus.QUEUED)] == ["Responses south"]
    assert [t.reused_from for t in tasks(again, status=TaskStatus.COMPLETED)] == [surveys, north]
    assert Run.objects.get(pk=again.pk).pending == 1


def test_a_retry_of_everything_reuses_nothing(run):
    working.finish(claim(tasks(run)[0]), Outcome())
    ending.cancel(run.pk, actor="anna")

    again = starting.retry(run.pk, asked=ANNA, choice=Choice.EVERYTHING)

    assert len(tasks(again, status=TaskStatus.QUEUED)) == 3


def test_a_retry_after_the_configuration_changed_reuses_nothing(run):
    working.finish(claim(tasks(run)[0]), Outcome())
    ending.cancel(run.pk, actor="anna")
    small_source(url="http://127.0.0.1:10")

    again = starting.retry(run.pk, asked=ANNA)

    assert len(tasks(again, status=TaskStatus.QUEUED)) == 3
    assert again.config.number == 2


def test_every_move_is_in_the_history_with_actor_and_reason(run):
    working.fail(claim(tasks(run)[0]), BROKEN)
    finish_all(run, TaskKind.EXTRACTION)

    history = [(e.before, e.after, e.actor) for e in Event.objects.filter(run=run, task=None)]
    assert history == [("", "waiting", "anna"), ("waiting", "running", "system"), ("running", "failed", "system")]
    failed = Event.objects.get(run=run, after="failed", task__isnull=False)
    assert (failed.attempt, failed.reason) == (1, BROKEN.text)


def test_the_sweeper_wakes_what_was_not_heard(run, monkeypatch):
    sent = []
    monkeypatch.setattr(upkeep, "send", lambda pk, kind: bool(sent.append(pk)) or True)

    upkeep.sweep()
    upkeep.sweep()

    assert sent == [t.pk for t in tasks(run, status=TaskStatus.QUEUED)]


def test_a_dry_sweep_changes_nothing(run):
    held = claim(tasks(run)[0])
    expire(held)

    found = upkeep.sweep(dry_run=True)

    assert found["lost"] == 1
    assert working.beat(held) == RunStatus.RUNNING
