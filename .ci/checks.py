"""Lint, types, import contracts, migrations, tests: one after the other; stops at the first that fails."""

import os
import subprocess
import sys
from pathlib import Path
from time import monotonic

BIN = Path(sys.executable).parent
LINTS = {
    "format": [BIN / "ruff", "format", "--check", "."],
    "lint": [BIN / "ruff", "check", "."],
    "imports": [BIN / "lint-imports", "--config", ".importlinter"],
    "types": [BIN / "mypy", "config", "connectors", "ingestion", "runs"],
    "migrations": [sys.executable, "manage.py", "makemigrations", "--check", "--dry-run"],
    "system checks": [sys.executable, "manage.py", "check"],
}
TESTS = {"tests": [sys.executable, "-m", "pytest", "-m", "not long and not browser", "-n", "4"]}
BROWSER_TESTS = ["-m", "browser and not long", "-n", "3", "tests/browser"]
BROWSER = {"browser": [sys.executable, "-m", "pytest", *BROWSER_TESTS]}


def main(arguments: list[str]) -> int:
    steps = dict(LINTS)
    if "--browser" in arguments:
        arguments.remove("--browser")
        steps = {name: [*command, *arguments] for name, command in BROWSER.items()}
    elif "--no-tests" in arguments:
        arguments.remove("--no-tests")
    else:
        steps |= {name: [*command, *arguments] for name, command in TESTS.items()}
    for name, command in steps.items():
        started = monotonic()
        print(f"── {name}", flush=True)
        code = subprocess.call(command, env={**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"})
        print(f"   {'ok' if code == 0 else 'FAILED'} in {monotonic() - started:.1f} s", flush=True)
        if code:
            return code
    return 0


raise SystemExit(main(sys.argv[1:]))
