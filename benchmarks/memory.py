"""Peak memory of a worker process at 1 and 5 million rows: flat means that a spool bounds it, not the endpoint."""

import argparse

from benchmarks.rig import job, rig, table


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 5_000_000])
    options = parser.parse_args(arguments)
    with rig() as r:
        shown = {}
        for rows in options.rows:
            name = f"mem{rows}"
            database = r.postgres.create_database(name)
            done = job(r, rows=rows, warehouse=database, control=database)
            shown[f"{rows:,} rows → Postgres"] = f"peak {done['peak_mb']} MB, over time {done['rss_mb']}"
            r.postgres.drop_database(name)
            done = job(
                r,
                rows=rows,
                warehouse="duckdb:///{var}/w.duckdb?memory_limit=200MB&threads=2",
                control="sqlite:///{var}/c.sqlite3",
            )
            shown[f"{rows:,} rows → DuckDB"] = f"peak {done['peak_mb']} MB, over time {done['rss_mb']}"
        table(shown)
    return 0
