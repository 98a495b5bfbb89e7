"""Everything the chaos tests run on, as real processes: Postgres, Redis, the demo source, workers, the sweeper."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from ingestion.warehouse.sql import book
from runs.demo.running import RunningServer, start_server
from tests.services.commits import CommitProxy, at_commits
from tests.services.postgres import KILLABLE, RunningPostgres, start_postgres
from tests.services.redis import RunningRedis, start_redis

ROOT = Path(__file__).resolve().parents[2]
LEASE = 2.0
NOTHING: Mapping[str, str] = {}
MARKS = {  # what is written in every transaction whose commits may be broken off: a publish, and the word of it
    "control": 'INSERT INTO "runs_dataload"',
    "warehouse": f"INSERT INTO {book('_loads')}",
}
MANIFEST = """
manifest: 1
name: chaos
base_url: "{{ settings.base_url }}"
settings: {base_url: {title: Address}}
auth: {style: bearer}
endpoints:
  - name: events
    title: Events
    path: /v1/bench
    params: {rows: "6000"}
    records: data
    pagination: {style: page, size_param: per_page, size: 200, pages_path: meta.pages}
  - name: planes
    title: Planes
    path: /v1/planes
    params: {limit: "200"}
    records: planes
    key: tailnum
    pagination: {style: cursor, path: next_cursor}
  - name: flights
    title: Flights
    path: /v1/flights
    params: {from: "{{ partition.start }}", to: "{{ partition.end }}", per_page: "300"}
    records: data.flights
    key: id
    cursor: {field: updated_at, param: updated_since}
    pagination: {style: next_link, path: links.next}
    partition: {by: date, start: 2013-01-01, end: 2013-01-04, step: day}
    tables: [{name: delays, path: delays}]
"""


@dataclass
class Crew:
    """The worker processes, each replaced as soon as it has been killed."""

    mutant: str
    size: int = 4
    members: list[int] = field(default_factory=list)  # pids
    kills: int = 0
    pauses: int = 0
    retired: list[int] = field(default_factory=list)  # pids of those told to stop
    sweeper: int = 0  # its pid

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.chaos.worker", self.mutant]
        self.agency = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.members = [self._hire() for _ in range(self.size)]

    def _hire(self, role: str = "work") -> int:
        assert self.agency.stdin
        assert self.agency.stdout
        self.agency.stdin.write(f"{role}\n")
        self.agency.stdin.flush()
        return int(self.agency.stdout.readline())

    def kill(self, index: int) -> None:
        os.kill(self.members[index], signal.SIGKILL)
        self.members[index] = self._hire()
        self.kills += 1

    def pause(self, index: int) -> int:
        os.kill(self.members[index], signal.SIGSTOP)
        self.pauses += 1
        return self.members[index]

    def retire(self, index: int) -> None:
        """Tell a worker to stop, as a new release does, and put another in its place."""
        os.kill(self.members[index], signal.SIGTERM)
        self.retired.append(self.members[index])
        self.members[index] = self._hire()

    def replace_dead(self) -> int:
        """Put new workers in the place of those that have died by themselves; answers how many."""
        dead = [index for index, pid in enumerate(self.members) if not _is_alive(pid)]
        for index in dead:
            self.members[index] = self._hire()
        return len(dead)

    def start_sweeper(self) -> None:
        self.sweeper = self._hire("sweep")

    def replace_dead_sweeper(self) -> int:
        if not self.sweeper or _is_alive(self.sweeper):
            return 0
        self.start_sweeper()
        return 1

    def stop(self) -> None:
        for pid in (*self.members, *self.retired, *([self.sweeper] if self.sweeper else ())):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.agency.kill()
        self.agency.wait()


def _is_alive(pid: int) -> bool:
    """The agency does not wait for its dead, so that a number is free as soon as its process is gone."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@dataclass
class Servers:
    """What runs beside the workers. The warehouse has a Postgres of its own where that is asked for: then the way to
    each database leads through a proxy that can break off its commits."""

    api: RunningServer
    control: RunningPostgres
    warehouse: RunningPostgres
    redis: RunningRedis
    commits: Mapping[str, CommitProxy] = field(default_factory=dict)


@contextmanager
def servers(
    *, latency_ms: int = 40, persistent: bool = True, apart: bool = False, environment: Mapping[str, str] = NOTHING
) -> Iterator[Servers]:
    """The servers, with the environment set so that Django and every child process finds them."""
    folder = Path(tempfile.mkdtemp(prefix="headgate-chaos-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        control = start_postgres(folder / "pg", settings=KILLABLE)
        stack.callback(control.remove)
        warehouse = start_postgres(folder / "warehouse", settings=KILLABLE) if apart else control
        if apart:
            stack.callback(warehouse.remove)
        redis = start_redis(folder / "redis", persistent=persistent)
        stack.callback(redis.stop)
        addresses = {"control": control.create_database("control"), "warehouse": warehouse.create_database("warehouse")}
        commits = {}
        for place, mark in MARKS.items() if apart else ():
            commits[place] = stack.enter_context(at_commits(addresses[place], mark))
            addresses[place] = commits[place].address(addresses[place])
        os.environ |= {
            "DATABASE_URL": addresses["control"],
            "WAREHOUSE_URL": addresses["warehouse"],
            "REDIS_URL": redis.url,
            "HEADGATE_VAR": str(folder / "var"),
            "STAGING_URL": f"file://{folder}/staging",
            "HEADGATE_LEASE_SECONDS": str(LEASE),
            "HEADGATE_SWEEP_SECONDS": "0.5",
            "HEADGATE_WAKE_AGAIN_SECONDS": "1",
            "HEADGATE_RETRY_WAITS": "0.1",
            "HEADGATE_LOST_LEASES": "50",
            "HEADGATE_SPOOL_BYTES": "200000",
            "HEADGATE_OUTBOUND_ALLOW": "127.0.0.1:*",
            "HEADGATE_LOG_LEVEL": "CRITICAL",
            "DATABASE_CONN_MAX_AGE": "0",
            **environment,
        }
        api = stack.enter_context(start_server(latency_ms=latency_ms, ready_within_s=120))
        yield Servers(api=api, control=control, warehouse=warehouse, redis=redis, commits=commits)


@contextmanager
def house(*, latency_ms: int = 40) -> Iterator[RunningServer]:
    """The servers, of which only the source matters to the caller."""
    with servers(latency_ms=latency_ms) as found:
        yield found.api
