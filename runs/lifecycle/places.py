"""How many extraction tasks of a run may be at work at once, where its connector sets a limit. One open run per source
makes that the limit of the source. Counted with the run locked, so that two claims never take the last place."""

from connectors.engines import tasks_at_once
from connectors.manifest import ManifestError
from runs.dispatch import wake
from runs.models import Run, Task
from runs.states import RunStatus, TaskKind, TaskStatus


def refused(run: Run, task: Task) -> bool:
    """Is there no place for this queued task of a locked run? Then it says why it waits."""
    limit = _limit_of(run) if task.kind == TaskKind.EXTRACTION else None
    if limit is None or _at_work(run) < limit:
        return False
    if not task.note:
        many = "1 task" if limit == 1 else f"{limit:,} tasks"
        note = f"Waits for a place: its connector allows {many} at once."
        Task.objects.filter(pk=task.pk, status=TaskStatus.QUEUED).update(note=note)
    return True


def wake_next(run: Run, kind: str, *, read: Run | None = None) -> None:
    """A task of this kind has let go of its place: wake those that may have it. Run is locked; `read` is the same run
    with its configuration in hand, which then need not be read once more."""
    limit = _limit_of(read or run) if kind == TaskKind.EXTRACTION and run.status == RunStatus.RUNNING else None
    if limit is None:
        return
    free = max(0, limit - _at_work(run))
    due = Task.objects.due().filter(run=run, kind=kind).order_by("pk")
    for task_id in due.values_list("pk", flat=True)[:free]:
        wake(task_id, kind)


def _at_work(run: Run) -> int:
    return run.tasks.filter(kind=TaskKind.EXTRACTION, status=TaskStatus.RUNNING).count()


def _limit_of(run: Run) -> int | None:
    try:
        return tasks_at_once(run.config.manifest)
    except ManifestError:  # the task itself will say what is wrong with it
        return None
