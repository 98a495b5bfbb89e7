"""Client batches per minute: create, PUT of ten records, COMPLETE, to success, on Postgres and Redis, at a given rate.

The servers are processes as in production: gunicorn, a worker host, the sweeper. The client keeps to the rate whatever
the answers' time (open loop), so that a slow server is seen as a queue and not as a slower client.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import psutil
import psycopg

from benchmarks.rig import ROOT, table
from tests.services.postgres import start_postgres
from tests.services.process import free_port
from tests.services.redis import start_redis

SCHEMA = {
    "type": "object",
    "required": ["id"],
    "properties": {
        "id": {"type": "integer"},
        "name": {"type": "string", "maxLength": 100},
        "kind": {"type": "string", "enum": ["visit", "order"]},
        "at": {"type": "string", "format": "date-time"},
        "amount": {"type": "number", "minimum": 0},
        "place": {"type": "object", "properties": {"city": {"type": "string"}, "zip": {"type": "string"}}},
    },
}


@dataclass
class Town:
    """Servers that are up, and how to log in."""

    port: int
    dsn: str
    client_id: str
    secret: str
    pids: dict[str, int]
    folder: Path

    def cpu(self) -> dict[str, float]:
        """CPU seconds used so far, by kind of process."""
        return {name: sum(map(_seconds, _family(pid))) for name, pid in self.pids.items()}


def _family(pid: int) -> list[psutil.Process]:
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]


def _seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)


@contextmanager
def town(*, web: int, workers: int, threads: int) -> Iterator[Town]:
    folder = Path(tempfile.mkdtemp(prefix="headgate-bench-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        postgres = start_postgres(folder / "pg")
        stack.callback(postgres.remove)
        redis = start_redis(folder / "redis")
        stack.callback(redis.stop)
        dsn = postgres.create_database("headgate")
        env = {
            **os.environ,
            "HEADGATE_VAR": str(folder / "var"),
            "DATABASE_URL": dsn,
            "WAREHOUSE_URL": postgres.create_database("warehouse"),
            "REDIS_URL": redis.url,
            "DJANGO_SETTINGS_MODULE": "config.settings",
        }
        _manage(env, "migrate", "--verbosity", "0")
        made = _manage(env, "create_client", "--name", "benchmark")
        login = dict(line.split("=", 1) for line in made.splitlines() if "=" in line)
        port = free_port()
        binary = str(Path(sys.executable).parent)
        commands = {
            "web": [
                f"{binary}/gunicorn",
                "config.wsgi",
                "-b",
                f"127.0.0.1:{port}",
                "-w",
                str(web),
                "--threads",
                "4",
                "--keep-alive",
                "60",
            ],
            "workers": [sys.executable, "manage.py", "rundramatiq", "-p", str(workers), "-t", str(threads)],
            "sweeper": [sys.executable, "manage.py", "sweep"],
        }
        processes = {name: _start(stack, command, env, folder / f"{name}.log") for name, command in commands.items()}
        _wait(port, folder)
        pids = {name: process.pid for name, process in processes.items()}
        pids |= {"postgres": postgres.server.pid, "redis": redis.server.pid}
        yield Town(port, dsn, login["CLIENT_ID"], login["CLIENT_SECRET"], pids, folder)


def _manage(env: dict[str, str], *arguments: str) -> str:
    done = subprocess.run([sys.executable, "manage.py", *arguments], cwd=ROOT, env=env, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"manage.py {arguments[0]} failed:\n{done.stdout}\n{done.stderr}")
    return done.stdout.strip()


def _start(stack: ExitStack, command: list[str], env: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=log.open("wb"), stderr=subprocess.STDOUT)
    stack.callback(process.wait, 30)
    stack.callback(process.terminate)
    return process


def _wait(port: int, folder: Path) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/data/foundation/catalog/batches")
            connection.getresponse().read()
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise SystemExit((folder / "web.log").read_text())


@dataclass
class Client:
    """One keep-alive connection that speaks the batch API."""

    town: Town
    token: str = ""
    answers: Counter[int] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", self.town.port, timeout=60)

    def log_in(self) -> None:
        form = {"grant_type": "client_credentials", "client_id": self.town.client_id, "client_secret": self.town.secret}
        answer = self.call("POST", "/ims/token/v3", urllib.parse.urlencode(form), "application/x-www-form-urlencoded")
        self.token = answer["access_token"]

    def call(self, method: str, path: str, body: str | bytes | None = None, kind: str = "application/json") -> Any:
        return self._ask(method, path, body, {"Content-Type": kind})

    def send(self, path: str, file: IO[bytes], size: int, content_range: str) -> dict:
        """One chunk of a large file, from where the open file stands."""
        told = {"Content-Type": "application/octet-stream", "Content-Length": str(size), "Content-Range": content_range}
        left = iter(range(0, size, 1 << 20))
        return self._ask("PATCH", path, (file.read(min(1 << 20, size - done)) for done in left), told)

    def _ask(self, method: str, path: str, body: Any, headers: dict[str, str]) -> dict:
        if self.token:
            headers |= {
                "Authorization": f"Bearer {self.token}",
                "x-api-key": self.town.client_id,
                "x-gw-ims-org-id": "default",
                "x-sandbox-name": "prod",
            }
        self._connection.request(method, path, body, headers)
        response = self._connection.getresponse()
        data = response.read()
        self.answers[response.status] += 1
        if response.status >= 300:
            self.faults.append(f"{method} {path}: {response.status} {data[:300]!r}")
        return json.loads(data) if data else {}

    def dataset(self, name: str) -> str:
        body = {"name": name, "schema": SCHEMA}
        answer = self.call("POST", "/data/foundation/catalog/dataSets", json.dumps(body))
        return str(answer[0]).rpartition("/")[2]

    def batch(self, dataset: str, data: bytes, name: str = "rows.json") -> str:
        made = {"datasetId": dataset, "inputFormat": {"format": "json"}}
        batch = self.call("POST", "/data/foundation/import/batches", json.dumps(made))["id"]
        place = f"/data/foundation/import/batches/{batch}"
        self.call("PUT", f"{place}/datasets/{dataset}/files/{name}", data, "application/octet-stream")
        self.call("POST", f"{place}?action=COMPLETE")
        return str(batch)


def ten_records(number: int) -> bytes:
    return b"".join(
        json.dumps(
            {
                "id": number * 10 + n,
                "name": f"visitor {n}",
                "kind": "visit" if n % 3 else "order",
                "at": "2026-11-22T10:00:00Z",
                "amount": n * 1.25,
                "place": {"city": "Ulm", "zip": f"89{n:03}"},
            }
        ).encode()
        + b"\n"
        for n in range(10)
    )


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--per-minute", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--clients", type=int, default=6)
    parser.add_argument("--web", type=int, default=2)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--threads", type=int, default=4)
    options = parser.parse_args(arguments)
    with town(web=options.web, workers=options.workers, threads=options.threads) as place:
        return _measure(place, options)


def _measure(place: Town, options: argparse.Namespace) -> int:
    first = Client(place)
    first.log_in()
    dataset = first.dataset("visits")
    clients = [Client(place, token=first.token) for _ in range(options.clients)]
    for client in clients:  # connections, caches and the child processes are warm before the minute begins
        client.batch(dataset, ten_records(0))
    _drain(place, options.clients, seconds=60)
    for client in clients:
        client.answers.clear()
    total = int(options.per_minute * options.seconds / 60)
    interval, started, before = 60 / options.per_minute, time.monotonic(), place.cpu()
    numbers, lock, late = iter(range(total)), threading.Lock(), [0.0]

    def work(client: Client) -> None:
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            wait = started + number * interval - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            late[0] = max(late[0], -wait)
            client.batch(dataset, ten_records(number + 1))

    threads = [threading.Thread(target=work, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sent = time.monotonic() - started
    drained = _drain(place, total + options.clients, seconds=120)
    used = {name: seconds - before[name] for name, seconds in place.cpu().items()}
    return _report(place, options, total, sent, drained, late[0], used, clients)


def _drain(place: Town, expected: int, *, seconds: float) -> float:
    """Wait until so many batches are done with; answers how long it took."""
    started = time.monotonic()
    with psycopg.connect(place.dsn, autocommit=True) as connection:
        while time.monotonic() - started < seconds:
            row = connection.execute("select count(*) from ingestion_batch where finished_at is not null").fetchone()
            if row and row[0] >= expected:
                return time.monotonic() - started
            time.sleep(0.05)
    raise SystemExit(f"after {seconds:.0f} s not all of {expected} batches are done: {row}")


def _report(
    place: Town,
    options: argparse.Namespace,
    total: int,
    sent: float,
    drained: float,
    late: float,
    used: Mapping[str, float],
    clients: Sequence[Client],
) -> int:
    with psycopg.connect(place.dsn) as connection:
        counts = dict(connection.execute("select status, count(*) from ingestion_batch group by status").fetchall())
        sql = "select extract(epoch from finished_at - created_at)::float from ingestion_batch order by id offset %s"
        took = sorted(row[0] for row in connection.execute(sql, (options.clients,)).fetchall())
        loads = connection.execute("select count(*) from ingestion_load").fetchone()
    faults = [fault for client in clients for fault in client.faults]
    answers = sum((client.answers for client in clients), Counter())
    table(
        {
            "asked for": f"{options.per_minute:,} batches a minute for {options.seconds:g} s ({total:,})",
            "sent": f"{total / sent * 60:,.0f} a minute, at most {late:.2f} s behind the plan",
            "last one done": f"{drained:.2f} s after the last COMPLETE",
            "batches": ", ".join(f"{status} {count:,}" for status, count in counts.items()),
            "answers": ", ".join(f"{status}: {count:,}" for status, count in sorted(answers.items())),
            "create to success": f"median {statistics.median(took):.2f} s, 95 % {took[int(len(took) * 0.95)]:.2f} s, "
            f"longest {took[-1]:.2f} s",
            "loads": f"{loads[0]:,}",
            "CPU ms a batch": ", ".join(f"{name} {seconds / total * 1000:.1f}" for name, seconds in used.items()),
        }
    )
    for fault in faults[:5]:
        print(f"  {fault}")
    return 1 if faults or set(counts) != {"success"} else 0
