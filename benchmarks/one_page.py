"""One endpoint of one page on the embedded profile: from the request of a run to its table being live."""

import argparse

from benchmarks.rig import job, rig, spread, table


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=7)
    options = parser.parse_args(arguments)
    with rig() as r:
        addresses = {
            "warehouse": "duckdb:///{var}/w.duckdb?memory_limit=200MB&threads=2",
            "control": "sqlite:///{var}/c.sqlite3",
        }
        seconds = [job(r, rows=500, **addresses)["seconds"] for _ in range(options.runs)]
        table({"request to live, embedded": spread(seconds, "{:.3f}") + f" s, {options.runs} runs"})
    return 0
