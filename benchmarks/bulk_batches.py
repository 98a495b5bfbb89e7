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
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from benchmarks.api_to_warehouse import copy_seconds, plain, ready_csv
from benchmarks.rig import ROOT, Rig, rig, spread, table
from runs.demo import bench, expected


def schema_of(record: dict[str, Any]) -> dict[str, Any]:
    """A schema with something to check in every field: types, a required field, formats, lengths, ranges."""
    return {"type": "object", "required": ["id"], "properties": {name: _told(name, v) for name, v in record.items()}}


def _told(name: str, value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return {"type": "object", "properties": {key: _told(key, item) for key, item in value.items()}}
    if isinstance(value, list):
        return {"type": "array", "items": {"type": "string"}}
    if name.endswith("_at"):
        return {"type": "string", "format": "date-time"}
    if isinstance(value, bool):
        return {"type": "boolean"}
    if isinstance(value, int):
        return {"type": "integer", "minimum": 0}
    return {"type": "number"} if isinstance(value, float | Decimal) else {"type": "string", "maxLength": 1000}


def files(folder: Path, rows: int) -> Iterator[tuple[str, Path, dict[str, Any]]]:
    """The same records in three formats, with their schemas; in the CSV they are flat."""
    encode = msgspec.json.Encoder(decimal_format="number").encode
    lines, delimited, parquet = (folder / f"rows.{kind}" for kind in ("jsonl", "csv", "parquet"))
    with lines.open("wb") as json_file, delimited.open("w", newline="") as csv_file:
        writer = csv.writer(csv_file)
        for number, row in enumerate(expected.bench_rows(1, rows), 1):
            if number == 1:
                writer.writerow(row)
            json_file.write(encode(bench.record(number)) + b"\n")
            writer.writerow("" if value is None else plain(value) for value in row.values())
    duckdb.sql(f"COPY (SELECT * FROM read_json('{lines}', format = 'newline_delimited')) TO '{parquet}'")
    whole = next(record for record in map(bench.record, range(1, 1000)) if None not in record.values())
    flat = next(row for row in expected.bench_rows(1, 1000) if None not in row.values())
    yield from (("json", lines, schema_of(whole)), ("parquet", parquet, schema_of(whole)))
    yield "csv", delimited, schema_of(flat)


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
        ratios: dict[str, list[float]] = {}
        rates: dict[str, list[float]] = {}
        made = list(files(r.folder, options.rows))
        for number in range(options.pairs):
            limit = options.rows / copy_seconds(r, ready, sample)
            rates.setdefault("psql \\copy", []).append(limit)
            for kind, path, schema in made:
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
