"""One run of the bench source in a process of its own, as a product process does it; prints one JSON line.

Addresses come from the environment: DATABASE_URL, WAREHOUSE_URL, STAGING_URL, HEADGATE_VAR, BENCH_URL, BENCH_ROWS.
"""

import json
import os
import resource
import threading
import time
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

import django

django.setup()

import psutil
from django.conf import settings
from django.core.management import call_command
from django.db import transaction

from connectors.models import Connector, DataSource
from ingestion.rooms import warehouse
from runs.lifecycle.starting import Asked, request
from runs.local import wait_for, workers
from runs.models import Run
from runs.states import RunMode

LIBRARY = Path(settings.BASE_DIR) / "connectors" / "library"


class Memory(threading.Thread):
    """Samples this process's resident memory; `samples` are MB over time."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.samples: list[float] = []

    def run(self) -> None:
        me = psutil.Process()
        while True:
            self.samples.append(me.memory_info().rss / 1e6)
            time.sleep(0.1)


def bench_source(url: str, rows: int) -> DataSource:
    settings.OUTBOUND_ALLOW = [url.removeprefix("http://")]
    manifest = (LIBRARY / "bench.yaml").read_text()
    connector, _ = Connector.objects.update_or_create(name="Bench", defaults={"manifest": manifest})
    source, _ = DataSource.objects.update_or_create(
        name="Bench",
        defaults={"connector": connector, "namespace": "bench", "settings": {"base_url": url, "rows": str(rows)}},
    )
    source.seal({"token": "demo-token"})
    source.save()
    return source


def phases(run: Run) -> dict[str, float]:
    """Seconds from the run's request until the last task of each kind ended."""
    ended: dict[str, float] = {}
    for task in run.tasks.order_by("finished_at"):
        if task.finished_at:
            ended[task.kind] = round((task.finished_at - run.created_at).total_seconds(), 3)
    return ended


def main() -> None:
    call_command("migrate", verbosity=0)
    source = bench_source(os.environ["BENCH_URL"], int(os.environ["BENCH_ROWS"]))
    memory = Memory()
    memory.start()
    with workers():
        list(warehouse().check())  # a service that has been up for a while is connected
        cpu = time.process_time()
        started = time.monotonic()
        with transaction.atomic():
            run = request(source.pk, RunMode.DESTRUCTIVE, asked=Asked(actor="benchmark", trigger="command"))
        run = wait_for(run.pk, seconds=3600, every=0.01)
        seconds = time.monotonic() - started
        cpu = time.process_time() - cpu
    if run.status != "completed":
        raise SystemExit(f"{run.outcome} {[m.text + m.detail for m in run.messages.all()]}")
    rows = warehouse().query('select count(*), sum("id") from "bench"."records"')[0]
    print(
        json.dumps(
            {
                "seconds": round(seconds, 3),
                "cpu_seconds": round(cpu, 2),
                "rows": rows[0],
                "id_sum": int(rows[1]),
                "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
                "rss_mb": [round(value) for value in memory.samples[:: max(1, len(memory.samples) // 20)]],
                "phases": phases(run),
            }
        ),
        flush=True,
    )
    os._exit(0)  # the answer is printed; threads that wait for work need no good-bye


if __name__ == "__main__":
    main()
