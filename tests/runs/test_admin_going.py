"""The box of the sidebar and the command bar: from an id to its page, for those who may see it."""

import pytest
from django.core.cache import cache
from django.urls import reverse

from ingestion.models import Batch
from tests import factories

pytestmark = pytest.mark.django_db
GO = "/admin/runs/run/go/"


@pytest.mark.parametrize("text", ["{}", "#{}", "run {}", "Run {}", " run #{} ", "run id: {}", "RUN{}"])
def test_an_id_of_a_run_leads_to_its_page(admin_client, text):
    run = factories.run()

    answer = admin_client.get(GO, {"q": text.format(run.pk)})

    assert answer["Location"] == reverse("admin:runs_run_change", args=[run.pk])
    assert admin_client.get(answer["Location"]).status_code == 200


def test_tasks_loads_and_batches_have_their_ids_too(admin_client):
    run = factories.run()
    task = factories.task(run, "Surveys & more")
    factories.table(task)
    load, batch = factories.data_load(run), Batch.objects.get()

    for text, place in (
        (f"task {task.pk}", f"{reverse('admin:runs_run_change', args=[run.pk])}?q=Surveys+%26+more#task-{task.pk}"),
        (f"load {load.pk}", reverse("admin:runs_dataload_change", args=[load.pk])),
        (f"data load {load.pk}", reverse("admin:runs_dataload_change", args=[load.pk])),
        (f"batch {batch.pk}", reverse("admin:ingestion_batch_change", args=[batch.pk])),
        (batch.public_id, reverse("admin:ingestion_batch_change", args=[batch.pk])),
        (batch.public_id.lower(), reverse("admin:ingestion_batch_change", args=[batch.pk])),
    ):
        answer = admin_client.get(GO, {"q": text})
        assert answer["Location"] == place, text
        page = admin_client.get(place)
        assert page.status_code == 200
    found = admin_client.get(f"{reverse('admin:runs_run_change', args=[run.pk])}?q=Surveys+%26+more").content.decode()
    assert f'id="task-{task.pk}"' in found


@pytest.mark.parametrize("text", ["99999", "run 99999", "task 99999", "load 99999", "01ARZ3NDEKTSV4RRFFQ69G5FAV"])
def test_an_unknown_id_is_answered_kindly(admin_client, text):
    run = factories.run()

    page = admin_client.get(GO, {"q": text}, follow=True)

    (said,) = (str(message) for message in page.context["messages"])
    assert said.startswith("There is no ")
    assert text.split()[-1] in said
    assert (f"The newest run is {run.pk}." in said) is (not text.startswith(("task", "load", "01")))


def test_a_word_is_searched_for_and_nothing_leads_home(admin_client):
    assert admin_client.get(GO, {"q": "Surveys 2"})["Location"] == "/admin/runs/run/?q=Surveys+2"
    assert admin_client.get(GO)["Location"] == reverse("admin:index")
    assert admin_client.get(GO, {"q": "9" * 40}).status_code == 302


def test_what_a_person_may_not_see_is_not_found(client):
    load = factories.data_load()
    client.force_login(factories.person("runs.view_run"))

    page = client.get(GO, {"q": f"load {load.pk}"}, follow=True)

    assert f"There is no data load {load.pk}, or you may not see it." in page.content.decode()


def test_nobody_is_led_anywhere_before_signing_in(client):
    run = factories.run()

    assert client.get(GO, {"q": run.pk})["Location"].startswith(reverse("admin:login"))


def test_the_box_is_on_every_page_and_needs_no_script(admin_client):
    for place in (reverse("admin:index"), "/admin/runs/run/", reverse("admin:ingestion_dataset_changelist")):
        page = admin_client.get(place).content.decode()
        assert f'method="get" action="{GO}"' in page


def test_the_command_bar_offers_the_run_and_sources_and_never_reads_all_runs(admin_client):
    cache.clear()
    run = factories.run(factories.source("Surveys"))

    by_id = admin_client.get(reverse("admin:search"), {"s": str(run.pk), "extended": "1"}).content.decode()
    by_name = admin_client.get(reverse("admin:search"), {"s": "surv", "extended": "1"}).content.decode()

    assert reverse("admin:runs_run_change", args=[run.pk]) in by_id
    assert reverse("admin:connectors_datasource_change", args=[run.source_id]) in by_name
    assert reverse("admin:runs_run_change", args=[run.pk]) not in by_name
