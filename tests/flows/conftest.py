"""A whole installation for a story: demo source, staging folder, warehouse; tasks are done one after the other here."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.db.models.functions import Now

from connectors.models import Connector, DataSource
from ingestion.rooms import warehouse
from runs.demo.running import RunningServer, start_server
from runs.lifecycle.starting import Asked, request
from runs.models import Run, Task
from runs.perform import perform
from runs.states import RUN_ENDED, RunMode
from runs.upkeep import sweep

LIBRARY = Path(__file__).resolve().parents[2] / "connectors" / "library"


@pytest.fixture(scope="session")
def demo_api() -> RunningServer:
    with start_server() as server:
        yield server


@dataclass
class House:
    """What a story needs: the demo API, and verbs that read like one."""

    api: RunningServer

    def source(
        self, name: str = "Flights", *, manifest: str = "nycflights", token: str = "demo-token", **fields
    ) -> DataSource:
        text = (LIBRARY / f"{manifest}.yaml").read_text() if "\n" not in manifest else manifest
        connector, _ = Connector.objects.update_or_create(name=f"{name} API", defaults={"manifest": text})
        values = {"base_url": self.api.url} | fields.pop("settings", {})
        fields = {"namespace": name.lower().replace(" ", "_"), "settings": values, **fields}
        source, _ = DataSource.objects.update_or_create(name=name, defaults={"connector": connector, **fields})
        source.seal({"token": token})
        source.save()
        return source

    def ask(self, source: DataSource, mode: RunMode = RunMode.DESTRUCTIVE) -> Run:
        return request(source.pk, mode, asked=Asked(actor="test", trigger="command"))

    def run(self, source: DataSource, mode: RunMode = RunMode.DESTRUCTIVE, **how) -> Run:
        return self.work(self.ask(source, mode), **how)

    def work(self, run: Run, *, seconds: float = 120, before: Callable[[Task], None] = lambda _: None) -> Run:
        """Do the run's tasks, here and now, waiting for nothing, until it has ended."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            run = Run.objects.get(pk=run.pk)
            if run.status in RUN_ENDED:
                return run
            Task.objects.filter(run=run, not_before__gt=Now()).update(not_before=None)
            due = list(run.tasks.due().order_by("pk"))
            for task in due:
                before(task)
                perform(task.pk)
            if not due:
                sweep()
        raise AssertionError(f"run {run.pk} is still {run.status} after {seconds} s")

    def rows(self, sql: str) -> list[tuple]:
        return warehouse().query(sql)

    def count(self, table: str) -> int:
        return self.rows(f"select count(*) from {table}")[0][0]


@pytest.fixture(params=["duckdb", "postgres"])
def warehouse_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "duckdb":
        return f"duckdb:///{tmp_path}/warehouse.duckdb"
    return request.getfixturevalue("postgres_database")


@pytest.fixture
def house(demo_api, settings, tmp_path, transactional_db, warehouse_url) -> House:
    settings.WAREHOUSE_URL = warehouse_url
    settings.STAGING_URL = f"file://{tmp_path}/staging"
    settings.SCRATCH_DIR = tmp_path / "scratch"
    settings.OUTBOUND_ALLOW = ["127.0.0.1:*"]
    settings.RETRY_WAITS = (0.01,)
    demo_api.control(
        latency_ms=0, rate_429=0, rate_500=0, rate_truncated=0, rate_html=0, rate_reset=0,
        fixed_token_valid=True, empty=[], drift=[],
    )  # fmt: skip
    demo_api.reset_stats()
    yield House(api=demo_api)
    warehouse().close()
