"""The data source's status and last run, as its page and its list show them."""

import re
from datetime import timedelta

import pytest
from cryptography.fernet import Fernet
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from runs.admin import charts
from runs.admin.source_page import credentials_of
from runs.models import Run
from runs.reading import sources
from runs.states import RUN_WORDS, RunMode, RunStatus
from tests import factories
from tests.sources import TWO_ENDPOINTS

pytestmark = pytest.mark.django_db


def shown(client: Client, run: Run) -> list[str]:
    """The status on the list and on the page."""
    listed = client.get(reverse("admin:connectors_datasource_changelist")).context["cl"].result_list
    page = client.get(reverse("admin:connectors_datasource_change", args=[run.source_id]))
    return [listed[0].shown_run.status, page.context["shown_run"].status]


@pytest.mark.parametrize("status", [status for status in RunStatus if status != RunStatus.REJECTED])
def test_a_source_has_the_status_of_its_newest_run(admin_client, status):
    source = factories.source()
    factories.failed_run(source)
    run = factories.run(source, status=status)

    assert shown(admin_client, run) == [status, status]


def test_a_rejected_run_counts_while_the_one_in_its_way_is_open(admin_client):
    blocker = factories.open_run()
    rejected = factories.rejected_run(blocker)
    while_open = shown(admin_client, rejected)

    Run.objects.filter(pk=blocker.pk).update(status=RunStatus.COMPLETED, finished_at=timezone.now())

    assert while_open == [RunStatus.REJECTED] * 2
    assert shown(admin_client, rejected) == [RunStatus.COMPLETED] * 2


def test_the_page_says_how_long_runs_of_each_kind_take(admin_client):
    source, now = factories.source(), timezone.now()
    for mode, minutes in ((RunMode.DESTRUCTIVE, 41), (RunMode.INCREMENTAL, 3)):
        factories.run(source, mode=mode, started_at=now - timedelta(minutes=minutes), finished_at=now)

    page = admin_client.get(reverse("admin:connectors_datasource_change", args=[source.pk])).content.decode()

    text = page.replace("\u00a0", " ")
    assert "took 41 min 00 s" in text
    assert "took 3 min 00 s" in text


def test_a_source_without_runs_says_so(admin_client):
    source = factories.source()

    page = admin_client.get(reverse("admin:connectors_datasource_change", args=[source.pk])).content.decode()

    assert "No API run yet" in page
    assert "No run yet" in admin_client.get(reverse("admin:connectors_datasource_changelist")).content.decode()


def test_every_status_word_can_be_shown_for_a_source(admin_client):
    for number, status in enumerate(RunStatus):
        factories.run(factories.source(f"Source {number}"), status=status, blocked_by=None)
    blocker = Run.objects.filter(status=RunStatus.RUNNING).get()
    factories.rejected_run(blocker)

    page = admin_client.get(reverse("admin:connectors_datasource_changelist")).content.decode()

    words = {word for status, word in RUN_WORDS.items() if status != RunStatus.RUNNING}
    assert all(word in page for word in words)


def page_of(client: Client, source, **query):
    answer = client.get(reverse("admin:connectors_datasource_change", args=[source.pk]), query)
    assert answer.status_code == 200
    return answer


def state(client: Client, source) -> str:
    text = page_of(client, source).content.decode().replace("\u00a0", " ")
    return " ".join(re.search(r'id="source-state">(.*?)</p>', text, re.DOTALL)[1].split())


def test_the_first_sentence_says_how_the_source_is_and_what_to_do(admin_client):
    source = factories.source()
    assert state(admin_client, source) == "No API run yet. Start the first one; first runs are destructive."

    factories.run(source, live_row_count=7)
    assert "its tables are live with 7 rows. Nothing to do." in state(admin_client, source)

    failed = factories.failed_run(source)
    said = state(admin_client, source)
    assert "“Surveys” failed. No table was changed." in said
    assert "Readers see the data of run" in said
    assert reverse("admin:runs_run_change", args=[failed.pk]) in said

    factories.open_run(source, task_count=4, ended_task_count=1)
    assert "1 of 4 tasks ended" in state(admin_client, source)


def test_a_disabled_source_says_so_first(admin_client):
    source = factories.source(enabled=False)

    assert "the source is disabled" in state(admin_client, source)


def test_a_completed_run_with_warnings_is_not_called_fine(admin_client):
    source = factories.source()
    run = factories.run(source, worst_level=2)

    said = state(admin_client, source)

    assert "Fine" not in said
    assert f"{reverse('admin:runs_run_change', args=[run.pk])}?tab=messages" in said


def test_days_are_counted_by_outcome_and_drawn_to_scale():
    source, now = factories.source(), timezone.now()
    factories.run(source, created_at=now)
    factories.failed_run(source, created_at=now)
    factories.run(source, created_at=now - timedelta(days=40))
    factories.run(factories.source("Another"), created_at=now)

    days = sources.days_of(source, now=now)

    assert len(days) == 30
    assert {name: count for name, count in days[-1].counts.items() if count} == {"completed": 1, "failed": 1}
    assert sum(day.total for day in days) == 2
    drawn = charts.bars([("", "", day.counts) for day in days])
    assert [part.height for part in drawn[-1].parts] == [charts.HEIGHT / 2] * 2


def test_durations_leave_out_retries_and_failures():
    source, now = factories.source(), timezone.now()
    for minutes in (10, 20, 30):
        factories.run(source, started_at=now - timedelta(minutes=minutes), finished_at=now - timedelta(seconds=minutes))
    first = factories.failed_run(source)
    factories.run(source, retry_of=first)

    found = sources.durations_of(source, RunMode.INCREMENTAL)

    assert len(found.runs) == 3
    assert found.band.median > timedelta(minutes=19)
    assert found.runs[0].finished_at < found.runs[-1].finished_at


def test_tables_say_what_is_live_and_what_the_last_runs_brought(admin_client):
    source = factories.source()
    run = factories.run(source)
    table = factories.table(factories.task(run), "surveys")
    type(table.batch).objects.filter(pk=table.batch_id).update(loaded_count=41)

    answer = page_of(admin_client, source)

    shown = answer.context["tables"][0]
    assert shown["last"] == 41
    assert shown["sparks"][0].height == charts.SPARK_HEIGHT - 1
    assert reverse("admin:ingestion_dataset_change", args=[table.batch.dataset_id]) in answer.content.decode()


def with_a_token():
    return factories.source(manifest=TWO_ENDPOINTS + "auth:\n  style: bearer\n")


def test_credentials_are_said_to_be_set_and_never_shown(admin_client):
    source = with_a_token()
    source.seal({"token": "s3cret-of-the-source"})
    source.save()

    page = page_of(admin_client, source).content.decode()

    assert "s3cret-of-the-source" not in page
    assert [is_set for _, is_set in credentials_of(source)] == [True]


def test_credentials_that_this_server_cannot_open_are_said_so(admin_client, settings):
    source = with_a_token()
    source.seal({"token": "x"})
    source.save()
    settings.CREDENTIAL_KEYS = [Fernet.generate_key().decode()]

    assert [is_set for _, is_set in credentials_of(source)] == [None]
    page_of(admin_client, source)


def test_a_revision_shows_what_it_changed_with_secrets_blanked(admin_client):
    source = factories.source()
    factories.run(source)
    source.settings = {**source.settings, "api_key": "abcdef123456"}
    source.save()
    factories.run(source)

    page = page_of(admin_client, source, revision="2").content.decode()

    assert "What revision 2 says that the one before did not" in page
    assert "abcdef123456" not in page[: page.index("datasource_form")] + page[page.index("source-difference") :][:5000]
    assert "There is no revision 9" in page_of(admin_client, source, revision="9").content.decode()


def test_the_page_asks_as_much_however_many_runs_there_are(admin_client, django_assert_max_num_queries):
    source = factories.source()
    for _ in range(8):
        factories.run(source)

    with django_assert_max_num_queries(45):
        page_of(admin_client, source)
