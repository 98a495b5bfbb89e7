"""The tasks of a run's phases: making them, and opening a phase once the one before has ended."""

from collections.abc import Sequence

from runs import planning
from runs.dispatch import wake
from runs.lifecycle.moves import queue
from runs.models import Run, Task, search_words
from runs.planning import PlannedTask
from runs.states import TaskKind, TaskStatus


def add_tasks(run: Run, planned: Sequence[tuple[PlannedTask, str]]) -> list[Task]:
    """Make these tasks, waiting; those that exist stay as they are. Call with the run locked or new."""
    known = {(task.kind, task.key) for task in run.tasks.all()}
    fresh = [
        Task(
            run=run,
            kind=task.kind,
            key=task.key,
            name=task.name[:255],
            acronym=search_words(task.name),
            endpoint=task.endpoint,
            partition=task.partition,
            batch_id=task.batch,
            since=since,
        )
        for task, since in planned
        if (task.kind, task.key) not in known
    ]
    Task.objects.bulk_create(fresh)
    Run.objects.filter(pk=run.pk).update(task_count=run.tasks.count())
    return fresh


def open_phase(run: Run, phase: TaskKind, *, actor: str) -> None:
    """Queue the waiting tasks of a phase and set the run's counter; goes on to the next when none waits."""
    waiting = list(run.tasks.filter(kind=phase, status=TaskStatus.WAITING).select_related("run"))
    if not waiting:
        counts = {kind: run.tasks.filter(kind=kind).count() for kind in TaskKind}
        following = planning.next_phase(phase, counts)
        if following is None:
            raise RuntimeError(f"run {run.pk} has no phase after {phase}")
        return open_phase(run, following, actor=actor)
    Run.objects.filter(pk=run.pk).update(phase=phase, pending=len(waiting))
    for task in waiting:
        queue(task, actor=actor)
        wake(task.pk, task.kind)
    return None
