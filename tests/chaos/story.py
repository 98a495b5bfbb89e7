"""Keeping runs coming while faults are injected, and judging what they left: rows, ledger, counts, statuses."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.core.management import call_command
from django.db import Error as DatabaseError
from django.db import connection
from django.db.models import QuerySet

from connectors.models import Connector, DataSource
from ingestion.errors import IngestionError
from ingestion.models import Batch
from ingestion.rooms import warehouse
from runs.demo import expected
from runs.lifecycle.starting import Asked, request
from runs.models import DataLoad, Event, Level, Message, Run, Task
from runs.states import RUN_OPEN, RunMode, RunStatus
from tests.chaos.scenario import quantile

ASKED = Asked(actor="chaos", trigger="command")
TOKEN = {"token": "demo-token"}
DAYS = {"first": "2013-01-01", "end": "2013-01-04"}


class Story:
    """`sources` sources of the same shape, on which `runs` runs are started, destructive and incremental in turn."""

    def __init__(
        self, url: str, manifest: str, *, sources: int, runs: int, credentials: Mapping[str, str] = TOKEN
    ) -> None:
        call_command("migrate", verbosity=0)
        self.aimed: Counter[str] = Counter()  # kinds of tasks that a fault's victim held
        connector = Connector.objects.create(name="Chaos", manifest=manifest)
        self.left = runs
        self.checked = 0
        self.sources = []
        for number in range(sources):
            source = DataSource(
                name=f"Chaos {number}", connector=connector, namespace=f"chaos_{number}", settings={"base_url": url}
            )
            source.seal(dict(credentials))
            source.save()
            self.sources.append(source)

    def advance(self) -> bool:
        """Start a run on every free source while any are left; true when all have ended. While the database is away
        nothing is started, and nothing is known to have ended."""
        try:
            return self._advance()
        except DatabaseError:
            connection.close()
            return False

    def _advance(self) -> bool:
        busy = set(self.runs.filter(status__in=RUN_OPEN).values_list("source", flat=True))
        for source in self.sources:
            if self.left and source.pk not in busy:
                mode = RunMode.DESTRUCTIVE if self.left % 2 else RunMode.INCREMENTAL
                request(source.pk, mode, asked=ASKED)
                self.left -= 1
                busy.add(source.pk)
        return not self.left and not busy

    def moves(self) -> int:
        """How many moves there have been; the same as before while the database is away."""
        try:
            return Event.objects.count()
        except DatabaseError:
            connection.close()
            return -1

    @property
    def runs(self) -> QuerySet[Run]:
        """The runs of this story: a scenario may have others beside them."""
        return Run.objects.filter(source__in=self.sources)

    def busy_workers(self) -> list[int]:
        """The pids of the workers that hold a task now."""
        return list(self.held())

    def held(self) -> dict[int, list[str]]:
        """The kinds of the tasks in the hands of each worker now, by its pid."""
        found: dict[int, list[str]] = {}
        for name, kind in Task.objects.filter(status="running").order_by("pk").values_list("worker", "kind"):
            found.setdefault(int(name.partition(":")[2].partition("/")[0]), []).append(kind)
        return found

    def in_transaction(self, pid: int) -> bool:
        """Whether a worker, frozen now, left a transaction of the control database open: its run is then held."""
        sql = "SELECT 1 FROM pg_stat_activity WHERE application_name = %s AND state LIKE 'idle in transaction%%'"
        with connection.cursor() as cursor:
            cursor.execute(sql, [f"worker {pid}"])
            return cursor.fetchone() is not None

    def verdict(self) -> dict[str, Any]:
        statuses = Counter(self.runs.values_list("status", flat=True))
        attempts = list(Task.objects.filter(attempt__gt=1).values_list("kind", flat=True))
        wrong = list[str]()
        try:
            wrong += self._wrong_books()
            wrong += self._wrong_rows()
        except IngestionError as error:
            wrong.append(f"the live tables cannot be read: {error} {error.detail}")
        texts = Message.objects.filter(level=Level.ERROR, run__in=self.runs).values_list("text", "detail")
        wrong += [f"message: {text} {detail[-800:]}" for text, detail in texts]
        if unfinished := sum(statuses.values()) - statuses[RunStatus.COMPLETED]:
            wrong.append(f"{unfinished} runs did not complete: {dict(statuses)}")
        return {
            "runs": sum(statuses.values()),
            "statuses": dict(statuses),
            "aimed_at": dict(self.aimed),
            "resume_s": self._resume(),
            "fenced": Event.objects.filter(after="fenced").count(),
            "taken_back": Event.objects.filter(actor="sweeper", after="queued").count(),
            "tried_again": dict(Counter(attempts)),
            "rows_checked": self.checked,
            "wrong": wrong,
        }

    def _resume(self) -> dict[str, float | None]:
        """From the end of a dead worker's lease to the moment at which another held its task."""
        events = list(Event.objects.exclude(task=None).order_by("pk").values_list("task", "after", "actor", "at"))
        back: dict[int, datetime] = {}
        seconds: list[float] = []
        for task, after, actor, at in events:
            if actor == "sweeper" and after == "queued":
                back[task] = at
            elif after == "running" and task in back:
                seconds.append((at - back.pop(task)).total_seconds())
        return {"p95": quantile(seconds, 0.95), "most": quantile(seconds, 1.0)}

    def _wrong_rows(self) -> list[str]:
        """Compare every live table with what the source served: the whole multiset, by an order-free digest."""
        wanted = self._wanted()
        wrong: list[str] = []
        for source in self.sources:
            for table, rows in wanted.items():
                columns = sorted({name for row in rows for name in row})
                names = ", ".join(f'"{name}"' for name in columns)
                live = warehouse().query(f'select {names} from "{source.namespace}"."{_live_name(source, table)}"')
                got = expected.digest([dict(zip(columns, row, strict=True)) for row in live], columns)
                self.checked += len(live)
                if got != expected.digest(rows, columns):
                    wrong.append(
                        f"{source.namespace}.{table}: {len(live)} rows instead of {len(rows)}, or other values"
                    )
        return wrong

    def _wanted(self) -> dict[str, list[dict[str, Any]]]:
        return {
            "events": list(expected.bench_rows(1, 6000)),
            "planes": list(expected.planes()),
            "flights": list(expected.flights(**DAYS)),
            "delays": list(expected.flights__delays(**DAYS)),
        }

    def _wrong_books(self) -> list[str]:
        """The ledger, the count chain and the data loads must tell of each completed run exactly once."""
        wrong = []
        sizes = {table: len(rows) for table, rows in self._wanted().items()}
        for batch in Batch.objects.filter(status="success").select_related("dataset"):
            size = sizes[batch.dataset.name.rpartition("__")[2]]
            if batch.live_count != size or (batch.mode == "replace" and batch.extracted_count != size):
                wrong.append(f"{batch}: {batch.extracted_count} extracted, {batch.live_count} live instead of {size}")
            if batch.staged_count != batch.loaded_count:
                wrong.append(f"{batch}: {batch.staged_count} staged, {batch.loaded_count} loaded")
            if batch.extracted_count != batch.staged_count + batch.rejected_count + batch.superseded_count:
                wrong.append(f"{batch}: extracted {batch.extracted_count} does not add up")
        completed = self.runs.filter(status=RunStatus.COMPLETED).count()
        loads = DataLoad.objects.filter(run__in=self.runs).count()
        if loads != completed:
            wrong.append(f"{loads} data loads for {completed} completed runs")
        twice = warehouse().query(
            "select load_id, dataset from headgate_books._ledger group by 1, 2 having count(*) > 1"
        )
        return [*wrong, *(f"load {load} is twice in the ledger" for load, _ in twice)]


def _live_name(source: DataSource, table: str) -> str:
    names = [
        batch.dataset.name
        for batch in Batch.objects.filter(dataset__namespace=source.namespace).select_related("dataset")
    ]
    return table if table in names else next(name for name in names if name.endswith(f"__{table}"))
