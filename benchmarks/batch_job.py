"""One large client batch in a process of its own, from COMPLETE to live; prints one JSON line.

Addresses come from the environment: DATABASE_URL, WAREHOUSE_URL, HEADGATE_VAR, BENCH_FILE, BENCH_FORMAT, BENCH_SCHEMA.
"""

import hashlib
import json
import os
import resource
import time
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

import django

django.setup()

from django.core.management import call_command
from django.db import transaction
from django.db.models.functions import Now

from ingestion import dispatch, lifecycle
from ingestion.models import Batch, BatchFile, Dataset, Piece
from ingestion.models.datasets import Origin
from ingestion.rooms import checkers, store, warehouse
from ingestion.states import OPEN
from runs.local import workers


def uploaded(dataset: Dataset, path: Path, kind: str) -> Batch:
    """A loading batch with one complete file, as an upload leaves it."""
    size = path.stat().st_size
    batch = Batch.objects.create(
        dataset=dataset,
        owner="client/bench",
        self_promoting=True,
        mode="append",
        input_format={"format": kind},
        input_size=size,
        touched_at=Now(),
    )
    file = BatchFile.objects.create(batch=batch, path=path.name, ordinal=0, is_complete=True, size=size)
    digest = hashlib.file_digest(path.open("rb"), "sha256").hexdigest()
    store().put("uploads/bench", path, sha256=digest)
    Piece.objects.create(file=file, first=0, last=size - 1, key="uploads/bench", sha256=digest)
    return batch


def main() -> None:
    call_command("migrate", verbosity=0)
    schema = json.loads(os.environ["BENCH_SCHEMA"])
    kind, path = os.environ["BENCH_FORMAT"], Path(os.environ["BENCH_FILE"])
    dataset = Dataset.objects.create(namespace="bench", name="rows", title="rows", origin=Origin.CLIENTS, schema=schema)
    batch = uploaded(dataset, path, kind)
    with workers():
        list(warehouse().check())
        cpu = _cpu()
        started = time.monotonic()
        with transaction.atomic():
            lifecycle.complete(batch.pk, actor="benchmark", files_left=1, completed_at=Now())
            dispatch.promote(batch.pk)
        while Batch.objects.values_list("status", flat=True).get(pk=batch.pk) in OPEN:
            time.sleep(0.05)  # looking costs, too: each look is a query
        seconds = time.monotonic() - started
        checkers().close()
    batch = Batch.objects.get(pk=batch.pk)
    if batch.status != "success":
        raise SystemExit(f"{batch.status}: {batch.errors} {[event.reason for event in batch.events.all()]}")
    checked = batch.files.values_list("checked_at", flat=True)[0]
    rows = warehouse().query('select count(*), sum("id") from "bench"."rows"')[0]
    print(
        json.dumps(
            {
                "seconds": round(seconds, 3),
                "checked_seconds": round((checked - batch.started_at).total_seconds(), 3),
                "cpu_seconds": round(_cpu() - cpu, 2),
                "rows": rows[0],
                "id_sum": int(rows[1]),
                "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
                "child_peak_mb": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024),
            }
        ),
        flush=True,
    )
    os._exit(0)


def _cpu() -> float:
    """Seconds of this process and of its children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


if __name__ == "__main__":
    main()
