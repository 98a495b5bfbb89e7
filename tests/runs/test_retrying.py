"""The ways of retrying a run: what each plans, where it begins and ends, and what is refused."""

from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from connectors.models import Bookmark
from ingestion.models import Part
from ingestion.warehouse.base import Published
from runs.errors import Refused
from runs.lifecycle import caring, ending, retrying, starting
from runs.lifecycle.retrying import Choice
from runs.lifecycle.starting import Asked
from runs.models import Run
from runs.states import RunMode, RunStatus, TaskKind, TaskStatus
from tests import factories
from tests.sources import small_source

pytestmark = pytest.mark.django_db
ANNA = Asked(actor="anna", trigger="retry")
MONTHS = """
manifest: 1
name: months
base_url: "{{ settings.base_url }}"
settings:
  base_url: {title: Address}
endpoints:
  - name: visits
    title: Visits
    path: /visits
    params: {from: "{{ partition.start }}", to: "{{ partition.end }}"}
    records: data
    key: [id]
    cursor: {field: updated_at, param: since, format: iso}
    partition: {by: date, start: 2026-01-01, end: now, step: month}
"""


def cancelled(source, mode=RunMode.INCREMENTAL, **fields) -> Run:
    run = starting.request(source.pk, mode, asked=ANNA)
    ending.cancel(run.pk, actor="anna")
    Run.objects.filter(pk=run.pk).update(**fields)
    return Run.objects.get(pk=run.pk)


def months(run: Run) -> list[str]:
    return sorted(run.tasks.filter(kind=TaskKind.EXTRACTION).values_list("key", flat=True))


def ways(run: Run) -> dict[Choice, retrying.Way]:
    return {way.choice: way for way in retrying.plan(run)}


def test_the_same_window_begins_and_ends_where_the_old_run_did():
    source = small_source("Months", manifest=MONTHS)
    Bookmark.objects.create(source=source, endpoint="visits", value="2026-02-10", run_id=0)
    old = cancelled(source)
    Run.objects.filter(pk=old.pk).update(created_at=datetime(2026, 4, 15, tzinfo=UTC))
    Bookmark.objects.update(value="2026-03-20")  # as if somebody had moved it

    same = starting.retry(old.pk, asked=ANNA, choice=Choice.WINDOW)
    ending.cancel(same.pk, actor="anna")
    again = starting.retry(same.pk, asked=ANNA, choice=Choice.WINDOW)
    ending.cancel(again.pk, actor="anna")
    fresh = starting.retry(again.pk, asked=ANNA, choice=Choice.EVERYTHING)

    assert months(same) == months(again) == [f"visits/2026-0{month}" for month in (1, 2, 3, 4)]
    assert retrying.since_of(again) == {"visits": "2026-02-10"}
    assert (again.window_until, again.retry_choice) == (datetime(2026, 4, 15, tzinfo=UTC), "window")
    assert retrying.since_of(fresh) == {"visits": "2026-03-20"}
    assert len(months(fresh)) > 4


def test_nothing_is_reused_that_was_read_from_another_bookmark():
    source = small_source("Months", manifest=MONTHS)
    old = cancelled(source, status=RunStatus.FAILED)
    old.tasks.filter(kind=TaskKind.EXTRACTION).update(status=TaskStatus.COMPLETED)
    Bookmark.objects.create(source=source, endpoint="visits", value="2026-02-10", run_id=0)

    run = starting.retry(old.pk, asked=ANNA)

    assert not run.tasks.exclude(reused_from=None).exists()


def test_an_extraction_whose_files_are_gone_is_fetched_again_and_the_plan_says_so():
    run = factories.failed_run()
    done = factories.task(run, "Surveys", key="surveys", endpoint="surveys")
    table = factories.table(done, row_count=5)
    part = {"batch": table.batch, "number": 1, "key": "k", "columns": [], "row_count": 5, "size": 900, "sha256": ""}
    staged = Part.objects.create(label=done.label, **part)

    whole = ways(run)
    staged.delete()
    gone = ways(run)

    assert (whole[Choice.FAILED].task_count, whole[Choice.FAILED].byte_count) == (1, 900)
    assert whole[Choice.CONSOLIDATION].refusal == ""
    assert gone[Choice.FAILED].task_count == 0
    assert "past their 7 days and deleted" in gone[Choice.CONSOLIDATION].refusal


def test_from_ingestion_needs_the_consolidation_to_have_finished():
    run = factories.failed_run()
    factories.task(run, "Surveys", key="surveys")
    factories.task(run, "Metadata consolidation", kind=TaskKind.METADATA, status=TaskStatus.FAILED)

    assert ways(run)[Choice.INGESTION].refusal == "Metadata consolidation did not finish, so it comes first."
    assert ways(run)[Choice.CONSOLIDATION].refusal == ""


def test_a_rejected_run_has_nothing_to_reuse_and_estimates_by_the_last_good_one():
    source = factories.source()
    good = factories.run(source)
    factories.task(good, key="surveys", endpoint="surveys", output={"call_count": 12})
    rejected = factories.rejected_run(good)

    found = ways(rejected)

    assert [choice for choice, way in found.items() if way.refusal] == ["consolidation", "ingestion", "window"]
    assert found[Choice.FAILED].call_count == found[Choice.EVERYTHING].call_count == 12
    assert starting.retry(rejected.pk, asked=ANNA).retry_choice == "failed"


@pytest.mark.parametrize("choice", [Choice.CONSOLIDATION, Choice.INGESTION])
def test_a_stage_is_refused_after_the_configuration_changed(choice):
    run = factories.failed_run()
    factories.task(run, key="surveys")
    small_source(url="http://127.0.0.1:10")
    run = Run.objects.get(pk=run.pk)

    with pytest.raises(Refused, match="has been changed since"):
        starting.retry(run.pk, asked=ANNA, choice=choice)

    assert ways(run)[Choice.FAILED].remark == retrying.CHANGED
    assert not Run.objects.filter(retry_of=run).exists()


def test_a_retry_that_completes_acknowledges_what_it_stands_for():
    source = small_source()
    old = cancelled(source, status=RunStatus.FAILED)
    run = starting.retry(old.pk, asked=ANNA)

    ending.complete(run.pk, Published(load_id=run.load_id, effects=()), [], {}, actor="worker one:7/a")

    old.refresh_from_db()
    assert (old.acknowledged_by, caring.in_trouble(old)) == (f"run {run.pk}", True)
    assert old.events.filter(after="acknowledged", reason=f"its retry, run {run.pk}, completed").exists()


# The command


def told(*arguments: str) -> str:
    out = StringIO()
    call_command("retry_run", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_tells_the_plan_and_starts_nothing():
    run = factories.failed_run()
    factories.task(run, key="surveys", endpoint="surveys", status=TaskStatus.FAILED)

    lines = told(str(run.pk), "--plan").splitlines()

    assert lines[0] == "failed: reuses 0 tasks with 0 rows (0 bytes); an unknown number of calls at 1 endpoints."
    assert lines[1].startswith("consolidation: not possible. One extraction is not finished")
    assert Run.objects.count() == 1


def test_the_command_retries_from_where_it_is_told():
    run = factories.failed_run(created_at=timezone.now() - timedelta(days=1))

    told(str(run.pk), "--from", "window", "--no-wait")

    assert Run.objects.get(retry_of=run).window_until == run.created_at
    with pytest.raises(CommandError, match="retried already"):
        told(str(run.pk), "--from", "failed", "--no-wait")
