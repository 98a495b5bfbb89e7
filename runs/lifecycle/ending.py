"""How runs end: cancel and its settling, failure, completion, and the force that closes one by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction
from django.db.models import F, Sum
from django.db.models.functions import Now

from connectors.models import Bookmark, OnFailure
from ingestion import lifecycle as batch_lifecycle
from ingestion import loading
from ingestion.models import Batch
from ingestion.warehouse.base import Published
from runs import journal
from runs.errors import Refused
from runs.lifecycle import caring, steps
from runs.lifecycle.moves import lock, move_run, move_task
from runs.models import DataLoad, Level, Run, TableLoad, Task
from runs.states import RunStatus, TaskKind, TaskStatus

UNTOUCHED = "No table was changed."


@dataclass(frozen=True, kw_only=True)
class Cancelled:
    """The answer to a cancel: the same for everybody who asks, whoever was first."""

    run: Run
    first: bool


def cancel(run_id: int, *, actor: str) -> Cancelled:
    """Ask a run to stop. Asking again changes nothing and answers who asked first. Raises Refused when it has ended."""
    with transaction.atomic():
        run = lock(run_id)
        if run.status == RunStatus.CANCELING:
            return Cancelled(run=run, first=False)
        if run.is_ended:
            raise _too_late(run)
        move_run(run, RunStatus.CANCELING, actor=actor, cancel_requested_at=Now(), cancel_requested_by=actor)
        run.cancel_requested_by = actor
        for task in _tasks(run, TaskStatus.WAITING, TaskStatus.QUEUED):
            move_task(task, TaskStatus.CANCELLED, actor=actor, reason="the run was cancelled")
        settle_cancel(run)
        return Cancelled(run=Run.objects.get(pk=run_id), first=True)


def _too_late(run: Run) -> Refused:
    if run.status == RunStatus.COMPLETED:
        return Refused(f"Run {run.pk} is completed: the cancel came too late.", code="completed", run_id=run.pk)
    return Refused(
        f"Run {run.pk} has ended already (“{run.get_status_display()}”); there is nothing to cancel.",
        code="ended",
        run_id=run.pk,
    )


def _tasks(run: Run, *statuses: TaskStatus) -> list[Task]:
    tasks = list(run.tasks.filter(status__in=statuses))
    for task in tasks:
        task.run = run
    return tasks


def settle_cancel(run: Run) -> bool:
    """Close a canceling run whose last task has stopped. Where a publish may have been committed the ledger decides,
    and that is read outside any transaction: the sweeper's work."""
    if run.status != RunStatus.CANCELING or run.tasks.filter(status=TaskStatus.RUNNING).exists():
        return False
    if publish_was_tried(run):
        return False
    return _cancelled(run, actor="system")


def publish_was_tried(run: Run) -> bool:
    return run.tasks.filter(kind=TaskKind.COMPLETION, attempt__gt=0).exists()


def _cancelled(run: Run, *, actor: str, reason: str = "") -> bool:
    for task in _tasks(run, TaskStatus.WAITING, TaskStatus.QUEUED):
        move_task(task, TaskStatus.CANCELLED, actor=actor, reason="the run was cancelled")
    outcome = f"Cancelled by {run.cancel_requested_by or actor}. {UNTOUCHED}"
    if not move_run(run, RunStatus.CANCELLED, actor=actor, reason=reason, outcome=outcome, pending=0):
        return False
    _abort_batches(run, actor=actor, reason="the run was cancelled")
    return True


def _abort_batches(run: Run, *, actor: str, reason: str) -> None:
    batch_lifecycle.abort(_batch_ids(run), actor=actor, reason=reason)


def _batch_ids(run: Run) -> list[int]:
    return list(Batch.objects.filter(owner=run.owner).values_list("pk", flat=True))


def may_go_on(run: Run) -> bool:
    """Whether a run with failed extractions goes on with the tables that are whole, as its source is set to."""
    if not takes_whole_tables(run) or run.phase != TaskKind.EXTRACTION:
        return False
    tasks = run.tasks.filter(kind=TaskKind.EXTRACTION)
    broken = tasks.exclude(status=TaskStatus.COMPLETED).values("endpoint")
    return tasks.filter(status=TaskStatus.COMPLETED).exclude(endpoint__in=broken).exists()


def takes_whole_tables(run: Run) -> bool:
    """Whether the source is set to complete with the tables that are whole."""
    return bool(run.config.options.get("on_failure") == OnFailure.COMPLETE_WHOLE)


def fail_run(run: Run, *, actor: str, reason: str = "") -> bool:
    """Close a locked run as failed; what waited is skipped and says why."""
    failed = run.tasks.filter(status=TaskStatus.FAILED).order_by("finished_at").first()
    cause = reason or (f"“{failed.name}” failed" if failed else "it could not go on")
    for task in _tasks(run, TaskStatus.WAITING, TaskStatus.QUEUED):
        move_task(task, TaskStatus.SKIPPED, actor=actor, reason=cause, note=f"Skipped: {cause}"[:255])
    fault = failed.fault if failed else run.fault or "closed"
    outcome = f"Failed: {cause}. {UNTOUCHED}"
    if not move_run(run, RunStatus.FAILED, actor=actor, reason=cause, outcome=outcome, fault=fault, pending=0):
        return False
    _abort_batches(run, actor=actor, reason=cause)
    return True


def complete(
    run_id: int, answer: Published, batches: Sequence[Batch], bookmarks: Mapping[str, str], *, actor: str
) -> bool:
    """The publish is in the ledger: write down what it did, move the bookmarks, create the data load, end the run.

    One transaction. Safe to repeat; also for a run that was being cancelled, which then came too late.
    """
    with transaction.atomic():
        run = lock(run_id)
        if not run.is_open:
            return False
        late = " The cancel came too late." if run.status == RunStatus.CANCELING else ""
        for task in _tasks(run, TaskStatus.RUNNING, TaskStatus.WAITING, TaskStatus.QUEUED):
            to = TaskStatus.COMPLETED if task.status == TaskStatus.RUNNING else TaskStatus.SKIPPED
            move_task(task, to, actor=actor, note=f"{len(batches)} tables made live")
        loading.settle(answer, batches, actor=actor)
        _move_bookmarks(run, bookmarks)
        rows = sum(effect.live for effect in answer.effects)
        outcome = f"{len(batches)} table{'s are' if len(batches) != 1 else ' is'} live with {rows:,} rows.{late}"
        move_run(
            run, RunStatus.COMPLETED, actor=actor, reason=late.strip(), outcome=outcome, live_row_count=rows, pending=0
        )
        _open_data_load(run, len(batches))
        caring.acknowledge_earlier(run)
        return True


def _move_bookmarks(run: Run, bookmarks: Mapping[str, str]) -> None:
    for endpoint, value in bookmarks.items():
        Bookmark.objects.update_or_create(
            source_id=run.source_id, endpoint=endpoint, defaults={"value": value, "run_id": run.pk}
        )


def _open_data_load(run: Run, table_count: int) -> None:
    """Without post-load steps a data load completes as it is made; else with the last of them."""
    rows = Batch.objects.filter(owner=run.owner).aggregate(rows=Sum("loaded_count"))["rows"] or 0
    load = DataLoad.objects.create(run=run, table_count=table_count, row_count=rows)
    steps.queue(load, run.source)


def settle_ledger(run_id: int, answer: Published | None, *, actor: str) -> str:
    """Close a run whose workers are gone by what the ledger says; answers the status it ended in, or "".

    The caller has read the ledger, outside any transaction. A run with a task still running is left alone.
    """
    with transaction.atomic():
        run = lock(run_id)
        if not run.is_open or run.tasks.filter(status=TaskStatus.RUNNING).exists():
            return ""
        if answer is not None:
            batches = list(Batch.objects.filter(owner=run.owner).select_related("dataset"))
            complete(run_id, answer, batches, {}, actor=actor)
            return RunStatus.COMPLETED
        if run.status == RunStatus.CANCELING:
            return RunStatus.CANCELLED if _cancelled(run, actor=actor) else ""
        return RunStatus.FAILED if run.pending == 0 and fail_run(run, actor=actor) else ""


def close(run_id: int, answer: Published | None, *, actor: str, reason: str) -> RunStatus:
    """Force an open run closed: attempts are raised first, so that a late worker is fenced.

    The caller has read the ledger. A canceling run becomes cancelled, any other failed, a published one completed.
    """
    with transaction.atomic():
        run = lock(run_id)
        if refused := why_not_close(run, overdue=True) or why_not_shut(run):
            raise refused
        for task in _tasks(run, TaskStatus.RUNNING):
            Task.objects.filter(pk=task.pk).update(attempt=F("attempt") + 1)
            move_task(task, TaskStatus.CANCELLED, actor=actor, reason=reason)
        if answer is not None:
            settle_ledger(run_id, answer, actor=actor)
        elif run.status == RunStatus.CANCELING:
            _cancelled(run, actor=actor, reason=reason)
        else:
            fail_run(run, actor=actor, reason=reason)
        return RunStatus(Run.objects.get(pk=run_id).status)


def why_not_close(run: Run, *, overdue: bool) -> Refused | None:
    """The reason why a run cannot be forced closed now."""
    if run.is_ended:
        word = run.get_status_display()
        return Refused(f"Run {run.pk} has ended already (“{word}”).", code="ended", run_id=run.pk)
    if run.status == RunStatus.CANCELING and not overdue:
        wait = f"{settings.CANCEL_DEADLINE_SECONDS:.0f} s"
        return Refused(
            f"Run {run.pk} is still stopping; it can be forced closed {wait} after the cancel was asked.",
            code="not_overdue",
            run_id=run.pk,
        )
    return None


def why_not_shut(run: Run) -> Refused | None:
    """A publish that is under way cannot be called off from here: it may commit after all."""
    completion = run.tasks.filter(kind=TaskKind.COMPLETION, status=TaskStatus.RUNNING, lease_until__gt=Now())
    if not completion.exists():
        return None
    return Refused(
        f"Run {run.pk} is making its tables live just now; wait until that has ended.",
        code="publishing",
        run_id=run.pk,
    )


def name_table(run: Run, task: Task, batch_id: int, rows: int) -> None:
    """Say how many records a task brought into a table; repeating it replaces the number."""
    batch = Batch.objects.select_related("dataset").get(pk=batch_id)
    _, made = TableLoad.objects.update_or_create(
        task=task,
        batch=batch,
        defaults={
            "run": run,
            "name": batch.dataset.name,
            "description": batch.dataset.description,
            "row_count": rows,
        },
    )
    if made:
        Task.objects.filter(pk=task.pk).update(table_count=F("table_count") + 1)


def warn_about_parts(run: Run, task: Task, warnings: Sequence[tuple[str, str, int]]) -> None:
    """Leave one message for each kind of thing that conversion kept from changing silently."""
    for code, text, count in warnings:
        journal.say(run, Level.WARNING, text, code=code, task=task, count=count)
