"""The data source's status and last run, as its page and its list show them."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from runs.models import Run
from runs.states import RUN_WORDS, RunMode, RunStatus
from tests import factories

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
