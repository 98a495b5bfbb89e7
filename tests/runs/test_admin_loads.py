"""A data load's page: phases, files, what was said, the way back; and the list with what is on its way."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from ingestion.models import Part
from ingestion.states import BatchStatus
from runs.models import DataLoad
from runs.reading import loads
from runs.states import LoadStatus, TaskKind
from tests import factories
from tests.ingestion import batch_admin_kit as kit

pytestmark = pytest.mark.django_db


def page_of(client: Client, load: DataLoad, **query) -> str:
    answer = client.get(reverse("admin:runs_dataload_change", args=[load.pk]), query)
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_runs_load_names_its_phases_with_their_times(admin_client):
    run, now = factories.run(), timezone.now()
    for kind, minutes in ((TaskKind.EXTRACTION, 9), (TaskKind.METADATA, 8), (TaskKind.INGESTION, 6)):
        factories.task(run, kind=kind, started_at=run.started_at, finished_at=now - timedelta(minutes=minutes))
    load = factories.data_load(run)

    phases = loads.phases_of(load)

    assert [phase.word for phase in phases] == ["Uploaded", "Validated", "Processed", "Live", "Completed"]
    times = [phase.at for phase in phases]
    assert times == sorted(times)
    assert times[3] == run.finished_at
    page = page_of(admin_client, load)
    assert reverse("admin:runs_run_change", args=[run.pk]) in page
    assert reverse("admin:connectors_datasource_change", args=[run.source_id]) in page


def test_messages_come_newest_first_and_older_ones_when_asked_for(admin_client):
    run = factories.run()
    load = factories.data_load(run)
    for number in range(25):
        at = timezone.now() - timedelta(minutes=number)
        factories.message(run, f"message {number}", fingerprint=f"{number:032}", last_at=at)

    first, more = page_of(admin_client, load), page_of(admin_client, load, messages="40")

    assert first.index("message 0") < first.index("message 19")
    assert "message 20" not in first
    assert "?messages=40#line-20" in first
    assert "message 24" in more
    assert "That is all that was said" in more


@pytest.mark.parametrize("asked", ["-1", "x", "9" * 30, "٣"])
def test_an_odd_number_of_messages_or_page_of_files_shows_the_first(admin_client, asked):
    load = factories.data_load()

    page_of(admin_client, load, messages=asked, files=asked)


def test_files_are_counted_by_state_and_listed_by_pages(admin_client):
    run = factories.run()
    batch = factories.table(factories.task(run)).batch
    parts = [_part(batch, number) for number in range(loads.FILES_PER_PAGE + 2)]
    Part.objects.filter(pk=parts[0].pk).update(merged_into=parts[1])
    load = factories.data_load(run)

    second = page_of(admin_client, load, files="2")

    assert loads.file_states(load) == [("Loaded", loads.FILES_PER_PAGE + 1), ("Merged into a larger file", 1)]
    assert f"part-{loads.FILES_PER_PAGE}.csv" in second
    assert "part-0.csv" not in second
    assert '<details class="hg-detail" id="files" open>' in second


def _part(batch, number: int) -> Part:
    key = f"kit/part-{number}.csv"
    return Part.objects.create(
        batch=batch, label="task/1", number=number, key=key, columns=[], row_count=1, size=1, sha256="0" * 64
    )


def test_a_batchs_load_says_what_was_left_out_and_leads_to_the_batch(admin_client):
    batch = kit.batch(rejected_count=2, extracted_count=10, loaded_count=8)
    kit.file(batch, checked_at=timezone.now(), read_count=10, bad_count=2)
    load = DataLoad.objects.create(batch=batch, status=LoadStatus.COMPLETED, finished_at=timezone.now(), row_count=8)

    page = page_of(admin_client, load)

    assert "2 bad rows of 10 were left out." in page
    assert "Loaded without its bad rows" in page
    assert reverse("admin:ingestion_batch_change", args=[batch.pk]) in page


def test_a_load_whose_batch_was_taken_back_says_that_its_rows_are_gone(admin_client):
    batch = kit.batch(BatchStatus.INACTIVE)
    load = DataLoad.objects.create(batch=batch, status=LoadStatus.COMPLETED, finished_at=timezone.now())

    assert "readers no longer see its rows" in page_of(admin_client, load)


def test_the_list_shows_what_is_on_its_way_with_a_way_to_its_run(admin_client):
    run = factories.open_run()
    listed = reverse("admin:runs_dataload_changelist")

    page = admin_client.get(listed).content.decode()

    assert "Data on its way" in page
    assert reverse("admin:runs_run_change", args=[run.pk]) in page


def test_a_running_load_leads_to_its_run_by_the_info_icon(admin_client):
    load = factories.data_load(status=LoadStatus.RUNNING, finished_at=None)

    page = admin_client.get(reverse("admin:runs_dataload_changelist")).content.decode()

    link = page[page.index(f'href="{reverse("admin:runs_run_change", args=[load.run_id])}"') :][:200]
    assert ">info</span>" in link


def test_a_load_costs_as_many_queries_however_much_was_said(admin_client, django_assert_max_num_queries):
    run = factories.run()
    load = factories.data_load(run)
    for number in range(10):
        factories.message(run, f"message {number}", fingerprint=f"{number:032}")

    with django_assert_max_num_queries(20):
        page_of(admin_client, load)
