"""Rows as pages and the API find them, named by what differs. Written past the lifecycle, so nothing works them on."""

import time
from datetime import timedelta
from itertools import count

from django.contrib.auth.models import Permission, User
from django.utils import timezone
from rest_framework.test import APIClient

from config.guarding import BEGAN, SEEN
from connectors.models import ConfigRevision, DataSource
from ingestion.models import Batch, Dataset, Load
from runs.models import DataLoad, Event, Level, LoadStep, Message, Run, TableLoad, Task, search_words
from runs.states import LoadStatus, RunMode, RunStatus, TaskKind, TaskStatus
from tests.sources import small_source

_numbers = count(1)


def source(name: str = "Small", **fields) -> DataSource:
    return small_source(name, **fields)


def run(of: DataSource | None = None, *, status: RunStatus = RunStatus.COMPLETED, **fields) -> Run:
    """A run that began ten minutes ago and, where its status says that it ended, took five."""
    of = of or source()
    began = timezone.now() - timedelta(minutes=10)
    usual = {"mode": RunMode.INCREMENTAL, "requested_by": "anna", "created_at": began}
    if status not in (RunStatus.WAITING, RunStatus.REJECTED):
        usual["started_at"] = began
    if status in (RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED):
        usual["finished_at"] = began + timedelta(minutes=5)
    rest = {"config": ConfigRevision.of(of), "load": Load.objects.create(), "open_key": str(of.pk)}
    return Run.objects.create(source=of, status=status, **{**usual, **rest, **fields})


def open_run(of: DataSource | None = None, **fields) -> Run:
    return run(of, status=RunStatus.RUNNING, **fields)


def failed_run(of: DataSource | None = None, **fields) -> Run:
    outcome = "Failed: “Surveys” failed. No table was changed."
    return run(of, status=RunStatus.FAILED, **{"fault": "auth", "outcome": outcome, **fields})


def rejected_run(blocker: Run, **fields) -> Run:
    return run(blocker.source, status=RunStatus.REJECTED, blocked_by=blocker, **fields)


def canceling_run(of: DataSource | None = None, *, by: str = "anna", **fields) -> Run:
    asked = {"cancel_requested_by": by, "cancel_requested_at": timezone.now()}
    return run(of, status=RunStatus.CANCELING, **{**asked, **fields})


def task(of: Run, name: str = "Surveys", *, status: TaskStatus = TaskStatus.COMPLETED, **fields) -> Task:
    usual = {"kind": TaskKind.EXTRACTION, "key": f"key-{next(_numbers)}", "acronym": search_words(name)}
    return Task.objects.create(run=of, name=name, status=status, **{**usual, **fields})


def table(of: Task, name: str = "surveys", **fields) -> TableLoad:
    dataset, _ = Dataset.objects.get_or_create(namespace=of.run.source.namespace, name=name)
    batch, _ = Batch.objects.get_or_create(dataset=dataset, owner=of.run.owner, defaults={"load": of.run.load})
    Task.objects.filter(pk=of.pk).update(table_count=of.tables.count() + 1)
    return TableLoad.objects.create(run=of.run, task=of, batch=batch, name=name, **fields)


def message(
    of: Run, text: str = "The source refused our login (401).", *, level: Level = Level.ERROR, **fields
) -> Message:
    usual = {"code": "auth", "fingerprint": "f" * 32, "advice": "Renew the client secret.", "detail": "HTTP 401"}
    return Message.objects.create(run=of, text=text, level=level, **{**usual, **fields})


def event(of: Run, before: str = "", after: str = RunStatus.WAITING, **fields) -> Event:
    return Event.objects.create(run=of, before=before, after=after, **{"actor": "anna", **fields})


def data_load(of: Run | None = None, **fields) -> DataLoad:
    usual = {"status": LoadStatus.COMPLETED, "finished_at": timezone.now()}
    return DataLoad.objects.create(run=of or run(), **{**usual, **fields})


def load_step(of: DataLoad | None = None, **fields) -> LoadStep:
    return LoadStep.objects.create(load=of or data_load(), **{"target": "https://host.example/…", **fields})


def person(*permissions: str, name: str = "anna", password: str | None = None, staff: bool = True) -> User:
    """A person with these permissions and no others, each as "app.codename"."""
    user = User.objects.create_user(name, password=password, is_staff=staff)
    for permission in permissions:
        app, _, codename = permission.partition(".")
        user.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
    return user


def caller(*permissions: str, name: str = "anna") -> APIClient:
    """An API client of a person with these permissions, logged in by session."""
    client = APIClient()
    client.force_login(person(*permissions, name=name))
    session = client.session  # as after a first page: when it began is written down
    session[BEGAN] = session[SEEN] = time.time()
    session.save()
    return client
