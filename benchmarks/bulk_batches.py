"""One large client batch, validated, to a live Postgres table, against `psql \\copy` of the same rows as a ready CSV.

JSON lines, CSV and Parquet of the same rows, each from COMPLETE to live, in turn with `\\copy`.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.api_to_warehouse import copy_seconds, ready_csv
from benchmarks.rig import ROOT, Rig, rig, spread, table
from runs.demo import expected


def schema_of(sample: dict[str, Any]) -> dict[str, Any]:
    """A schema that has something to check in every row: types, required fields, an enumeration's like, ranges."""
    properties: dict[str, Any] = {}
    for name, value in sample.items():
        if name.endswith("_at"):
            properties[name] = {"type": "string", "format": "date-time"}
        elif isinstance(value, bool):
            properties[name] = {"type": "boolean"}
        elif isinstance(value, int):
            properties[name] = {"type": "integer", "minimum": 0}
        elif isinstance(value, str):
            properties[name] = {"type": "string", "maxLength": 1000}
        else:
            properties[name] = {"type": "number"}
    return {"type": "object", "required": ["id"], "properties": properties}


def files(folder: Path, rows: int, schema: dict[str, Any]) -> Iterator[tuple[str, Path]]:
    """The same rows in three formats, flat."""
    lines, table_, parquet = (folder / f"rows.{kind}" for kind in ("jsonl", "csv", "parquet"))
    with lines.open("w") as json_file, table_.open("w", newline="") as csv_file:
        writer = csv.writer(csv_file)
        writer.writerow(schema["properties"])
        for row in expected.bench_rows(1, rows):
            plain = {name: _json(value) for name, value in row.items() if value is not None}
            json_file.write(json.dumps(plain) + "\n")
            writer.writerow("" if value is None else _json(value) for value in row.values())
    kinds = {"integer": "BIGINT", "boolean": "BOOLEAN", "number": "DECIMAL(18,4)"}
    columns = {
        name: "TIMESTAMPTZ" if told.get("format") else kinds.get(told["type"], "VARCHAR")
        for name, told in schema["properties"].items()
    }
    duckdb.sql(
        f"COPY (SELECT * FROM read_json('{lines}', columns = {columns})) TO '{parquet}' (FORMAT parquet)"
    )
    yield from (("json", lines), ("csv", table_), ("parquet", parquet))


def _json(value: Any) -> Any:
    return value if isinstance(value, str | int | bool) else float(value)


def run(rig: Rig, *, kind: str, path: Path, schema: dict[str, Any], database: str, rows: int) -> dict[str, Any]:
    env = {
        **os.environ,
        "HEADGATE_VAR": str(rig.folder / f"var-{database.rsplit('/', 1)[1]}"),
        "DATABASE_URL": database,
        "WAREHOUSE_URL": database,
        "BENCH_FILE": str(path),
        "BENCH_FORMAT": kind,
        "BENCH_SCHEMA": json.dumps(schema),
    }
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.batch_job"], cwd=ROOT, env=env, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"the batch failed:\n{done.stdout}\n{done.stderr}")
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    if (answer["rows"], answer["id_sum"]) != (rows, rows * (rows + 1) // 2):
        raise SystemExit(f"wrong result: {answer}")
    return answer


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--pairs", type=int, default=3)
    options = parser.parse_args(arguments)
    with rig(warm=False) as r:
        ready = r.folder / "ready.csv"
        ready_csv(ready, options.rows)
        sample = {key: "" if value is None else value for key, value in next(expected.bench_rows(1, 1)).items()}
        schema = schema_of(sample)
        ratios: dict[str, list[float]] = {}
        rates: dict[str, list[float]] = {}
        made = list(files(r.folder, options.rows, schema))
        for number in range(options.pairs):
            limit = options.rows / copy_seconds(r, ready, sample)
            rates.setdefault("psql \\copy", []).append(limit)
            for kind, path in made:
                name = f"bulk{number}{kind}"
                done = run(
                    r,
                    kind=kind,
                    path=path,
                    schema=schema,
                    database=r.postgres.create_database(name),
                    rows=options.rows,
                )
                r.postgres.drop_database(name)
                rates.setdefault(kind, []).append(options.rows / done["seconds"])
                ratios.setdefault(kind, []).append(options.rows / done["seconds"] / limit)
                print(f"pair {number + 1}: copy {limit:,.0f}, {kind} {options.rows / done['seconds']:,.0f} {done}")
        table(
            {
                "rows": f"{options.rows:,}, {options.pairs} pairs, median (min–max)",
                **{name: spread(values, "{:,.0f}") + " rows/s" for name, values in rates.items()},
                **{f"{name} against \\copy": spread(values) for name, values in ratios.items()},
            }
        )
    return 0
