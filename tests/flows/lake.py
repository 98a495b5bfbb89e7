"""Client batches for stories: datasets and batches made through the tables, and worked to their end in this thread."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from typing import Any

from django.db.models import F
from django.db.models.functions import Now

from ingestion import lifecycle
from ingestion.models import Batch, BatchFile, Dataset, Piece
from ingestion.models.datasets import Origin
from ingestion.promotion import files, monitor, publishing, taking_up
from ingestion.rooms import store, warehouse
from ingestion.states import BatchStatus

SCHEMA = {
    "type": "object",
    "required": ["id"],
    "properties": {
        "id": {"type": "integer"},
        "name": {"type": "string"},
        "kind": {"type": "string", "enum": ["a", "b"]},
        "at": {"type": "string", "format": "date-time"},
        "score": {"type": "number", "minimum": 0},
        "place": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


def lines(*records: Any) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def rows(first: int, last: int, **more: Any) -> bytes:
    return lines(*({"id": n, "name": f"n{n}", **more} for n in range(first, last + 1)))


@dataclass
class Lake:
    """Verbs that read like a story."""

    def dataset(self, name: str = "visits", *, schema: Any = None, **fields: Any) -> Dataset:
        return Dataset.objects.create(
            namespace="lake", name=name, title=name, origin=Origin.CLIENTS, schema=schema, **fields
        )

    def batch(self, dataset: Dataset, **fields: Any) -> Batch:
        fields = {"input_format": {"format": "json"}, "mode": "append", **fields}
        batch = Batch.objects.create(dataset=dataset, owner="", self_promoting=True, touched_at=Now(), **fields)
        Batch.objects.filter(pk=batch.pk).update(owner=f"client/{batch.public_id}")
        lifecycle.opened(batch, actor="client")
        return batch

    def put(self, batch: Batch, path: str, data: bytes) -> BatchFile:
        ordinal = batch.files.count()
        file = BatchFile.objects.create(batch=batch, path=path, ordinal=ordinal, is_complete=True, size=len(data))
        key = f"uploads/{batch.pk}/{ordinal}"
        store().put_bytes(key, data)
        digest = hashlib.sha256(data).hexdigest()
        Piece.objects.create(file=file, first=0, last=max(0, len(data) - 1), key=key, sha256=digest)
        Batch.objects.filter(pk=batch.pk).update(input_size=F("input_size") + len(data))
        return file

    def complete(self, batch: Batch) -> None:
        lifecycle.complete(batch.pk, actor="client", files_left=batch.files.count(), completed_at=Now())

    def send(self, dataset: Dataset, *contents: bytes, **fields: Any) -> Batch:
        """A batch of these files, completed and worked to its end."""
        batch = self.batch(dataset, **fields)
        for number, data in enumerate(contents):
            self.put(batch, f"part{number}.json", data)
        self.complete(batch)
        return self.work(batch)

    def work(self, batch: Batch, *, seconds: float = 60) -> Batch:
        """Do what is to be done, waiting for nothing, until the batch is done with."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            batch = Batch.objects.select_related("dataset").get(pk=batch.pk)
            if batch.status in (BatchStatus.LOADED, BatchStatus.STAGING, BatchStatus.RETRYING):
                self._step(batch)
            else:
                return batch
        raise AssertionError(f"batch {batch.pk} is still {batch.status}")

    def _step(self, batch: Batch) -> None:
        Batch.objects.filter(pk=batch.pk, not_before__gt=Now()).update(not_before=Now())
        taking_up.take_up(batch.pk)
        for file in batch.files.filter(checked_at=None):
            files.check_file(file.pk)
        publishing.publish_ready(batch.dataset_id)
        monitor.sweep()

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in warehouse().query(sql)]

    def count(self, table: str = "lake.visits") -> int:
        return int(self.rows(f"select count(*) from {table}")[0][0])
