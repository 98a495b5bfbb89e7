"""The card of a failed run: where it lies, what it did to the data, whether a retry is safe, where else it happened."""

import pytest

from ingestion.models import Batch
from ingestion.states import BatchStatus
from runs.reading.failures import failure_of, first_failure
from runs.states import RunStatus, TaskKind, TaskStatus
from tests import factories

pytestmark = pytest.mark.django_db


def card(run, *, raw=False):
    return failure_of(run, first_failure(run), raw=raw)


def test_a_run_that_is_fine_has_no_card():
    assert card(factories.run()) is None
    assert card(factories.open_run(factories.source("Open"))) is None


def test_a_failed_run_whose_batches_are_not_live_changed_no_table():
    run = factories.failed_run()
    factories.table(factories.task(run), "surveys")

    assert card(run).effect == "No table was changed."


def test_a_run_completed_without_all_tables_names_those_that_changed_and_those_that_did_not():
    run = factories.run()
    factories.table(factories.task(run, "Surveys"), "surveys")
    factories.table(factories.task(run, "Staff", status=TaskStatus.FAILED, fault="data"), "employees")
    Batch.objects.filter(dataset__name="surveys").update(status=BatchStatus.SUCCESS)

    found = card(run)

    assert found.effect == "Changed: surveys. Left as they were: employees."
    assert not found.whole
    assert found.title == "The data cannot be read"


def test_many_tables_are_counted_and_not_all_named():
    run = factories.failed_run()
    task = factories.task(run)
    for number in range(15):
        factories.table(task, f"table_{number:02d}")
    Batch.objects.update(status=BatchStatus.SUCCESS)

    assert card(run).effect.endswith("table_11 and 3 more.")


@pytest.mark.parametrize(
    ("fault", "words"),
    [("transient", "may well succeed"), ("auth", "fails the same way until"), ("bug", "Try it once")],
)
def test_a_retry_is_called_safe_and_its_chance_depends_on_the_fault(fault, words):
    run = factories.failed_run(fault=fault)
    factories.task(run, "Surveys")
    factories.task(run, "Staff", status=TaskStatus.FAILED, fault=fault)
    factories.task(run, "Metadata consolidation", status=TaskStatus.SKIPPED, kind=TaskKind.METADATA)

    retry = card(run).retry

    assert retry.startswith("Yes: ")
    assert words in retry
    assert "1 of 2 extractions are finished and can be reused." in retry


def test_a_retry_that_is_refused_says_why_instead_of_yes():
    source = factories.source()
    older = factories.failed_run(source)
    newer = factories.failed_run(source)

    assert card(older).retry.startswith("Not from here: ")
    assert f"run {newer.pk}" in card(older).retry


def test_the_same_failure_in_other_runs_is_counted_by_run_and_source():
    run = factories.failed_run()
    factories.message(run, task=factories.task(run, status=TaskStatus.FAILED))
    source = factories.source("Other")
    for _ in range(2):
        other = factories.failed_run(source)
        for name in ("Surveys", "Staff"):
            factories.message(other, task=factories.task(other, name, status=TaskStatus.FAILED))
    unlike = factories.failed_run(factories.source("Unlike"))
    factories.message(unlike, "Another trouble.", fingerprint="e" * 32)

    found = card(run).elsewhere

    assert (found.runs, found.sources) == (2, 1)
    assert found.since is not None


def test_a_failure_that_happened_nowhere_else_says_nothing_of_others():
    run = factories.failed_run()
    factories.message(run, task=factories.task(run, status=TaskStatus.FAILED))

    assert card(run).elsewhere is None


def test_technical_detail_is_kept_from_those_without_the_right():
    run = factories.failed_run()
    factories.message(run, task=factories.task(run, status=TaskStatus.FAILED), detail="Traceback")

    assert card(run).detail == ""
    assert card(run, raw=True).detail == "Traceback"


def test_the_link_to_the_same_failure_lists_exactly_those_runs(admin_client):
    run, other = factories.failed_run(), factories.failed_run(factories.source("Other"))
    factories.run(factories.source("Fine"), status=RunStatus.COMPLETED)
    for failed in (run, other):
        factories.message(failed)

    page = admin_client.get("/admin/runs/run/", {"failure": "f" * 32})

    assert {found.pk for found in page.context["cl"].result_list} == {run.pk, other.pk}
