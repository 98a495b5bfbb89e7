"""What one run costs the control database, and what a second worker host brings.

`statements` counts the statements and the written rows of one run, by kind of task: no load on the machine changes it.
`hosts` times a source of twelve partitions whose every answer takes 50 ms, with one worker host and with two.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psutil

from benchmarks.rig import ROOT, spread, table
from tests.chaos.house import Servers, servers

PARTITIONS = 12
LATENCY_MS = 50
HOSTS = (1, 2)
MANIFEST = """
manifest: 1
name: scaling
base_url: "{{ settings.base_url }}"
settings: {base_url: {title: Address}}
auth: {style: bearer}
endpoints:
  - name: flights
    title: Flights
    path: /v1/flights
    params: {from: "{{ partition.start }}", to: "{{ partition.end }}", per_page: "15"}
    records: data.flights
    key: id
    pagination: {style: next_link, path: links.next}
    partition: {by: date, start: 2013-01-01, end: 2013-01-13, step: day}
"""


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="make bench ARGS=scaling", description=__doc__)
    parser.add_argument("what", choices=("statements", "hosts"), nargs="?", default="hosts")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args(arguments)
    roomy = {"HEADGATE_LEASE_SECONDS": "60", "HEADGATE_SPOOL_BYTES": "32000000", "HEADGATE_SWEEP_SECONDS": "5"}
    with servers(latency_ms=LATENCY_MS if given.what == "hosts" else 0, apart=True, environment=roomy) as house:
        from tests.chaos.scenario import set_up_django

        set_up_django({})
        return _statements(house) if given.what == "statements" else _hosts(house, given.rounds)


def _source(house: Servers) -> int:
    from connectors.models import Connector, DataSource

    connector = Connector.objects.create(name="Scaling", manifest=MANIFEST)
    source = DataSource(name="Scaling", connector=connector, namespace="scaling", settings={"base_url": house.api.url})
    source.seal({"token": "demo-token"})
    source.save()
    return int(source.pk)


def _start(source: int) -> Any:
    from runs.lifecycle.starting import Asked, request
    from runs.states import RunMode

    return request(source, RunMode.DESTRUCTIVE, asked=Asked(actor="bench", trigger="command"))


def _statements(house: Servers) -> int:
    """The second run counts: the first makes tables and schemas."""
    from runs.models import Run, Task
    from runs.perform import perform

    source, counted, tasks = _source(house), Counter[str](), Counter[str]()
    for number in range(2):
        counted.clear()
        tasks.clear()
        with _counting(counted, "start"):
            run = _start(source)
        before = _written()
        while found := list(Task.objects.due().filter(run=run).order_by("pk")):
            for task in found:
                tasks[task.kind] += 1
                with _counting(counted, task.kind):
                    perform(task.pk)
        assert number == 0 or Run.objects.get(pk=run.pk).status == "completed"
    for where, count in sorted(counted.items()):
        kind = where.partition(" ")[2]
        print(f"  {where:45} {count:6}  {count / max(1, tasks[kind]):8.1f} a task of {tasks[kind]}")
    rows = {name: count - before.get(name, 0) for name, count in _written().items()}
    print("  rows inserted or updated by its tasks:", {name: count for name, count in rows.items() if count})
    return 0


@contextmanager
def _counting(counted: Counter[str], kind: str) -> Iterator[None]:
    from django.db import connection

    from ingestion.warehouse.postgres_session import PostgresSession
    from tests.chaos.scenario import patched

    execute = PostgresSession._execute

    def of_control(run: Callable[..., Any], *arguments: Any) -> Any:
        counted[f"control {kind}"] += 1
        return run(*arguments)

    def of_warehouse(self: PostgresSession, *arguments: Any) -> Any:
        counted[f"warehouse {kind}"] += 1
        return execute(self, *arguments)

    with connection.execute_wrapper(of_control), patched((PostgresSession, "_execute", of_warehouse)):
        yield


def _written() -> dict[str, int]:
    """Rows inserted, updated and deleted so far, by table of the control database."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("select pg_stat_force_next_flush()")
        cursor.execute("select relname, n_tup_ins + n_tup_upd + n_tup_del from pg_stat_user_tables")
        return dict(cursor.fetchall())


def _hosts(house: Servers, rounds: int) -> int:
    source = _source(house)
    seconds: dict[int, list[float]] = {count: [] for count in HOSTS}
    cpu: dict[int, list[dict[str, float]]] = {count: [] for count in HOSTS}
    with _workers(1):
        _timed(source)  # makes the table
    for _ in range(rounds):
        for count in HOSTS:
            with _workers(count) as hosts:
                _timed(source)  # hosts that have worked before, as they have in production
                watched = {"source": [house.api.process.pid], "workers": hosts, "Postgres": _postgres(house)}
                before = {name: _cpu(pids) for name, pids in watched.items()}
                seconds[count].append(_timed(source))
                cpu[count].append({name: _cpu(pids) - before[name] for name, pids in watched.items()})
    ratio = [one / two for one, two in zip(seconds[1], seconds[2], strict=True)]
    table(
        {f"{count} host{'s' * (count > 1)}, seconds": spread(seconds[count]) for count in HOSTS}
        | {f"CPU s of {name}, {c} host(s)": spread([x[name] for x in cpu[c]]) for c in HOSTS for name in cpu[c][0]}
        | {"times as fast with two": spread(ratio)}
    )
    return 0


def _timed(source: int) -> float:
    from runs.local import wait_for

    began = time.monotonic()
    run = wait_for(_start(source).pk, seconds=300)
    if run.status != "completed":
        raise SystemExit(f"the run is {run.status}: {run.outcome}")
    return time.monotonic() - began


@contextmanager
def _workers(count: int) -> Iterator[list[int]]:
    """Worker hosts as in production: one process of three threads each, and the sweeper."""
    command = [sys.executable, "manage.py", "rundramatiq", "--processes", "1", "--threads", "3"]
    hosts = [subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) for _ in range(count)]
    sweeper = subprocess.Popen([sys.executable, "manage.py", "sweep"], cwd=ROOT)
    try:
        time.sleep(float(os.environ.get("BENCH_BOOT_SECONDS", "8")))  # until all have booted
        yield [host.pid for host in hosts]
    finally:
        for process in (*hosts, sweeper):
            process.terminate()
        for process in (*hosts, sweeper):
            process.wait()


def _postgres(house: Servers) -> list[int]:
    return [house.control.server.pid, house.warehouse.server.pid]


def _cpu(pids: Sequence[int]) -> float:
    """Seconds of processor time of these processes and all that they started, those that have ended included."""
    total = 0.0
    for pid in pids:
        process = psutil.Process(pid)
        own = process.cpu_times()
        total += own.user + own.system + own.children_user + own.children_system
        for child in process.children(recursive=True):
            times = child.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total
