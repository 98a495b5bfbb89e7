"""Figures of the whole installation, from the database and the broker: a few bounded queries, kept for ten seconds.

Any process may be asked for them and all answer alike. What cannot be read is left out, and counted as such.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from time import monotonic
from typing import Any, Final

import dramatiq
from django.conf import settings
from django.db import Error, connection, transaction
from django.db.models import Avg, Count, DurationField, ExpressionWrapper, F, Max, Min, Q, QuerySet, Sum
from django.db.models.functions import Now
from django.utils import timezone
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from redis import RedisError

from config.observing.probes import impatient
from ingestion.models import Batch, BatchFile
from ingestion.states import OPEN
from runs import presence
from runs.models import Run, Sweep, Task
from runs.states import RUN_OPEN, TASK_OPEN

log = logging.getLogger(__name__)
HOLDS: Final = 10.0
NEWEST: Final = 20_000  # rows that are looked at for the last hour's figures, however many there are
HOUR: Final = timedelta(hours=1)
SECONDS: Final = ExpressionWrapper(F("finished_at") - F("started_at"), output_field=DurationField())


class Installation(Collector):
    """A collector of Prometheus: asked at each scrape."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: list[Metric] = []
        self._read = float("-inf")

    def describe(self) -> Iterable[Metric]:
        return ()  # else registering would read the database

    def collect(self) -> Iterable[Metric]:
        with self._lock:
            if monotonic() - self._read > HOLDS:
                self._kept = read()
                self._read = monotonic()
            return list(self._kept)


def read() -> list[Metric]:
    """All figures, now. A part that cannot be read leaves a figure that says so."""
    found: list[Metric] = []
    unread = gauge("unread_figures", "Parts of these figures that could not be read, by part.", "part")
    for name, part in PARTS.items():
        try:
            with transaction.atomic():
                _hurry()
                metrics = list(part())
        except (Error, RedisError) as error:
            log.warning("figures of %s cannot be read: %s", name, type(error).__name__)
            unread.add_metric([name], 1)
        else:
            found += metrics
            unread.add_metric([name], 0)
    return [*found, unread]


def _hurry() -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = '3s'")


def gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"headgate_{name}", text, labels=labels)


def single(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"headgate_{name}", text, value=float(value))


def queues() -> Iterator[Metric]:
    if not settings.REDIS_URL:
        return
    waiting = gauge("queue_messages", "Messages that wait, by queue.", "queue")
    dead = gauge("queue_dead_messages", "Messages that the broker gave up, by queue.", "queue")
    with impatient(settings.REDIS_URL) as client:
        for queue in sorted(dramatiq.get_broker().get_declared_queues()):
            waiting.add_metric([queue], float(client.llen(f"dramatiq:{queue}")))
            dead.add_metric([queue], float(client.zcard(f"dramatiq:{queue}.XQ")))
    yield waiting
    yield dead


def work() -> Iterator[Metric]:
    yield _by("runs_open", "Open runs, by status.", Run.objects.filter(status__in=RUN_OPEN), "status")
    yield _by("tasks_open", "Tasks that have not ended, by status.", _open_tasks(), "status")
    due = Task.objects.due().filter(run__status__in=RUN_OPEN)
    oldest = due.aggregate(at=Min("not_before"), made=Min("created_at", filter=Q(not_before=None)))
    ages = [_age(at) for at in oldest.values() if at]
    yield single("oldest_due_task_seconds", "How long the oldest task that is due has waited.", max(ages, default=0))
    leases = Task.objects.running().aggregate(first=Min("lease_until"))["first"]
    renewed = settings.LEASE_SECONDS + _age(leases) if leases else 0
    yield single("oldest_lease_seconds", "Since the longest silent worker last renewed a task's lease.", renewed)
    files = BatchFile.objects.filter(checked_at=None, lease_until__isnull=False).aggregate(at=Min("lease_until"))["at"]
    silent = settings.LEASE_SECONDS + _age(files) if files else 0
    yield single(
        "oldest_file_lease_seconds", "Since the longest silent worker renewed an uploaded file's lease.", silent
    )


def _open_tasks() -> QuerySet[Any]:
    return Task.objects.filter(status__in=TASK_OPEN, run__status__in=RUN_OPEN)


def sweeping() -> Iterator[Metric]:
    last = Sweep.objects.aggregate(at=Max("at"))["at"]
    if last:
        yield single("sweep_age_seconds", "Since any sweeper last looked.", _age(last))
    lately = Now() - timedelta(seconds=max(60, settings.SWEEP_SECONDS * 3))
    yield single("sweepers", "Sweepers seen in the last minute.", Sweep.objects.filter(at__gt=lately).count())
    lost = _newest(Task).filter(finished_at__gt=Now() - HOUR).aggregate(n=Sum("lost"))["n"]
    yield single("leases_lost_1h", "Leases lost by tasks that ended in the last hour.", lost or 0)


def working() -> Iterator[Metric]:
    queues = list(presence.seen().values_list("queues", flat=True))
    yield single("workers", "Worker processes seen in the last minute.", len(queues))
    each = gauge("queue_workers", "Of them, those that take messages of a queue.", "queue")
    for queue in sorted(presence.queues_of(dramatiq.get_broker())):
        each.add_metric([queue], sum(queue in taken for taken in queues))
    yield each


def ended() -> Iterator[Metric]:
    """Runs of the last hour, as gauges: they are windows, and no counters."""
    count = gauge("runs_ended_1h", "Runs that ended in the last hour.", "status", "mode")
    mean = gauge("run_seconds_mean_1h", "Their mean duration.", "status", "mode")
    most = gauge("run_seconds_max_1h", "Their longest duration.", "status", "mode")
    runs = _newest(Run).filter(finished_at__gt=Now() - HOUR)
    rows = runs.order_by().values("status", "mode").annotate(n=Count("pk"), mean=Avg(SECONDS), most=Max(SECONDS))
    for row in rows:
        labels = [row["status"], row["mode"]]
        count.add_metric(labels, row["n"])
        if row["mean"] is not None:
            mean.add_metric(labels, row["mean"].total_seconds())
            most.add_metric(labels, row["most"].total_seconds())
    yield from (count, mean, most)
    sums = runs.aggregate(rows=Sum("row_count"), calls=Sum("call_count"))
    yield single("rows_extracted_1h", "Records of runs that ended in the last hour.", sums["rows"] or 0)
    yield single("source_calls_1h", "Calls to sources by those runs.", sums["calls"] or 0)
    refused = _newest(Task).filter(finished_at__gt=Now() - HOUR).aggregate(n=Sum("throttled_count"))["n"]
    yield single("source_throttled_1h", "Answers 429 to tasks that ended in the last hour.", refused or 0)


def batches() -> Iterator[Metric]:
    mine = Batch.objects.filter(self_promoting=True)
    yield _by("batches_open", "Client batches that have not ended, by status.", mine.filter(status__in=OPEN), "status")
    lately = mine.filter(finished_at__gt=Now() - HOUR)
    yield _by("batches_ended_1h", "Client batches that ended in the last hour, by status.", lately, "status")
    sums = lately.aggregate(size=Sum("input_size"), rows=Sum("extracted_count"))
    yield single("uploaded_bytes_1h", "Bytes uploaded into batches that ended in the last hour.", sums["size"] or 0)
    yield single("batch_rows_1h", "Records of those batches.", sums["rows"] or 0)


PARTS: Final[dict[str, Callable[[], Iterator[Metric]]]] = {
    "queues": queues,
    "work": work,
    "sweeping": sweeping,
    "working": working,
    "ended": ended,
    "batches": batches,
}


def _newest(model: type[Run] | type[Task]) -> QuerySet[Any]:
    """The newest rows of a table that grows for ever."""
    manager: Any = model.objects
    last = manager.order_by("-pk").values_list("pk", flat=True).first() or 0
    return manager.filter(pk__gt=last - NEWEST)  # type: ignore[no-any-return]


def _by(name: str, text: str, rows: QuerySet[Any], label: str) -> GaugeMetricFamily:
    family = gauge(name, text, label)
    for value, count in rows.order_by().values_list(label).annotate(n=Count("pk")):
        family.add_metric([str(value)], count)
    return family


def _age(at: Any) -> float:
    return float((timezone.now() - at).total_seconds())
