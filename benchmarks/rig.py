"""What the benchmarks share: the servers, the job process, and a table of medians with their ranges."""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runs.demo.running import RunningServer, start_server
from tests.services.postgres import RunningPostgres, start_postgres

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Rig:
    """Servers that are up, and a folder that goes with them."""

    folder: Path
    postgres: RunningPostgres
    api: RunningServer


@contextmanager
def rig(*, warm: bool = True) -> Iterator[Rig]:
    """A Postgres with default settings (durable, logged) and the demo source, warmed up."""
    folder = Path(tempfile.mkdtemp(prefix="headgate-bench-"))
    postgres = start_postgres(folder / "pg")
    try:
        with start_server(warm=warm) as api:
            yield Rig(folder=folder, postgres=postgres, api=api)
    finally:
        postgres.remove()
        shutil.rmtree(folder, ignore_errors=True)


def job(rig: Rig, *, rows: int, warehouse: str, control: str, **environment: str) -> dict[str, Any]:
    """One run in a fresh process; answers what it printed. Ends the benchmark when it did not complete."""
    var = rig.folder / f"var-{time.monotonic_ns()}"
    env = {
        **os.environ,
        "BENCH_URL": rig.api.url,
        "BENCH_ROWS": str(rows),
        "HEADGATE_VAR": str(var),
        "WAREHOUSE_URL": warehouse.replace("{var}", str(var)),
        "DATABASE_URL": control.replace("{var}", str(var)),
        **environment,
    }
    done = subprocess.run([sys.executable, "-m", "benchmarks.job"], cwd=ROOT, env=env, capture_output=True, text=True)
    shutil.rmtree(var, ignore_errors=True)
    if done.returncode:
        raise SystemExit(f"the job failed:\n{done.stdout}\n{done.stderr}")
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    expected = rows * (rows + 1) // 2
    if (answer["rows"], answer["id_sum"]) != (rows, expected):
        raise SystemExit(f"wrong result: {answer['rows']} rows, id sum {answer['id_sum']}, expected {rows}, {expected}")
    return answer


def spread(values: Sequence[float], form: str = "{:.2f}") -> str:
    """ "median (min–max)"."""
    low, middle, high = (form.format(f(values)) for f in (min, statistics.median, max))
    return f"{middle} ({low}–{high})"


def table(rows: Mapping[str, str]) -> None:
    width = max(map(len, rows))
    for name, value in rows.items():
        print(f"  {name:<{width}}  {value}")
