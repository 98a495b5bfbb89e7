"""A run that was stopped late, and its retries: what is read again, what is taken over, and what becomes live."""

from ingestion.models import Batch, Part
from runs.lifecycle import ending, retrying, starting
from runs.lifecycle.retrying import Choice
from runs.lifecycle.starting import Asked
from runs.models import Run, Task
from runs.states import RunStatus, TaskKind, TaskStatus

ANNA = Asked(actor="anna", trigger="retry")
TWO_WEEKS = """
manifest: 1
name: two_weeks
settings:
  base_url: {title: Address}
base_url: "{{ settings.base_url }}"
auth: {style: bearer}
endpoints:
  - name: flights
    title: Flights
    path: /v1/flights
    params: {from: "{{ partition.start }}", to: "{{ partition.end }}", per_page: 1000}
    records: data.flights
    pagination: {style: next_link, path: links.next}
    partition: {by: date, start: 2013-01-07, end: 2013-01-21, step: week}
    key: id
"""


def cancel_at(kind: TaskKind):
    def before(task: Task) -> None:
        if task.kind == kind:
            ending.cancel(task.run_id, actor="anna")

    return before


def ways(run: Run) -> dict[Choice, retrying.Way]:
    return {way.choice: way for way in retrying.plan(run)}


def test_a_retry_from_ingestion_calls_nobody_and_merges_nothing_again(house):
    old = house.run(house.source(manifest=TWO_WEEKS), before=cancel_at(TaskKind.INGESTION))
    way = ways(old)[Choice.INGESTION]
    rows = sum(old.tasks.filter(kind=TaskKind.EXTRACTION).values_list("row_count", flat=True))
    house.api.reset_stats()

    run = house.work(starting.retry(old.pk, asked=ANNA, choice=Choice.INGESTION))

    assert (old.status, run.status) == (RunStatus.CANCELLED, RunStatus.COMPLETED)
    assert (way.task_count, way.row_count, way.called, way.call_count) == (2, rows, [], 0)
    assert way.byte_count > 10_000
    assert run.call_count == 0
    assert not run.tasks.filter(kind=TaskKind.CONSOLIDATION).exists()
    keys = Part.objects.filter(batch__owner=run.owner, merged_into=None).values_list("key", flat=True)
    assert {key for key in keys if f"run-{old.pk}/" in key} == set(keys) != set()
    assert house.count("flights.flights") == rows
    assert Run.objects.get(pk=old.pk).acknowledged_at is None  # a cancelled run asks for nothing


def test_a_retry_from_consolidation_calls_nobody_and_merges_again(house):
    old = house.run(house.source(manifest=TWO_WEEKS), before=cancel_at(TaskKind.INGESTION))

    run = house.work(starting.retry(old.pk, asked=ANNA, choice=Choice.CONSOLIDATION))

    assert (run.status, run.call_count) == (RunStatus.COMPLETED, 0)
    assert run.tasks.get(kind=TaskKind.CONSOLIDATION).status == TaskStatus.COMPLETED
    batch = Batch.objects.get(owner=run.owner)
    assert house.count("flights.flights") == batch.staged_count == run.live_row_count


def test_a_retry_of_a_retry_still_knows_what_was_called(house):
    first = house.run(house.source(manifest=TWO_WEEKS), before=cancel_at(TaskKind.INGESTION))
    second = starting.retry(first.pk, asked=ANNA)
    second = house.work(second, before=cancel_at(TaskKind.INGESTION))

    everything = ways(second)[Choice.EVERYTHING]
    run = house.work(starting.retry(second.pk, asked=ANNA))

    assert everything.call_count == first.call_count > 0
    assert (run.status, run.call_count) == (RunStatus.COMPLETED, 0)
    assert house.count("flights.flights") == run.row_count
