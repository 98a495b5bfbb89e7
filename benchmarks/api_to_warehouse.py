"""API → live table, every stage and check on, against `psql \\copy` of the same rows as a ready CSV, in turn.

Verifies row count and the sum of ids after every run: a wrong result is no result.
"""

import argparse
import csv
import subprocess
import time
from pathlib import Path

from benchmarks.rig import Rig, job, rig, spread, table
from runs.demo import expected


def ready_csv(path: Path, rows: int) -> list[str]:
    """The rows that the API serves, as a CSV without header; answers the column names."""
    names: list[str] = []
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        for row in expected.bench_rows(1, rows):
            names = names or list(row)
            writer.writerow(["\\N" if value is None else plain(value) for value in row.values()])
    return names


def plain(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else value


TYPES = {int: "bigint", bool: "boolean", str: "text"}


def copy_seconds(rig: Rig, path: Path, sample: dict[str, object]) -> float:
    """What `\\copy` of the ready CSV into a fresh logged table takes."""
    columns = ", ".join(f'"{name}" {_type(name, value)}' for name, value in sample.items())
    psql = [str(rig.postgres.bin / "psql"), rig.postgres.dsn, "-q", "-v", "ON_ERROR_STOP=1", "-c"]
    subprocess.run([*psql, f"drop table if exists ready; create table ready ({columns})"], check=True)
    started = time.monotonic()
    subprocess.run([*psql, f"\\copy ready from '{path}' with (format csv, null '\\N')"], check=True)
    return time.monotonic() - started


def _type(name: str, value: object) -> str:
    if name.endswith("_at"):
        return "timestamptz"
    return next((word for kind, word in TYPES.items() if type(value) is kind), "numeric")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--pairs", type=int, default=5)
    options = parser.parse_args(arguments)
    with rig() as r:
        path = r.folder / "ready.csv"
        ready_csv(path, options.rows)
        sample = next(iter(expected.bench_rows(1, 1)))
        sample = {key: value if value is not None else "" for key, value in sample.items()}
        limit, product, duck, mb, cpu = [], [], [], [], []
        for number in range(options.pairs):
            limit.append(options.rows / copy_seconds(r, path, sample))
            database = r.postgres.create_database(f"bench{number}")
            done = job(r, rows=options.rows, warehouse=database, control=database)
            product.append(options.rows / done["seconds"])
            print(f"pair {number + 1}: copy {limit[-1]:,.0f} rows/s, Headgate {product[-1]:,.0f} {done}", flush=True)
            r.postgres.drop_database(f"bench{number}")
            embedded = job(
                r,
                rows=options.rows,
                warehouse="duckdb:///{var}/w.duckdb?memory_limit=200MB&threads=2",
                control="sqlite:///{var}/c.sqlite3",
            )
            duck.append(options.rows / embedded["seconds"])
            print(f"        DuckDB {duck[-1]:,.0f} {embedded}", flush=True)
            mb.append(done["peak_mb"])
            cpu.append(done["cpu_seconds"])
        ratios = [mine / theirs for mine, theirs in zip(product, limit, strict=True)]
        table(
            {
                "rows": f"{options.rows:,}, {options.pairs} pairs, median (min–max)",
                "psql \\copy of the ready CSV": spread(limit, "{:,.0f}") + " rows/s",
                "API → live Postgres table": spread(product, "{:,.0f}") + " rows/s",
                "ratio to \\copy": spread(ratios),
                "API → live DuckDB table": spread(duck, "{:,.0f}") + " rows/s",
                "CPU of our process (Postgres)": spread(cpu, "{:.1f}") + " s",
                "peak RSS of our process (Postgres)": spread(mb, "{:.0f}") + " MB",
            }
        )
    return 0
