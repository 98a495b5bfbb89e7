"""What a retry takes over: the finished extraction tasks of the run it replaces, with what they have staged."""

from collections.abc import Iterator

from django.db.models.functions import Now

from ingestion import batches
from ingestion.models import Batch
from runs.journal import record
from runs.models import Run, TableLoad, Task
from runs.planning import LIST_PARENTS
from runs.states import TaskKind, TaskStatus


def adopt(run: Run, old: Run) -> int:
    """Mark the tasks as completed whose twins in `old` completed, and list their parts in this run's batches.

    Answers how many were taken over. Call with the run new and its tasks waiting.
    """
    _make_listed_tasks(run, old)
    twins = {task.key: task for task in reusable(old)}
    targets = {batch.dataset_id: batch for batch in Batch.objects.filter(owner=run.owner)}
    count = 0
    for task in run.tasks.filter(kind=TaskKind.EXTRACTION, status=TaskStatus.WAITING):
        if (twin := twins.get(task.key)) and is_whole(twin):
            _take_over(task, twin, targets)
            count += 1
    rows = sum(run.tasks.values_list("row_count", flat=True))
    Run.objects.filter(pk=run.pk).update(row_count=rows, ended_task_count=count)
    return count


def reusable(old: Run) -> Iterator[Task]:
    """The finished extraction tasks of a run."""
    return old.tasks.filter(kind=TaskKind.EXTRACTION, status=TaskStatus.COMPLETED).iterator()


def is_whole(twin: Task) -> bool:
    """Whether all that the task staged is still listed: the janitor may have deleted files past their time."""
    return all(
        table.row_count == sum(table.batch.parts.filter(label=twin.label).values_list("row_count", flat=True))
        for table in twin.tables.select_related("batch")
    )


def _make_listed_tasks(run: Run, old: Run) -> None:
    """Partitions that the old run found by listing parent records exist in the new one too, if the list completed."""
    listed = [task.endpoint for task in reusable(old) if task.key.endswith(f"/{LIST_PARENTS}")]
    known = set(run.tasks.values_list("key", flat=True))
    fresh = [
        Task(
            run=run,
            kind=task.kind,
            key=task.key,
            name=task.name,
            acronym=task.acronym,
            endpoint=task.endpoint,
            partition=task.partition,
            since=task.since,
        )
        for task in old.tasks.filter(kind=TaskKind.EXTRACTION, endpoint__in=listed)
        if task.key not in known
    ]
    Task.objects.bulk_create(fresh)
    Run.objects.filter(pk=run.pk).update(task_count=run.tasks.count())


def _take_over(task: Task, twin: Task, targets: dict[int, Batch]) -> None:
    for table in twin.tables.select_related("batch"):
        batch = targets[table.batch.dataset_id]
        parts = list(table.batch.parts.filter(label=twin.label))
        batches.adopt(batch=batch, parts=parts, label=task.label)
        TableLoad.objects.create(
            run_id=task.run_id,
            task=task,
            batch=batch,
            name=table.name,
            description=table.description,
            row_count=table.row_count,
        )
    Task.objects.filter(pk=task.pk).update(
        status=TaskStatus.COMPLETED,
        reused_from=twin,
        checkpoint=twin.checkpoint,
        output=twin.output,
        row_count=twin.row_count,
        page_count=twin.page_count,
        table_count=twin.table_count,
        note=f"Reused from run {twin.run_id}",
        started_at=twin.started_at,  # the bookmark must not pass what was written since it read
        finished_at=Now(),
    )
    record(
        task.run,
        TaskStatus.WAITING,
        TaskStatus.COMPLETED,
        actor="system",
        reason=f"reused from run {twin.run_id}",
        task=task,
    )
