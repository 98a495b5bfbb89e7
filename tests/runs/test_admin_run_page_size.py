"""The page of a run of a thousand tasks: it asks no more than that of a small one; what it costs is printed."""

from time import process_time

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from runs.models import Run, Task
from runs.states import TaskKind, TaskStatus
from tests import factories

pytestmark = pytest.mark.django_db


def test_a_run_of_a_thousand_tasks_asks_no_more_queries(admin_client: Client):
    run = thousand_tasks()
    address = reverse("admin:runs_run_change", args=[run.pk])
    admin_client.get(address)

    began = process_time()
    with CaptureQueriesContext(connection) as asked:
        page = admin_client.get(address).content.decode()

    print(f"1,000 tasks: {len(asked)} queries, {(process_time() - began) * 1000:.0f} ms of CPU")
    assert page.count('<tr id="task-') == 100
    assert len(asked) <= 40


def test_a_search_as_one_types_answers_the_panel_alone(admin_client: Client):
    run = thousand_tasks()
    address = reverse("admin:runs_run_change", args=[run.pk])
    asks = {"HX-Request": "true", "HX-Target": "run-panel"}
    admin_client.get(address, {"q": "veys 99"}, headers=asks)

    began = process_time()
    panel = admin_client.get(address, {"q": "veys 99"}, headers=asks).content.decode()

    print(f"1,000 tasks: {(process_time() - began) * 1000:.0f} ms of CPU for a search")
    assert panel.strip().startswith('<section id="run-panel"')
    assert "11 tasks of 1,000 match" in panel
    assert panel.count('<tr id="task-') == 11


@pytest.mark.parametrize("headers", [{}, {"HX-Target": "run-panel", "HX-History-Restore-Request": "true"}])
def test_a_search_by_form_or_a_step_back_answers_the_whole_page(admin_client: Client, headers: dict[str, str]):
    run = factories.open_run()

    page = admin_client.get(reverse("admin:runs_run_change", args=[run.pk]), {"q": "x"}, headers=headers)

    assert 'id="task-search"' in page.content.decode()


def test_a_search_taken_back_shows_the_kinds_again(admin_client: Client):
    run = thousand_tasks()

    asks = {"HX-Request": "true", "HX-Target": "run-panel"}
    panel = admin_client.get(reverse("admin:runs_run_change", args=[run.pk]), {"q": ""}, headers=asks)

    assert "Tasks of run" in panel.content.decode()
    assert "by kind</caption>" in panel.content.decode()
    assert "Extraction</a>" in panel.content.decode()


def thousand_tasks() -> Run:
    run = factories.open_run(task_count=1_000)
    fields = {"run": run, "kind": TaskKind.EXTRACTION, "status": TaskStatus.COMPLETED, "started_at": timezone.now()}
    calls = {"Surveys": {"calls": 7, "answers": {"2xx": 7}, "wire_bytes": 9_000}}
    Task.objects.bulk_create(
        Task(**fields, key=str(number), name=f"Surveys {number}", calls=calls, call_count=7) for number in range(1_000)
    )
    return run
