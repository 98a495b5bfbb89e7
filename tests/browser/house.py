"""A house to visit: the demo API, and the embedded profile as people start it, each in a process of its own."""

import json
import os
import secrets
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runs.demo.running import RunningServer, start_server
from tests.services.process import Server, free_port

ROOT = Path(__file__).resolve().parents[2]
ELSEWHERE = ("DATABASE_URL", "REDIS_URL", "WAREHOUSE_URL", "STAGING_URL")


@dataclass(frozen=True, kw_only=True)
class House:
    """`rows` says which row is which: its keys are those that `furnish` prints."""

    url: str
    api: RunningServer
    rows: dict[str, Any]
    password: str

    def at(self, path: str) -> str:
        """An address of the admin."""
        return f"{self.url}/admin/{path}"


@contextmanager
def opened(var: Path) -> Iterator[House]:
    """A furnished house that is served until the context ends."""
    password, port = secrets.token_urlsafe(16), free_port()
    with start_server() as api:
        kept = {name: value for name, value in os.environ.items() if name not in ELSEWHERE}
        environment = kept | {
            "HEADGATE_VAR": str(var),
            "HEADGATE_OUTBOUND_ALLOW": api.url.removeprefix("http://"),
            "HEADGATE_FAST_PASSWORDS": "1",
            "HEADGATE_SWEEP_SECONDS": "1",
            "DJANGO_SETTINGS_MODULE": "config.settings",
        }
        rows = _furnish(environment, api.url, password)
        server = Server(
            "The admin",
            [sys.executable, "manage.py", "serve", "--port", str(port)],
            var / "server.log",
            lambda: urllib.request.urlopen(f"http://127.0.0.1:{port}/admin/login/", timeout=5).close(),
            {"cwd": ROOT, "env": environment},
        )
        server.start()
        try:
            yield House(url=f"http://127.0.0.1:{port}", api=api, rows=rows, password=password)
        finally:
            server.stop()


def _furnish(environment: dict[str, str], api: str, password: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.browser.furnish", api, password]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        raise RuntimeError(f"The house could not be furnished:\n{done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
