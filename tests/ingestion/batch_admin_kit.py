"""Batches as their pages find them, named by what differs; and such that really went live, for what takes them back."""

import gzip
import hashlib
from datetime import timedelta
from itertools import count

from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from ingestion.models import Batch, BatchEvent, BatchFile, Dataset, Load, Origin, Part
from ingestion.promotion.publishing import publish_ready
from ingestion.rooms import store
from ingestion.states import BatchStatus as S
from tests import factories

HOSTILE = "<script>alert(1)</script>"
ENDED = frozenset(S) - {S.LOADING, S.LOADED, S.STAGING, S.RETRYING, S.STALLED}
LAYOUT = [{"name": "id", "source": "id", "type": "integer"}, {"name": "name", "source": "name", "type": "text"}]
SEE = ("ingestion.view_batch", "ingestion.view_dataset")
_numbers = count(1)


def dataset(title: str = "Survey answers", **fields) -> Dataset:
    number = next(_numbers)
    usual = {"namespace": "lake", "name": f"answers_{number}", "origin": Origin.CLIENTS, "title": title}
    return Dataset.objects.create(**{**usual, **fields})


def batch(status: S = S.SUCCESS, *, reason: str = "", of: Dataset | None = None, **fields) -> Batch:
    """A client's batch with the last line of its history, written past the lifecycle."""
    usual = {"self_promoting": True, "mode": "append", "input_format": {"format": "json"}, "created_user": "nightly"}
    if status in ENDED:
        usual["finished_at"] = timezone.now()
    if status != S.LOADING:
        usual["completed_at"] = timezone.now() - timedelta(minutes=1)
    of = of or dataset()
    made = Batch(dataset=of, status=status, **{**usual, **fields})
    made.owner = fields.get("owner", f"batch/{made.public_id}")
    made.organisation, made.sandbox = of.organisation, of.sandbox
    made.save()
    BatchEvent.objects.create(batch=made, before="", after=status, actor="worker", reason=reason)
    return made


def of_a_run(status: S = S.SUCCESS, **fields) -> Batch:
    of = fields.pop("of", None) or dataset("", origin=Origin.RUNS)
    return batch(status, of=of, self_promoting=False, owner="run/31548", **fields)


def file(of: Batch, path: str = "answers.json", **fields) -> BatchFile:
    usual = {"ordinal": of.files.count(), "is_complete": True, "size": 1000}
    return BatchFile.objects.create(batch=of, path=path, **{**usual, **fields})


def live(rows: int = 3, *, of: Dataset | None = None, **fields) -> Batch:
    """A batch whose rows really are in the warehouse's table."""
    made = batch(S.STAGING, of=of, staged_count=rows, extracted_count=rows, **fields)
    part(made, rows)
    publish_ready(made.dataset_id)
    made.refresh_from_db()
    assert made.status == S.SUCCESS, made.events.first()
    return made


def part(of: Batch, rows: int) -> Part:
    number = of.first_part
    data = gzip.compress("".join(f'{n},"row {n}",{number}\n' for n in range(rows)).encode(), 1)
    key = f"kit/batch-{of.pk}/part-0.csv.gz"
    store().put_bytes(key, data)
    facts = {"row_count": rows, "size": len(data), "sha256": hashlib.sha256(data).hexdigest(), "exact": True}
    return Part.objects.create(batch=of, label="file/0", number=number, key=key, columns=LAYOUT, **facts)


def stuck(status: S = S.STALLED, **fields) -> Batch:
    """Checked, given a load, and held up by the warehouse."""
    load = fields.pop("load", None) or Load.objects.create()
    made = batch(status, load=load, staged_count=3, extracted_count=3, failures=5, **fields)
    part(made, 3)
    return made


def verb(name: str, of: Batch) -> str:
    return reverse(f"admin:ingestion_batch_{name}", args=[of.pk])


def page_of(client: Client, of: Batch, **query) -> str:
    answer = client.get(verb("change", of), query)
    assert answer.status_code == 200
    return answer.content.decode()


def said(answer) -> str:
    return " ".join(str(message) for message in get_messages(answer.wsgi_request))


def may(client: Client, *permissions: str) -> Client:
    client.force_login(factories.person(*SEE, *permissions, name=f"support{next(_numbers)}"))
    return client
