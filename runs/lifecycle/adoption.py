"""What a retry takes over from the run it replaces: finished extractions with what they staged, and merged files."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from django.db.models import Sum
from django.db.models.functions import Now

from ingestion import batches
from ingestion.models import Batch, Part
from runs import journal
from runs.journal import record
from runs.models import Level, Run, TableLoad, Task
from runs.planning import LIST_PARENTS
from runs.states import TaskKind, TaskStatus


@dataclass(frozen=True, kw_only=True)
class Staged:
    """A finished extraction of which everything staged is still there."""

    task: Task
    byte_count: int


@dataclass(kw_only=True)
class _Sizes:
    rows: Counter[tuple[int, str]] = field(default_factory=Counter)  # (batch, label) → rows in parts
    bytes: Counter[str] = field(default_factory=Counter)  # label → bytes


def reusable(old: Run) -> dict[str, Staged]:
    """The finished extractions of a run by key. One whose files the janitor has deleted past their time is not among
    them: nothing is reused in part. Three queries, however many tasks."""
    sizes, missing = _sizes(old), set[int]()
    listed = TableLoad.objects.filter(run=old, task__kind=TaskKind.EXTRACTION, task__status=TaskStatus.COMPLETED)
    for task, batch, rows in listed.values_list("task", "batch", "row_count"):
        if sizes.rows[batch, f"task/{task}"] != rows:
            missing.add(task)
    finished = old.tasks.filter(kind=TaskKind.EXTRACTION, status=TaskStatus.COMPLETED)
    return {
        task.key: Staged(task=task, byte_count=sizes.bytes[task.label]) for task in finished if task.pk not in missing
    }


def _sizes(old: Run) -> _Sizes:
    found = _Sizes()
    parts = Part.objects.filter(batch__owner=old.owner).order_by()
    for batch, label, rows, size in (
        parts.values("batch", "label")
        .annotate(rows=Sum("row_count"), bytes=Sum("size"))
        .values_list("batch", "label", "rows", "bytes")
    ):
        found.rows[batch, label] += rows
        found.bytes[label] += size
    return found


def adopt(run: Run, old: Run, *, merged: bool = True) -> int:
    """Mark the tasks as completed whose twins in `old` completed, and list their parts in this run's batches; with
    `merged`, the files that table consolidation has made of these, too.

    Answers how many tasks were taken over. Call with the run new and its tasks waiting.
    """
    twins = reusable(old)
    _make_listed_tasks(run, old, twins)
    targets = {batch.dataset_id: batch for batch in Batch.objects.filter(owner=run.owner)}
    count = 0
    for task in run.tasks.filter(kind=TaskKind.EXTRACTION, status=TaskStatus.WAITING):
        # A twin that began at another bookmark has read something else.
        if (twin := twins.get(task.key)) and twin.task.since == task.since:
            _take_over(task, twin.task, targets)
            count += 1
    rows = sum(run.tasks.values_list("row_count", flat=True))
    Run.objects.filter(pk=run.pk).update(row_count=rows, ended_task_count=count)
    if merged:
        _take_over_merged(run, old, targets)
    return count


def _make_listed_tasks(run: Run, old: Run, twins: Mapping[str, Staged]) -> None:
    """Partitions that the old run found by listing parent records exist in the new one too, if the list completed and
    began at the same bookmark: else the new run lists for itself."""
    known = dict(run.tasks.filter(kind=TaskKind.EXTRACTION).values_list("key", "since"))
    lists = {key: twin.task for key, twin in twins.items() if key.endswith(f"/{LIST_PARENTS}")}
    listed = [task.endpoint for key, task in lists.items() if known.get(key) == task.since]
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


def _take_over_merged(run: Run, old: Run, targets: dict[int, Batch]) -> None:
    """List the files that the old run's table consolidation has made, where all that went into them was taken over.
    They are judged anew by this run's metadata consolidation, which finds them large enough to be left as they are."""
    tables = []
    for before in Batch.objects.filter(owner=old.owner).select_related("dataset"):
        batch = targets.get(before.dataset_id)
        if batch and _list_merged(before, batch):
            tables.append(before.dataset.name)
    if tables:
        text = f"The merged files of {len(tables):,} tables were taken over from run {old.pk}."
        journal.say(run, Level.INFO, text, code="reused_merged")


def _list_merged(before: Batch, batch: Batch) -> bool:
    """One table's, all of them or none: their rows count already, with the parts that went into them."""
    gone_in = list(before.parts.exclude(merged_into=None))
    into = {part.merged_into_id for part in gone_in if part.merged_into_id}
    labels = before.parts.filter(pk__in=into).values("label")
    made = list(before.parts.filter(label__in=labels, merged_into=None))
    own = set(batch.parts.values_list("number", flat=True))
    if not gone_in or any(part.number not in own for part in gone_in) or _rows(made) != _rows(gone_in):
        return False
    for part in made:
        numbers = [each.number for each in gone_in if each.merged_into_id == part.pk]
        part.pk, part.batch = None, batch
        part.save(force_insert=True)
        batch.parts.filter(number__in=numbers).update(merged_into=part)
    return True


def _rows(parts: list[Part]) -> int:
    return sum(part.row_count for part in parts)
