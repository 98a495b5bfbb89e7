"""Who is at work is known of idle workers too, and not of those that are gone."""

from datetime import timedelta
from time import monotonic, sleep

import dramatiq
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from config.observing import examining, figures
from runs import preflight, presence
from runs.local import workers
from runs.models import Worker
from runs.reading.queue import workers_seen
from runs.states import RunMode
from runs.upkeep import sweep
from tests import factories

QUEUES = ["check", "consolidate", "extract", "load", "publish"]


def seen_soon(count: int) -> bool:
    end = monotonic() + 10
    while presence.seen().count() != count and monotonic() < end:
        sleep(0.02)
    return presence.seen().count() == count


@pytest.mark.django_db(transaction=True)
def test_an_idle_worker_of_the_embedded_profile_is_seen_until_it_is_told_to_stop():
    with workers(threads=2):
        assert seen_soon(1)
        worker = Worker.objects.get()
        assert (worker.name, worker.queues, worker.threads) == (presence.own_name(), QUEUES, 2)
        assert worker.version == "0.1.0"

    assert not Worker.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_worker_of_some_queues_says_which_and_says_it_again(monkeypatch):
    monkeypatch.setattr(presence, "EVERY", 0.05)
    worker = dramatiq.Worker(dramatiq.get_broker(), queues={"load", "extract"}, worker_threads=1, worker_timeout=50)
    worker.start()
    try:
        assert seen_soon(1)
        first = Worker.objects.get()
        end = monotonic() + 10
        while Worker.objects.get().at == first.at and monotonic() < end:
            sleep(0.02)

        assert first.queues == ["extract", "load"]
        assert Worker.objects.get().at > first.at
    finally:
        worker.stop(timeout=5000)


@pytest.mark.django_db
def test_a_sign_of_life_is_one_statement_and_one_row():
    presence.say(queues=["load"], threads=1)

    with CaptureQueriesContext(connection) as asked:
        presence.say(queues=["load"], threads=3)

    assert len([one for one in asked if "INSERT" in one["sql"]]) == 1
    assert not [one for one in asked if "SELECT" in one["sql"]]
    assert Worker.objects.get().threads == 3


@pytest.mark.django_db
def test_those_who_were_silent_for_a_minute_are_not_counted_and_then_forgotten():
    now = timezone.now()
    for name, seconds in (("idle:7", 20), ("quiet:7", 70), ("dead:7", 130)):
        Worker.objects.create(name=name, at=now - timedelta(seconds=seconds), queues=QUEUES)

    assert workers_seen(now=now) == 1
    assert preflight.look(factories.source(), RunMode.INCREMENTAL).workers == 1
    sweep()
    assert set(Worker.objects.values_list("name", flat=True)) == {"idle:7", "quiet:7"}


@pytest.mark.django_db
def test_the_page_before_a_start_counts_idle_workers(admin_client):
    presence.say(queues=QUEUES, threads=3)
    page = admin_client.get(reverse("admin:connectors_datasource_start", args=[factories.source().pk]))

    assert "Workers seen in the last minute</dt><dd>1</dd>" in page.content.decode()


@pytest.mark.django_db
def test_queues_without_a_worker_are_told_by_the_doctor_and_the_figures():
    presence.say(queues=["check", "publish"], threads=3)

    told = {one.name: one for one in examining.company()}["workers"]
    samples = {(s.name, s.labels.get("queue")): s.value for metric in figures.working() for s in metric.samples}

    assert told.verdict == "warn"
    assert told.said == "1 seen in the last minute. Nobody takes what waits in: consolidate, extract, load."
    assert samples["headgate_workers", None] == 1
    assert (samples["headgate_queue_workers", "check"], samples["headgate_queue_workers", "load"]) == (1, 0)
    presence.say(queues=QUEUES, threads=3)
    assert {one.name: one for one in examining.company()}["workers"].verdict == "ok"
