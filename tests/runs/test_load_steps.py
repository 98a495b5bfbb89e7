"""Telling a webhook of a data load: signed, once for each try, repeated when it was lost, and no part of the data."""

import hashlib
import hmac
import io
import json
import logging
import re
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from django.db import connections
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from connectors.models import DataSource
from ingestion.models import Batch
from ingestion.warehouse.base import Published
from runs import messenger, upkeep
from runs.lifecycle import ending, steps
from runs.models import DataLoad, LoadStep, LoadTry
from runs.reading.bundle import bundle_of
from runs.states import LoadStatus, RunStatus, StepStatus
from tests import factories

pytestmark = pytest.mark.django_db
SECRET = "a-secret-that-nobody-sees"
GUIDE = (Path(__file__).resolve().parents[2] / "docs" / "connectors.md").read_text()


class Receiver(ThreadingHTTPServer):
    """Answers with the statuses it was given, then 204; keeps what it got."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: list[int] = []
        self.got: list[tuple[str, dict[str, str], bytes]] = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/hooks/private-path"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        server: Receiver = self.server
        body = self.rfile.read(int(self.headers["Content-Length"]))
        server.got.append((self.path, dict(self.headers), body))
        self.send_response(server.answers.pop(0) if server.answers else 204)
        if self.path.endswith("/moved"):
            self.send_header("Location", "http://127.0.0.1:9/")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def receiver(settings):
    server = Receiver()
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.02), daemon=True)
    thread.start()
    settings.OUTBOUND_ALLOW = [f"127.0.0.1:{server.server_port}"]
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def hooked(url: str, **fields) -> DataSource:
    source = factories.source(webhook_enabled=True, webhook_url=url, **fields)
    source.seal_webhook(SECRET)
    source.save()
    return source


def completed(source: DataSource) -> DataLoad:
    """A run of the source that has just been published, with one table."""
    run = factories.open_run(source)
    factories.table(factories.task(run), "surveys", row_count=7)
    Batch.objects.filter(owner=run.owner).update(loaded_count=7, status="staging")
    ending.complete(run.pk, Published(load_id=run.load_id, effects=()), [], {}, actor="worker one")
    return DataLoad.objects.get(run=run)


def due_again() -> None:
    LoadStep.objects.filter(status=StepStatus.WAITING).update(not_before=Now(), woken_at=None)


def try_once(load: DataLoad) -> LoadStep:
    due_again()
    messenger.tell(load.steps.get().pk)
    return load.steps.get()


def test_without_a_webhook_a_data_load_completes_at_once():
    load = completed(factories.source())

    assert (load.status, load.steps.count()) == (LoadStatus.COMPLETED, 0)
    assert load.finished_at is not None


def test_a_data_load_completes_when_its_receiver_took_the_message(receiver):
    load = completed(hooked(receiver.url))
    before = (load.status, load.finished_at, str(load.steps.get()))

    step = try_once(load)

    assert before == (LoadStatus.RUNNING, None, f"Tell http://127.0.0.1:{receiver.server_port}/…")
    load.refresh_from_db()
    assert (load.status, load.note) == (LoadStatus.COMPLETED, "All steps have run.")
    assert (step.status, step.attempts, step.last_code, step.error) == (StepStatus.DONE, 1, 204, "")
    assert step.sent_at is not None
    assert load.finished_at is not None


def test_the_message_names_tables_and_rows_and_no_value(receiver):
    load = completed(hooked(receiver.url))
    try_once(load)

    [(path, _, body)] = receiver.got

    run = load.run
    assert path == "/hooks/private-path"
    assert json.loads(body) == {
        "event": "data_load.completed",
        "id": load.pk,
        "run": run.pk,
        "source": "Small",
        "tables": [{"schema": "small", "table": "surveys", "rows": 7}],
        "finished_at": run.finished_at.isoformat(),
    }


def test_the_verification_of_the_guide_takes_our_message_and_refuses_changed_and_old_ones(receiver):
    try_once(completed(hooked(receiver.url)))
    [(_, headers, body)] = receiver.got
    code = re.search(r"```python\n(.*?def is_genuine.*?)```", GUIDE, re.DOTALL)[1]
    told: dict = {}
    exec(code, told)
    genuine, sent = told["is_genuine"], float(headers["X-Headgate-Timestamp"])

    assert genuine(SECRET, headers, body, now=sent + 10)
    assert not genuine("another-secret-of-it", headers, body, now=sent + 10)
    assert not genuine(SECRET, headers, body.replace(b"7", b"8"), now=sent + 10)
    assert not genuine(SECRET, {**headers, "X-Headgate-Id": "1"}, body, now=sent + 10)
    assert not genuine(SECRET, headers, body, now=sent + 3600)
    signed = f"{headers['X-Headgate-Timestamp']}.{headers['X-Headgate-Id']}.".encode() + body
    expected = hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    assert headers["X-Headgate-Signature"] == f"sha256={expected}"


def test_an_error_is_tried_again_under_the_same_id_and_every_try_is_kept(receiver):
    receiver.answers = [500]
    load = completed(hooked(receiver.url))
    first = try_once(load)
    waits = (first.not_before - timezone.now()).total_seconds()
    status = DataLoad.objects.get(pk=load.pk).status

    second = try_once(load)

    assert (first.status, first.last_code, first.error) == (StepStatus.WAITING, 500, "The receiver answered 500.")
    assert 7 < waits <= 12
    assert status == LoadStatus.RUNNING
    assert (second.status, second.attempts, second.last_code, second.error) == (StepStatus.DONE, 2, 204, "")
    assert [(one.number, one.code) for one in second.tries.all()] == [(1, 500), (2, 204)]
    assert all(one.seconds > 0 for one in second.tries.all())
    assert len({headers["X-Headgate-Id"] for _, headers, _ in receiver.got}) == 1


def test_after_five_tries_it_is_given_up_and_the_data_load_completes_with_a_warning(receiver, admin_client: Client):
    receiver.answers = [503] * 5
    load = completed(hooked(receiver.url))
    waits = []
    for _ in range(4):
        waits.append((try_once(load).not_before - timezone.now()).total_seconds())

    step = try_once(load)

    for wait, middle in zip(waits, (10, 30, 90, 270), strict=True):
        assert middle * 0.7 < wait < middle * 1.3
    assert (step.status, step.attempts) == (StepStatus.FAILED, 5)
    load.refresh_from_db()
    assert load.status == LoadStatus.COMPLETED
    assert load.note == "A step did not run. The data is live."
    assert load.run.status == RunStatus.COMPLETED
    page = admin_client.get(reverse("admin:runs_dataload_change", args=[load.pk])).content.decode()
    assert "A step after the load did not run" in page
    assert "The receiver answered 503." in page
    assert "Send again" in page


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://127.0.0.1/hook", "not public"),
        ("http://169.254.169.254/latest", "without encryption"),
        ("https://user:pass@host.example/", "no user name"),
    ],
)
def test_a_private_address_is_refused_by_the_gate_and_not_tried_again(url, words, settings):
    settings.OUTBOUND_ALLOW = []
    load = completed(hooked(url))

    step = try_once(load)

    assert (step.status, step.attempts, step.last_code) == (StepStatus.FAILED, 1, None)
    assert words in step.error
    assert "webhook" in step.advice
    assert DataLoad.objects.get(pk=load.pk).status == LoadStatus.COMPLETED


def test_a_redirect_is_not_followed(receiver):
    receiver.answers = [307]
    step = try_once(completed(hooked(receiver.url + "/moved")))

    assert step.status == StepStatus.FAILED
    assert step.error == "The receiver redirected a POST call, which is not followed."


def test_nobody_there_is_tried_again(receiver, settings):
    settings.OUTBOUND_ALLOW = ["127.0.0.1:9"]

    step = try_once(completed(hooked("http://127.0.0.1:9/")))

    assert step.status == StepStatus.WAITING
    assert "nothing listens" in step.error


def test_a_webhook_that_was_switched_off_meanwhile_is_not_called(receiver):
    source = hooked(receiver.url)
    load = completed(source)
    DataSource.objects.filter(pk=source.pk).update(webhook_enabled=False)

    step = try_once(load)

    assert (step.status, step.error, receiver.got) == (StepStatus.FAILED, "The webhook was switched off.", [])


def test_the_sweep_repeats_a_wake_up_that_was_lost(receiver, monkeypatch):
    load, sent = completed(hooked(receiver.url)), []
    monkeypatch.setattr(steps, "send_step", lambda pk: sent.append(pk) or True)

    found = [upkeep.sweep()["steps"], upkeep.sweep()["steps"]]

    assert sent == [load.steps.get().pk]
    assert found == [1, 0], "marked as woken: the next look leaves it alone for a while"


def test_a_try_of_a_dead_worker_is_taken_back_and_its_late_word_changes_nothing(receiver):
    load = completed(hooked(receiver.url))
    claim = steps.claim(load.steps.get().pk)
    LoadStep.objects.update(lease_until=Now() - timedelta(seconds=1))

    upkeep.sweep()
    late = steps.settle(claim, steps.Told(status=200, seconds=0.1))

    step = load.steps.get()
    assert (late, step.status, step.failures) == (False, StepStatus.WAITING, 1)
    assert "no sign of life" in step.error
    assert [(one.number, one.code, one.seconds) for one in step.tries.all()] == [(1, None, None)]


def test_a_step_that_is_not_due_is_not_claimed(receiver):
    load = completed(hooked(receiver.url))
    LoadStep.objects.update(not_before=Now() + timedelta(minutes=1))

    assert not messenger.tell(load.steps.get().pk)
    assert receiver.got == []


@pytest.mark.django_db(transaction=True)
def test_two_workers_send_once_for_each_try(receiver):
    load = completed(hooked(receiver.url))
    step, barrier = load.steps.get(), threading.Barrier(4)

    def work(_):
        barrier.wait()
        try:
            return messenger.tell(step.pk)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(work, range(4)))

    assert sorted(told) == [False, False, False, True]
    assert len(receiver.got) == 1
    assert LoadTry.objects.count() == 1


def test_send_again_sends_the_same_message_once_more(receiver, client: Client):
    load = completed(hooked(receiver.url))
    step = try_once(load)
    client.force_login(factories.person("runs.view_dataload", "runs.retry_run"))
    address = reverse("admin:runs_dataload_send", args=[load.pk, step.pk])

    refused_get = client.get(address).status_code
    answer = client.post(address, follow=True).content.decode()
    twice = client.post(address, follow=True).content.decode()
    try_once(load)

    assert refused_get == 405
    assert "is sent again" in answer
    assert "on its way already" in twice
    ids = [headers["X-Headgate-Id"] for _, headers, _ in receiver.got]
    assert ids == [str(step.key)] * 2
    again = load.steps.get()
    assert (again.status, again.attempts, again.asked_by) == (StepStatus.DONE, 2, "anna")
    assert DataLoad.objects.get(pk=load.pk).finished_at is not None


def test_send_again_needs_the_right_and_a_token(receiver):
    load = completed(hooked(receiver.url))
    step = try_once(load)
    address = reverse("admin:runs_dataload_send", args=[load.pk, step.pk])
    reader, forged = Client(), Client(enforce_csrf_checks=True)
    reader.force_login(factories.person("runs.view_dataload", name="reader"))
    forged.force_login(factories.person("runs.view_dataload", "runs.retry_run", name="helper"))

    page = reader.get(reverse("admin:runs_dataload_change", args=[load.pk])).content.decode()

    assert "Send again" not in page
    assert reader.post(address).status_code == 403
    assert forged.post(address).status_code == 403
    assert load.steps.get().status == StepStatus.DONE


def test_a_step_of_another_load_is_not_found(receiver, admin_client: Client):
    step, other = (
        factories.load_step(status=StepStatus.FAILED),
        factories.data_load(factories.run(factories.source("B"))),
    )

    answer = admin_client.post(reverse("admin:runs_dataload_send", args=[other.pk, step.pk]))

    assert answer.status_code == 404


def test_secret_and_path_are_in_no_page_no_answer_no_log_and_no_bundle(receiver, admin_client: Client, caplog):
    caplog.set_level(logging.DEBUG)
    receiver.answers = [500]
    load = completed(hooked(receiver.url))
    try_once(load)
    source = load.run.source_id
    bundle = bundle_of(load.run, raw=True, made_by="anna", now=timezone.now())
    with zipfile.ZipFile(io.BytesIO(bundle.read())) as archive:
        bundled = b"".join(archive.read(name) for name in archive.namelist()).decode()

    form = admin_client.get(reverse("admin:connectors_datasource_change", args=[source])).content.decode()
    pages = admin_client.get(reverse("admin:runs_dataload_change", args=[load.pk])).content.decode()
    answers = [admin_client.get(f"/api/{path}/").content.decode() for path in ("data-loads", f"sources/{source}")]

    assert not [text for text in (form, pages, *answers, bundled, caplog.text) if SECRET in text]
    assert not [text for text in (pages, *answers, bundled, caplog.text) if "private-path" in text]
    assert "Set. Leave it empty to keep it." in form
    assert json.loads(answers[0])["results"][0]["steps"][0]["status"] == "waiting"
    assert SECRET.encode() not in bytes(DataSource.objects.get(pk=source).sealed_webhook)


def test_the_form_keeps_the_secret_sealed_and_refuses_what_cannot_work(receiver, admin_client: Client, settings):
    source = factories.source()
    address = reverse("admin:connectors_datasource_change", args=[source.pk])
    usual = {
        "name": source.name, "connector": source.connector_id, "namespace": source.namespace, "enabled": "on",
        "schema_policy": "evolve", "on_failure": "fail", "max_hours": "24", "setting_base_url": "http://127.0.0.1:9",
        "webhook_enabled": "on",
    }  # fmt: skip

    empty = admin_client.post(address, usual).content.decode()
    short = admin_client.post(address, {**usual, "webhook_url": receiver.url, "webhook_secret": "short"})
    private = admin_client.post(address, {**usual, "webhook_url": "https://127.0.0.1/", "webhook_secret": SECRET})
    saved = admin_client.post(address, {**usual, "webhook_url": receiver.url, "webhook_secret": SECRET})
    kept = admin_client.post(address, {**usual, "webhook_url": receiver.url, "webhook_secret": ""})

    assert "Without an address" in empty
    assert "Without a secret" in empty
    assert "at least 16 characters" in short.content.decode()
    assert "not public" in private.content.decode()
    assert SECRET not in private.content.decode()
    assert (saved.status_code, kept.status_code) == (302, 302)
    source.refresh_from_db()
    assert (source.webhook_enabled, source.webhook_url, source.webhook_secret) == (True, receiver.url, SECRET)
