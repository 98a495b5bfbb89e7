"""The control database of the tests: a real Postgres for all of them, started before Django reads its settings.

Loaded by `-p`, so that it comes first. HEADGATE_TEST_DATABASE=sqlite runs the same tests on SQLite instead.
"""

import atexit
import os
import tempfile
from pathlib import Path

from tests.services.postgres import FAST, start_postgres

if "HEADGATE_TEST_HOME" not in os.environ:  # workers of xdist inherit what the first process has set up
    home = Path(tempfile.mkdtemp(prefix="headgate-tests-"))
    os.environ["HEADGATE_TEST_HOME"] = str(home)
    if os.environ.get("HEADGATE_TEST_DATABASE") != "sqlite":
        server = start_postgres(home / "control", settings=FAST)
        atexit.register(server.remove)
        os.environ["DATABASE_URL"] = server.dsn
os.environ["HEADGATE_VAR"] = str(Path(os.environ["HEADGATE_TEST_HOME"]) / os.environ.get("PYTEST_XDIST_WORKER", "main"))
os.environ["HEADGATE_FAST_PASSWORDS"] = "1"
for name in ("REDIS_URL", "WAREHOUSE_URL", "STAGING_URL"):
    os.environ.pop(name, None)
