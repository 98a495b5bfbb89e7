"""The run pages over a million runs: how long each takes, how many queries it asks, and which is the slowest."""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil

from tests.services.postgres import FAST, start_postgres

GOALS = {"list": 150, "run": 300, "search": 100}  # milliseconds, of the 95th percentile


@dataclass
class Watch:
    """What one request asked of the database."""

    seconds: list[float] = field(default_factory=list)
    slowest: tuple[float, str] = (0.0, "")

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        started = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            took = time.perf_counter() - started
            self.seconds.append(took)
            self.slowest = max(self.slowest, (took, sql))


@dataclass(frozen=True, kw_only=True)
class Visit:
    """One request, in milliseconds: until the answer, and our own work and that of the database, as processor time."""

    wall: float
    ours: float
    theirs: float
    queries: int
    slowest: tuple[float, str]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--folder", type=Path, help="keep the database here, and use the one that is here already")
    parser.add_argument("--only", default="", help="pages whose name holds this")
    parser.add_argument("--slowest", action="store_true", help="print the slowest query of each page")
    options = parser.parse_args(arguments)
    folder = options.folder or Path(tempfile.mkdtemp(prefix="headgate-bench-"))
    with _control(folder, keep=bool(options.folder)):
        from django.db import connection

        from benchmarks.run_history import furnish
        from runs.models import Run

        newest = Run.objects.first()
        if newest is None:
            furnish(options.runs)
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")  # what autovacuum does after a while
        return _measure(options)


@contextmanager
def _control(folder: Path, *, keep: bool) -> Iterator[None]:
    """A Postgres under `folder`, migrated, as Django's own. It reads as usual, and waits for no disk when it writes."""
    postgres = start_postgres(folder / "control", settings=(*FAST, "max_wal_size=4GB"))
    os.environ |= {
        "DATABASE_URL": postgres.dsn,
        "HEADGATE_VAR": str(folder / "var"),
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "HEADGATE_FAST_PASSWORDS": "1",
        "DJANGO_ALLOWED_HOSTS": "testserver",
    }
    try:
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", verbosity=0)
        yield
    finally:
        from django.db import connection

        connection.close()
        if keep:
            postgres.stop()
        else:
            postgres.remove()
            shutil.rmtree(folder, ignore_errors=True)


def pages() -> dict[str, tuple[str, str]]:
    """Each page by its name: the goal that it belongs to, and its address."""
    from runs.models import Message, Run

    newest, fingerprint = Run.objects.first(), Message.objects.values_list("fingerprint", flat=True).first()
    assert newest
    big, runs = newest.pk - 50, "/admin/runs/run/"
    day = (newest.created_at - timedelta(days=300)).date()
    found = {"newest first": "", "page 2": "?p=2", "page 1000": "?p=1000", "all filters, no match": NOTHING}
    found |= {f"filter {name}": f"?{query.format(day=day)}" for name, query in FILTERS.items()}
    found["filter same failure"] = f"?failure={fingerprint}"
    for column in SORTS:
        found |= {f"sort {column}": f"?o={column}", f"sort {column}, reversed": f"?o=-{column}"}
    listed = {f"list: {name}": ("list", runs + query) for name, query in found.items()}
    page = f"{runs}{big}/change/"
    return listed | {
        "run of 1,000 tasks": ("run", page),
        "run of 1,000 tasks, page 9": ("run", f"{page}?page=9"),
        **{f"search tasks: {text}": ("search", f"{page}?q={text}") for text in SOUGHT},
        **{f"search tasks: {text}, whole page": ("run", f"{page}?q={text}") for text in SOUGHT},
        "search an id": ("search", f"{runs}?q={big}"),
        "search a data source": ("list", f"{runs}?q=Source+017"),
    }


SOUGHT = ("surv", "refused", "comp", "nothing")
TYPING = {"HX-Request": "true", "HX-Target": "run-panel"}  # what the page sends while somebody types
SORTS = (
    "state", "run_id", "data_source", "type", "trigger", "started", "completed", "took", "tasks", "rows", "messages",
)  # fmt: skip
FILTERS = {
    "busy source": "source=1",
    "rare source": "source=299",
    "three sources": "source=2&source=150&source=298",
    "failed": "status=failed",
    "rejected or cancelled": "status=rejected&status=cancelled",
    "running": "status=running",
    "canceling (none)": "status=canceling",
    "destructive": "type=destructive",
    "retried": "trigger=retry",
    "command (none)": "trigger=command",
    "by a person": "by=person-7",
    "by nobody known": "by=nobody",
    "today": "period=today",
    "7 days": "period=7d",
    "30 days": "period=30d",
    "ended in 24 h": "period=ended24h",
    "failed in 24 h": "period=ended24h&status=failed",
    "a day last year": "from={day}&to={day}",
    "longer than 10 min": "longer=10",
    "longer than 2 h (few)": "longer=120",
    "longer than 4 h (none)": "longer=240",
    "refused login": "fault=auth",
    "needs attention": "attention=needed",
    "acknowledged (none)": "attention=acknowledged",
    "rare source, failed": "source=299&status=failed",
    "rare source, failed, by a person": "source=299&status=failed&by=person-7",
    "busy source, longest first": "source=1&o=-took",
    "destructive, longest first": "type=destructive&o=-took",
    "failed, oldest first": "status=failed&o=run_id",
}
NOTHING = "?source=299&status=canceling&type=destructive&fault=schema&by=person-7"


def _measure(options: argparse.Namespace) -> int:
    from django.contrib.auth.models import User
    from django.test import Client

    client = Client()
    client.force_login(User.objects.get_or_create(username="bench", is_staff=True, is_superuser=True)[0])
    print(f"{'':40}    p50    p95  our CPU  Postgres  queries   (milliseconds; load {os.getloadavg()[0]:.1f})")
    missed = []
    for name, (goal, address) in pages().items():
        if options.only not in name:
            continue
        headers = TYPING if name.startswith("search tasks") and goal == "search" else {}
        client.get(address, headers=headers)
        visits = [_visit(client, address, headers) for _ in range(options.times)]
        walls = sorted(visit.wall for visit in visits)
        high, last = walls[int(0.95 * len(walls)) - 1], visits[-1]
        middle, ours = statistics.median(walls), statistics.median(visit.ours for visit in visits)
        theirs = statistics.mean(visit.theirs for visit in visits)  # the kernel counts it in steps of 10 ms
        late = high > GOALS[goal]
        counts = "–".join(str(count) for count in sorted({visit.queries for visit in visits}))
        mark = "!" if late else " "
        print(f"{name:40} {middle:6.0f} {high:6.0f}{mark} {ours:7.0f} {theirs:9.1f} {counts:>8}", flush=True)
        if options.slowest:
            print(f"    {last.slowest[0]:.0f} ms: {_core(last.slowest[1])}")
        missed += [name] if late else []
    print(f"goals missed: {', '.join(missed) or 'none'}")
    return 0


def _visit(client: Any, address: str, headers: dict[str, str]) -> Visit:
    from django.db import connection

    backend = psutil.Process(connection.connection.info.backend_pid)
    watch, theirs, cpu, started = Watch(), sum(backend.cpu_times()[:2]), time.process_time(), time.perf_counter()
    with connection.execute_wrapper(watch):
        answer = client.get(address, headers=headers)
    wall, ours = time.perf_counter() - started, time.process_time() - cpu
    if answer.status_code not in (200, 302):
        raise SystemExit(f"{answer.status_code} from {address}")
    return Visit(
        wall=wall * 1000,
        ours=ours * 1000,
        theirs=(sum(backend.cpu_times()[:2]) - theirs) * 1000,
        queries=len(watch.seconds),
        slowest=(watch.slowest[0] * 1000, watch.slowest[1]),
    )


def _core(sql: str) -> str:
    """A query without the columns that it names."""
    return sql[sql.find(" FROM ") + 1 :][:700]
