"""What a worker says of its task: claim, beat, checkpoint, finish, fail, stop, release.

Every word names the attempt that the claim raised. When it touches no row the worker is a ghost and must stop.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Coalesce, Now

from runs import journal, runlog
from runs.dispatch import wake
from runs.errors import Ghost
from runs.lifecycle import ending, places
from runs.lifecycle.moves import lease, lock, move_run, move_task, queue
from runs.lifecycle.phases import add_tasks, open_phase
from runs.models import Level, Run, TableLoad, Task
from runs.planning import PlannedTask, next_phase
from runs.runlog import Lines
from runs.states import RunStatus, TaskKind, TaskStatus

MAX_RELEASE_SECONDS = 900


def token_of(run: Run, attempt: int = 999) -> int:
    """What an attempt at completing a run publishes with; without an attempt, one that no attempt of it exceeds."""
    return run.pk * 1000 + attempt


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A task in the hands of one worker. `token` rises with every attempt at the same load, over retries of its run.

    `log` holds what the attempt has to say; it is written with the next checkpoint, and the rest by `perform`.
    """

    task: Task
    run: Run
    attempt: int
    log: Lines = field(default_factory=Lines, compare=False, repr=False)

    @property
    def token(self) -> int:
        return token_of(self.run, self.attempt)

    @property
    def actor(self) -> str:
        return f"worker {self.task.worker}"


@dataclass(frozen=True, kw_only=True)
class Failure:
    """What stopped a task, in words for people."""

    fault: str  # transient | rate_limited | auth | config | data | schema | disk | lost | bug
    text: str
    advice: str
    detail: str = ""
    retry_after: float | None = None

    @property
    def transient(self) -> bool:
        return self.fault in ("transient", "rate_limited", "disk", "lost")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a stage did: rows by batch, words for the task, tasks to add to its own phase or to later ones."""

    note: str = ""
    output: Mapping[str, Any] = field(default_factory=dict)
    tables: Mapping[int, int] = field(default_factory=dict)  # batch → rows
    more: Sequence[PlannedTask] = ()
    since: str = ""


def claim(task_id: int, *, worker: str) -> Claim | None:
    """Take a queued task that is due; None when there is nothing to take (a late, repeated or early message)."""
    with transaction.atomic():
        task = Task.objects.select_related("run").filter(pk=task_id).first()
        if task is None:
            return None
        run = lock(task.run_id)
        if run.status not in (RunStatus.WAITING, RunStatus.RUNNING):
            return None
        task = Task.objects.due().filter(pk=task_id).first()
        if task is None or places.refused(run, task):
            return None
        task.run = run
        fresh = {"attempt": F("attempt") + 1, "lease_until": lease(), "worker": worker[:120], "note": ""}
        if not move_task(
            task,
            TaskStatus.RUNNING,
            actor=f"worker {worker}",
            fence=task.attempt,
            started_at=Coalesce("started_at", Now()),
            **fresh,
        ):
            return None
        longest = Now() + timedelta(hours=run.source.max_hours)
        move_run(run, RunStatus.RUNNING, actor="system", reason=f"“{task.name}” was taken up", deadline_at=longest)
        task.refresh_from_db()
        task.run = run
        return Claim(task=task, run=run, attempt=task.attempt)


def _held(claim: Claim) -> Any:
    """The claimed task, as long as this attempt still owns it: the fence of every write back."""
    return Task.objects.filter(pk=claim.task.pk, attempt=claim.attempt, status=TaskStatus.RUNNING)


def beat(claim: Claim, **progress: Any) -> RunStatus:
    """Renew the lease; answers the run's status, so that a cancel is heard. Raises Ghost."""
    if not _held(claim).update(lease_until=lease(), **progress):
        raise Ghost(claim.task.name)
    return RunStatus(Run.objects.values_list("status", flat=True).get(pk=claim.run.pk))


def checkpoint(
    claim: Claim, *, commit: Callable[[], dict[int, int]], state: Mapping[str, Any], **progress: Any
) -> None:
    """Make what `commit` writes real together with the cursor that led to it. Raises Ghost, and then nothing is."""
    with claim.log.taken() as lines, transaction.atomic():
        run = lock(claim.run.pk)
        if not _held(claim).update(checkpoint=dict(state), progressed=True, lease_until=lease(), **progress):
            raise Ghost(claim.task.name)
        rows = commit()
        _count_tables(claim, rows)
        total = sum(rows.values())
        _held(claim).update(row_count=F("row_count") + total)
        said = runlog.write(run, claim.task, claim.attempt, lines)
        raised = {"row_count": F("row_count") + total, "log_line_count": F("log_line_count") + said}
        Run.objects.filter(pk=run.pk).update(version=F("version") + 1, **raised)


def count_calls(claim: Claim, *, call_count: int, **usage: Any) -> None:
    """Say how often the source was called, at the end of an attempt however it ended; a ghost counts nothing."""
    with transaction.atomic():
        lock(claim.run.pk)
        before = _held(claim).values_list("call_count", flat=True).first()
        if before is not None:
            _held(claim).update(call_count=call_count, **usage)
            earlier = claim.task.call_count
            Run.objects.filter(pk=claim.run.pk).update(call_count=F("call_count") + call_count - earlier)


def _count_tables(claim: Claim, rows: Mapping[int, int]) -> None:
    for batch, count in rows.items():
        touched = TableLoad.objects.filter(task=claim.task, batch=batch).update(row_count=F("row_count") + count)
        if not touched:
            ending.name_table(claim.run, claim.task, batch, count)


def finish(claim: Claim, outcome: Outcome) -> None:
    """The task is done: write its facts, add the tasks it found, and open the next phase if it was the last.

    All in one transaction. Raises Ghost.
    """
    with transaction.atomic():
        run = lock(claim.run.pk)
        task = _current(claim)
        if outcome.more and run.status == RunStatus.CANCELING:  # a retry must find what led to no tasks not done
            if not _stop(run, task, claim):
                raise Ghost(claim.task.name)
            return
        facts: dict[str, Any] = {"output": dict(outcome.output), "note": outcome.note[:255]}
        if not move_task(task, TaskStatus.COMPLETED, actor=claim.actor, fence=claim.attempt, **facts):
            raise Ghost(claim.task.name)
        for batch, count in outcome.tables.items():
            ending.name_table(run, task, batch, count)
        if task.kind != TaskKind.EXTRACTION:  # an extraction has counted its rows as they became durable
            Task.objects.filter(pk=task.pk).update(row_count=sum(outcome.tables.values()))
        fresh = add_tasks(run, [(planned, outcome.since) for planned in outcome.more])
        _open_own_phase(run, task, fresh)
        ended(run, actor=claim.actor)
        places.wake_next(run, task.kind, read=claim.run)


def _open_own_phase(run: Run, task: Task, fresh: Sequence[Task]) -> None:
    """Tasks of the phase that is open now are queued at once and counted in."""
    own = [new for new in fresh if new.kind == task.kind]
    Run.objects.filter(pk=run.pk).update(pending=F("pending") + len(own))
    for new in own:
        queue(new, actor="system", reason=f"found by “{task.name}”")
        wake(new.pk, new.kind)


def _current(claim: Claim) -> Task:
    task = Task.objects.get(pk=claim.task.pk)
    task.run = claim.run
    return task


def ended(run: Run, *, actor: str) -> None:
    """Count one ended task of the open phase; the last one opens the next phase, or ends the run. Run is locked."""
    Run.objects.filter(pk=run.pk).update(pending=F("pending") - 1)
    run.refresh_from_db(fields=["pending", "phase", "status"])
    if run.status == RunStatus.CANCELING:
        ending.settle_cancel(run)
    elif run.pending or not run.is_open:
        return
    elif run.tasks.filter(kind=run.phase, status=TaskStatus.FAILED).exists() and not ending.may_go_on(run):
        ending.fail_run(run, actor="system")
    elif run.phase != TaskKind.COMPLETION:
        open_phase_after(run)


def open_phase_after(run: Run) -> None:
    counts = {kind: run.tasks.filter(kind=kind, status=TaskStatus.WAITING).count() for kind in TaskKind}
    following = next_phase(TaskKind(run.phase), counts)
    if following:
        open_phase(run, following, actor="system")


def fail(claim: Claim, failure: Failure) -> bool:
    """The task did not succeed: back to the queue with a wait when that can help, else failed for good.

    Answers whether it failed for good. Raises Ghost.
    """
    with transaction.atomic():
        run = lock(claim.run.pk)
        task = _current(claim)
        if task.attempt != claim.attempt or task.status != TaskStatus.RUNNING:
            raise Ghost(claim.task.name)
        return settle_failure(run, task, failure, actor=claim.actor)


def settle_failure(run: Run, task: Task, failure: Failure, *, actor: str) -> bool:
    """Decide between another try and the end, for a running task of a locked run; answers true for the end."""
    if run.status == RunStatus.CANCELING:
        move_task(task, TaskStatus.CANCELLED, actor=actor, reason=failure.text, fence=task.attempt)
        ended(run, actor=actor)
        return False
    counted = failure.fault not in ("rate_limited", "lost")
    failures = (0 if task.progressed else task.failures) + counted
    lost = task.lost + (failure.fault == "lost")
    limit = settings.FAILURES_WITHOUT_PROGRESS if not task.progressed else settings.FAILURES_WITH_PROGRESS
    total = task.failures + counted
    many = counted and (failures >= settings.FAILURES_WITHOUT_PROGRESS or total >= limit)
    over = many or lost >= settings.LOST_LEASES
    if failure.transient and not over:
        _again(run, task, failure, failures=total, lost=lost, actor=actor)
        places.wake_next(run, task.kind)
        return False
    move_task(task, TaskStatus.FAILED, actor=actor, reason=failure.text, fence=task.attempt, fault=failure.fault)
    _say(run, task, failure, Level.ERROR)
    Run.objects.filter(pk=run.pk, fault="").update(fault=failure.fault)
    ended(run, actor=actor)
    places.wake_next(run, task.kind)
    return True


def _again(run: Run, task: Task, failure: Failure, *, failures: int, lost: int, actor: str) -> None:
    wait = failure.retry_after if failure.retry_after is not None else _backoff(failures)
    wait = 0.0 if failure.fault == "lost" else min(wait, MAX_RELEASE_SECONDS)
    counted = {"failures": failures, "lost": lost, "progressed": False}
    note = f"Tried again after a wait of {wait:.0f} s: {failure.text}"[:255]
    queue(
        task,
        actor=actor,
        reason=failure.text,
        fence=task.attempt,
        not_before=Now() + timedelta(seconds=wait),
        note=note,
        woken_at=None,
        **counted,
    )
    _say(run, task, failure, Level.WARNING)


def _backoff(failures: int) -> float:
    waits = settings.RETRY_WAITS
    return float(waits[min(max(failures, 1), len(waits)) - 1]) * random.uniform(0.8, 1.2)  # noqa: S311 - jitter


def _say(run: Run, task: Task, failure: Failure, level: Level) -> None:
    if level == Level.ERROR:
        goes_on = task.kind == TaskKind.EXTRACTION and ending.takes_whole_tables(run)
        text = f"{failure.text} {'Its table stays as it was.' if goes_on else ending.UNTOUCHED}"
        advice = failure.advice
        if failure.transient and not goes_on and "retry" not in advice:
            advice += " Then retry the run."
    else:
        text, advice = failure.text, f"Nothing to do now: it is tried again by itself. {failure.advice}"
    journal.say(run, level, text, code=failure.fault, task=task, advice=advice.strip(), detail=failure.detail)


def stopped(claim: Claim) -> None:
    """The task has stopped because its run is being cancelled."""
    with transaction.atomic():
        _stop(lock(claim.run.pk), _current(claim), claim)


def _stop(run: Run, task: Task, claim: Claim) -> bool:
    moved = move_task(task, TaskStatus.CANCELLED, actor=claim.actor, reason="cancel asked", fence=claim.attempt)
    if moved:
        ended(run, actor=claim.actor)
    return moved


def release(claim: Claim, *, reason: str) -> None:
    """Hand the task back unharmed: nothing is counted against it."""
    with transaction.atomic():
        run = lock(claim.run.pk)
        task = _current(claim)
        if run.status != RunStatus.CANCELING:
            queue(task, actor=claim.actor, reason=reason, fence=claim.attempt, not_before=None, woken_at=None)
            places.wake_next(run, task.kind, read=claim.run)
        else:
            _stop(run, task, claim)


def fenced(claim: Claim) -> None:
    """Note in the history that a late attempt was turned away. Changes nothing else."""
    journal.record(
        claim.run,
        TaskStatus.RUNNING,
        "fenced",
        actor=claim.actor,
        reason=f"attempt {claim.attempt} came too late: another owns the task, and what it did does not count",
        task=claim.task,
    )
