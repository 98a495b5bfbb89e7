"""R14: one row is lost in each stage of real runs, on Postgres and on DuckDB. What is live must stay exact.

A loss is caught when the run fails and the tables stay as they were, or when another try heals it.
"""

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runs.demo.running import start_server
from tests.chaos.scenario import NONE, Answer, Options, main, patched, set_up_django
from tests.services.postgres import FAST, start_postgres

MANIFEST = """
manifest: 1
name: losses
base_url: "{{ settings.base_url }}"
settings: {base_url: {title: Address}}
auth: {style: bearer}
endpoints:
  - name: events
    title: Events
    path: /v1/bench
    params: {rows: "240"}
    records: data
    pagination: {style: page, size_param: per_page, size: 60, pages_path: meta.pages}
  - name: flights
    title: Flights
    path: /v1/flights
    params: {from: "{{ partition.start }}", to: "{{ partition.end }}", per_page: "300"}
    records: data.flights
    key: id
    cursor: {field: updated_at, param: updated_since}
    pagination: {style: next_link, path: links.next}
    partition: {by: date, start: 2013-01-01, end: 2013-01-02, step: day}
"""


def play(options: Options) -> Answer:
    folder = Path(tempfile.mkdtemp(prefix="headgate-chaos-"))
    postgres = start_postgres(folder / "pg", settings=FAST)
    os.environ.pop("REDIS_URL", None)
    try:
        set_up_django(
            {
                "DATABASE_URL": postgres.create_database("control"),
                "STAGING_URL": f"file://{folder}/staging",
                "HEADGATE_VAR": str(folder / "var"),
                "HEADGATE_SPOOL_BYTES": "40000",
                "HEADGATE_RETRY_WAITS": "0",
                "HEADGATE_OUTBOUND_ALLOW": "127.0.0.1:*",
                "HEADGATE_LOG_LEVEL": "CRITICAL",
            }
        )
        houses = {
            "Postgres": postgres.create_database("warehouse"),
            "DuckDB": f"duckdb:///{folder}/warehouse.duckdb?memory_limit=200MB&threads=1",
        }
        with start_server(ready_within_s=120) as api:
            return _play(options, api.url, houses)
    finally:
        postgres.remove()
        shutil.rmtree(folder, ignore_errors=True)


def _play(options: Options, url: str, houses: dict[str, str]) -> Answer:
    from ingestion.warehouse import parallel
    from tests.chaos.losing import MERGING, WAYS

    def uncounted(part: Any, loader: Any, stop: Any) -> int:
        """A part is taken for loaded, however many of its rows arrived."""
        return int(loader.one(part, stop))

    answer = Answer()
    books = [Book(engine, address, url) for engine, address in houses.items()]
    kinds: dict[str, Counter[str]] = {name: Counter() for name in WAYS}
    with patched((parallel, "_load_one", uncounted)) if options.mutant != NONE else patched():
        number = 0
        while sum(answer.injected.values()) < options.count and number < options.count * 2:
            name = list(WAYS)[number % len(WAYS)]
            book = books[(number // len(WAYS)) % len(books)]
            number += 1
            outcome = book.lose(WAYS[name], merging=name in MERGING)
            kinds[name][outcome] += 1
            if outcome != "no chance":
                answer.add(name)
            answer.expect(outcome != "live", f"{book.engine}: a row lost {name} was missed: the tables are wrong")
            if outcome == "live":
                book.begin()
    for name, found in kinds.items():
        answer.expect(options.count < len(WAYS) or sum(found.values()) > found["no chance"], f"never lost: {name}")
    answer.facts["outcomes"] = {name: dict(found) for name, found in kinds.items()}
    answer.wrong += [text for book in books for text in book.broken_counts()]
    return answer


class Book:
    """A source whose tables are live and exact in one warehouse, and runs of it in which a row is lost."""

    def __init__(self, engine: str, address: str, url: str) -> None:
        from connectors.models import Connector, DataSource
        from runs.demo import expected

        connector, _ = Connector.objects.get_or_create(name="Losses", defaults={"manifest": MANIFEST})
        name = f"losses_{engine.lower()}"
        self.engine, self.address = engine, address
        self.source = DataSource(name=name, connector=connector, namespace=name, settings={"base_url": url})
        self.source.seal({"token": "demo-token"})
        self.source.save()
        self.rows = {
            "events": list(expected.bench_rows(1, 240)),
            "flights": list(expected.flights(first="2013-01-01", end="2013-01-02")),
        }
        self.begin()

    def begin(self) -> None:
        self._run("destructive")
        assert self._exact(), f"{self.engine}: a run without any loss left wrong rows"

    def lose(self, way: Callable[[], Any], *, merging: bool) -> str:
        """One run with a loss: "failed", "healed", "live" (nobody noticed) or "no chance"."""
        with way() as lost:
            status = self._run("incremental" if merging else "destructive")
        if not self._exact():
            return "live"
        if not lost.rows:
            return "no chance"
        return "failed" if status == "failed" else "healed"

    def _run(self, mode: str) -> str:
        from django.conf import settings

        from runs.lifecycle.starting import Asked, request
        from runs.models import Run, Task
        from runs.perform import perform
        from runs.states import RUN_OPEN, RunMode

        settings.WAREHOUSE_URL = self.address
        run = request(self.source.pk, RunMode(mode), asked=Asked(actor="chaos", trigger="command"))
        while Run.objects.get(pk=run.pk).status in RUN_OPEN:
            for task in Task.objects.due().filter(run=run):
                perform(task.pk)
        return str(Run.objects.get(pk=run.pk).status)

    def _exact(self) -> bool:
        from ingestion.rooms import warehouse
        from runs.demo import expected

        for table, rows in self.rows.items():
            columns = sorted({name for row in rows for name in row})
            names = ", ".join(f'"{name}"' for name in columns)
            live = warehouse().query(f'select {names} from "{self.source.namespace}"."{table}"')
            got = expected.digest([dict(zip(columns, row, strict=True)) for row in live], columns)
            if got != expected.digest(rows, columns):
                return False
        return True

    def broken_counts(self) -> list[str]:
        """Batches that became live although their counts do not add up."""
        from ingestion.models import Batch

        wrong = []
        for batch in Batch.objects.filter(dataset__namespace=self.source.namespace, status="success"):
            if batch.extracted_count != batch.staged_count + batch.rejected_count + batch.superseded_count:
                wrong.append(f"{self.engine} {batch}: extracted does not add up")
            if batch.staged_count != batch.loaded_count:
                wrong.append(f"{self.engine} {batch}: {batch.staged_count} staged, {batch.loaded_count} loaded")
        return wrong


if __name__ == "__main__":
    raise SystemExit(main({"R14": play}))
