"""Compare-and-set moves along the tables of `states`, each with a row of history."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import F
from django.db.models.functions import Now

from runs.journal import record
from runs.models import Run, Task
from runs.states import RUN_ENDED, RUN_MOVES, TASK_MOVES, RunStatus, TaskStatus

TASK_ENDED = frozenset(status for status, targets in TASK_MOVES.items() if not targets)


def lock(run_id: int) -> Run:
    """The run, locked until the transaction ends. The first thing any decision about it does."""
    return Run.objects.select_for_update(no_key=True).get(pk=run_id)


def lease() -> Any:
    """When a lease taken now runs out, by the database's clock."""
    return Now() + timedelta(seconds=settings.LEASE_SECONDS)


def move_run(run: Run, to: RunStatus, *, actor: str, reason: str = "", **facts: Any) -> bool:
    """Move a locked run on; false when the table of moves has no such way. `facts` are written with it."""
    before = RunStatus(run.status)
    if to not in RUN_MOVES[before]:
        return False
    if to in RUN_ENDED:
        facts["finished_at"] = Now()
    if to == RunStatus.RUNNING:
        facts["started_at"] = Now()
    moved = Run.objects.filter(pk=run.pk, status=before).update(status=to, version=F("version") + 1, **facts)
    if moved:
        record(run, before, to, actor=actor, reason=reason)
        run.status = to
    return bool(moved)


def move_task(
    task: Task, to: TaskStatus, *, actor: str, reason: str = "", fence: int | None = None, **facts: Any
) -> bool:
    """Move a task on, from the status it was read in. A worker names its attempt as `fence`: a newer claim
    makes it a ghost, whose move touches nothing. Call with the run locked."""
    before = TaskStatus(task.status)
    if to not in TASK_MOVES[before]:
        return False
    still = Task.objects.filter(pk=task.pk, status=before)
    if fence is not None:
        still = still.filter(attempt=fence)
    if to in TASK_ENDED:
        facts |= {"finished_at": Now(), "lease_until": None}
    if not still.update(status=to, **facts):
        return False
    record(task.run, before, to, actor=actor, reason=reason, task=task)
    raised = {"ended_task_count": F("ended_task_count") + 1} if to in TASK_ENDED else {}
    Run.objects.filter(pk=task.run_id).update(version=F("version") + 1, **raised)
    task.status = to
    return True


def queue(task: Task, *, actor: str, reason: str = "", **facts: Any) -> bool:
    """Open a task for claiming."""
    return move_task(task, TaskStatus.QUEUED, actor=actor, reason=reason, lease_until=None, **facts)
