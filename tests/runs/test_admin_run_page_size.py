"""The page of a run of a thousand tasks: it asks no more than that of a small one; what it costs is printed."""

from time import process_time

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from runs.models import Task
from runs.states import TaskKind, TaskStatus
from tests import factories

pytestmark = pytest.mark.django_db


def test_a_run_of_a_thousand_tasks_asks_no_more_queries(admin_client: Client):
    run = factories.open_run(task_count=1_000)
    fields = {"run": run, "kind": TaskKind.EXTRACTION, "status": TaskStatus.COMPLETED, "started_at": timezone.now()}
    calls = {"Surveys": {"calls": 7, "answers": {"2xx": 7}, "wire_bytes": 9_000}}
    Task.objects.bulk_create(
        Task(**fields, key=str(number), name=f"Surveys {number}", calls=calls, call_count=7) for number in range(1_000)
    )
    address = reverse("admin:runs_run_change", args=[run.pk])
    admin_client.get(address)

    began = process_time()
    with CaptureQueriesContext(connection) as asked:
        page = admin_client.get(address).content.decode()

    print(f"1,000 tasks: {len(asked)} queries, {(process_time() - began) * 1000:.0f} ms of CPU")
    assert page.count('<tr id="task-') == 100
    assert len(asked) <= 40
