"""An installation by the compose file: its own commands as processes, on a real Postgres and Redis and an S3 server."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psycopg

from tests.clients.service import Program, Service
from tests.deploy import kit
from tests.services.postgres import RunningPostgres
from tests.services.process import Server, free_port
from tests.services.redis import RunningRedis
from tests.services.s3 import RunningS3

BIN = Path(sys.executable).parent
STAYING = ("web", "worker-runs", "worker-batches", "sweep")
SECRETS = {
    "DJANGO_SECRET_KEY": "k" * 50,
    "HEADGATE_CREDENTIAL_KEYS": "Y2hhbmdlIG1lIGNoYW5nZSBtZSBjaGFuZ2UgbWUgMTI=",
    "S3_USER": "test",
    "S3_PASSWORD": "test",
    "HEADGATE_OUTBOUND_ALLOW": "127.0.0.1:*",
}
SOURCE = """
from connectors.models import Connector, DataSource
manifest = '''
manifest: 1
name: planes
base_url: "{{{{ settings.base_url }}}}"
settings: {{base_url: {{title: Address}}}}
auth: {{style: bearer}}
endpoints:
  - {{name: planes, title: Planes, path: /v1/planes, params: {{limit: "500"}}, records: planes, key: tailnum,
     pagination: {{style: cursor, path: next_cursor}}}}
'''
connector = Connector.objects.create(name="Planes", manifest=manifest)
source = DataSource(name="Planes", connector=connector, namespace="deploy", settings={{"base_url": "{url}"}})
source.seal({{"token": "demo-token"}})
source.save()
"""


@dataclass
class Installation:
    """`start` and `stop` what compose keeps running; `once` runs a command in the environment of a service."""

    folder: Path
    postgres: RunningPostgres
    redis: RunningRedis
    s3: RunningS3
    control: str = "headgate"
    servers: dict[str, Server] = field(default_factory=dict)
    port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        self.s3_at = self.s3.endpoint
        for name in (self.control, "warehouse"):  # as the Postgres image and postgres-init.sql make them
            self.postgres.create_database(name)

    def environment(self, service: str) -> dict[str, str]:
        """What compose gives to a service, with the addresses of the servers here."""
        told = {name: _filled(value) for name, value in kit.ours()[service]["environment"].items()}
        server = self.postgres.dsn.rsplit("/", 1)[0]
        told["DATABASE_URL"], told["WAREHOUSE_URL"] = f"{server}/{self.control}", f"{server}/warehouse"
        told["REDIS_URL"] = self.redis.url
        for name, value in told.items():
            told[name] = value.replace("http://s3:9000", self.s3_at)
        if "HEALTH_PORT" in told:
            told["HEALTH_PORT"] = str(free_port())
        if "PORT" in told:
            told |= {"PORT": str(self.port), "HOST": "127.0.0.1"}
        own = {"HEADGATE_VAR": str(self.folder / "var"), "HEADGATE_SCRATCH": str(self.folder / f"scratch-{service}")}
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("HEADGATE_", "DATABASE_"))}
        return {**clean, "PATH": f"{BIN}:{os.environ['PATH']}", **told, **own}

    def once(self, *command: str, service: str = "migrate") -> str:
        words = command or tuple(kit.ours()[service]["command"])
        done = subprocess.run(
            [_program(words[0]), *words[1:]],
            cwd=kit.ROOT,
            env=self.environment(service),
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == 0, f"{words}: {done.stdout[-1500:]} {done.stderr[-3000:]}"
        return done.stdout

    def manage(self, *words: str) -> str:
        return self.once("python", "manage.py", *words)

    def start(self) -> None:
        for name in STAYING:
            words = kit.ours()[name]["command"]
            server = Server(
                name,
                [_program(words[0]), *words[1:]],
                self.folder / f"{name}.log",
                self._is_up if name == "web" else lambda: None,
                {"cwd": kit.ROOT, "env": self.environment(name)},
            )
            self.servers[name] = server
            server.start()

    def stop(self) -> dict[str, float]:
        """As compose does: SIGTERM, and patience. Answers how many seconds each took."""
        took = {}
        for name, server in self.servers.items():
            patience = kit.seconds(kit.ours()[name]["stop_grace_period"])
            began = time.monotonic()
            server.stop(signal.SIGTERM, timeout=patience)
            took[name] = time.monotonic() - began
        self.servers.clear()
        return took

    def _is_up(self) -> None:
        httpx.get(f"{self.address}/admin/login/", timeout=5).raise_for_status()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def program(self) -> Program:
        """A program with a token, made by the command."""
        told = dict(line.split("=", 1) for line in self.manage("create_client", "--name", "Shop").split())
        who = {"client_id": told["CLIENT_ID"], "client_secret": told["CLIENT_SECRET"]}
        asked = {"grant_type": "client_credentials", "scope": "openid", **who}
        token = httpx.post(f"{self.address}/ims/token/v3", data=asked).json()["access_token"]
        http = httpx.Client(base_url=self.address, timeout=60)
        service = Service(self.address, self.folder, self.servers["web"], None, {}, http)
        return Program(service, "default", told["CLIENT_ID"], told["CLIENT_SECRET"], token)

    def rows(self, sql: str) -> list[tuple]:
        with psycopg.connect(self.environment("web")["WAREHOUSE_URL"]) as connection:
            return connection.execute(sql).fetchall()


def _filled(value: str) -> str:
    """What compose makes of ${NAME:-default} and ${NAME:?why}."""
    return re.sub(
        r"\$\{(\w+)(?::([-?])([^}]*))?\}",
        lambda found: SECRETS.get(found[1], found[3] if found[2] == "-" else "unused"),
        str(value),
    )


def _program(word: str) -> str:
    return sys.executable if word == "python" else str(BIN / word)
