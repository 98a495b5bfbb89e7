"""Where does a live row come from? The page of its table answers, from the row to the pages of the source."""

import pytest
from django.urls import reverse

from ingestion.models import Dataset, Part
from runs.models import Run

pytestmark = pytest.mark.django_db(transaction=True)


def asked(client, table: str, *key: str):
    dataset = Dataset.objects.get(namespace="flights", name=table)
    return client.get(reverse("admin:ingestion_dataset_change", args=[dataset.pk]), {"key": key})


def test_a_row_leads_to_its_run_task_pages_and_file(house, admin_client):
    run = house.run(house.source(endpoints=["airlines"]))

    page = asked(admin_client, "airlines", "UA")

    (origin,) = page.context["search"].origins
    text = page.content.decode()
    task = run.tasks.get(kind="extraction")
    assert f'href="{reverse("admin:runs_run_change", args=[run.pk])}"' in text
    assert origin.part.label == task.label
    assert origin.pages == "page 1"
    assert origin.download in text
    assert "United Air Lines" in text


def test_after_another_run_it_leads_to_that_one_and_a_deleted_file_is_said(house, admin_client):
    source = house.source(endpoints=["airlines"])
    house.run(source)
    second = house.run(source)

    (origin,) = asked(admin_client, "airlines", "UA").context["search"].origins
    assert Run.objects.get(pk=second.pk).load_id == origin.load

    Part.objects.all().delete()
    page = asked(admin_client, "airlines", "UA")
    assert f"Load {origin.load}" in page.content.decode()
    assert f"Deleted after its time: part {origin.number}" in page.content.decode()


def test_a_key_that_no_row_has_and_one_that_none_can_have_are_told_apart(house, admin_client):
    house.run(house.source(endpoints=["airlines"]))

    assert "No live row has this key" in asked(admin_client, "airlines", "ZZ").content.decode()
    assert not asked(admin_client, "airlines").context["search"].asked
    assert "No live row has this key" in asked(admin_client, "airlines", "U\0\0").content.decode()
