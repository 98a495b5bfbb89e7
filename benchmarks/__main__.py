"""`make bench ARGS="api_to_warehouse --rows 1000000 --pairs 5"`: each benchmark is a module with `main(arguments)`."""

import importlib
import sys

BENCHMARKS = {
    "api_to_warehouse": "API → live table, against psql's \\copy of the same rows as a ready CSV",
    "memory": "peak memory of a worker at 1 and 5 million rows",
    "bulk_batches": "a client batch of a million rows, validated, to live, against psql's \\copy",
    "batches": "client batches of ten records: 2,000 a minute on Postgres and Redis",
    "upload": "a large file in chunks over the Import API, and the web's memory",
    "run_pages": "the list of runs and the page of one over 1,000,000 runs and 10,000,000 tasks",
    "scaling": "what a run costs the control database, and what a second worker host brings",
    "one_page": "one page, one endpoint: from request to live, embedded",
}

if __name__ == "__main__":
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in BENCHMARKS:
        print("Choose one of:\n" + "\n".join(f"  {key:20} {text}" for key, text in BENCHMARKS.items()))
        raise SystemExit(2)
    raise SystemExit(importlib.import_module(f"benchmarks.{name}").main(sys.argv[2:]))
