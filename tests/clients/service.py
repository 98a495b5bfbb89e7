"""The service as its clients meet it: `manage.py serve` in a process of its own, with workers that promote, over the
suite's control database and a DuckDB warehouse; and the programs that were given access to it."""

import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import psutil
from django.conf import settings
from django.core.management import call_command
from django.db import connection

from ingestion.access import clients
from tests.services.process import Server, free_port

IMPORT = "/data/foundation/import"
CATALOG = "/data/foundation/catalog"
EXPORT = "/data/foundation/export"
UNDER_WAY = ("loaded", "staging", "retrying")
SCHEMA = {
    "type": "object",
    "required": ["id"],
    "properties": {
        "id": {"type": "integer"},
        "name": {"type": "string"},
        "at": {"type": "string", "format": "date-time"},
        "score": {"type": "number", "minimum": 0},
        "place": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
LINES = b'{"id": 1, "name": "Ada"}\n{"id": 2, "name": "Bo"}\n'
_numbers = count(1)


@dataclass
class Service:
    """The running server. `address` is what a client puts in the place of https://platform.adobe.io."""

    address: str
    folder: Path
    server: Server
    blocker: Any = field(repr=False)
    environment: dict[str, str] = field(repr=False)
    http: httpx.Client = field(repr=False)

    def program(self, *, organisation: str = "") -> "Program":
        """A new client with a token; of a new organisation, where none is named."""
        name = organisation or f"ORG{next(_numbers)}@AdobeOrg"
        with ThreadPoolExecutor(1) as pool:  # a connection of its own: the test's is in a transaction
            given = pool.submit(_given, name, self.blocker).result()
        answer = httpx.post(
            f"{self.address}/ims/token/v3",
            data={
                "grant_type": "client_credentials",
                "client_id": given.client_id,
                "client_secret": given.secret,
                "scope": "openid",
            },
        )
        assert answer.status_code == 200, answer.text
        return Program(
            service=self,
            organisation=name,
            client_id=given.client_id,
            secret=given.secret,
            token=answer.json()["access_token"],
        )

    @property
    def memory(self) -> int:
        """Bytes that the server and its children hold."""
        process = psutil.Process(self.server.pid)
        return sum(each.memory_info().rss for each in [process, *process.children(recursive=True)])

    @property
    def log(self) -> str:
        return self.server.log.read_text(errors="replace")


def _given(organisation: str, blocker: Any) -> clients.Credentials:
    with blocker.unblock():
        try:
            owner = clients.add_organisation(name=organisation)
            return clients.create(organisation=owner, name=f"Program {next(_numbers)}", by="test")
        finally:
            connection.close()


@dataclass
class Program:
    """A client as it is given out, and the calls of a batch's life by plain HTTP."""

    service: Service
    organisation: str
    client_id: str
    secret: str = field(repr=False)
    token: str = field(repr=False)

    @property
    def headers(self) -> dict[str, str]:
        """Without x-sandbox-name, as several clients send them."""
        return {
            "Authorization": f"Bearer {self.token}",
            "x-api-key": self.client_id,
            "x-gw-ims-org-id": self.organisation,
        }

    def call(self, method: str, path: str, **more: Any) -> httpx.Response:
        headers = {**self.headers, **more.pop("headers", {})}
        return self.service.http.request(method, path, headers=headers, **more)

    def get(self, path: str, **query: Any) -> Any:
        answer = self.call("GET", path, params=query or None)
        assert answer.status_code == 200, (path, answer.status_code, answer.text)
        return answer.json()

    def dataset(self, name: str = "Visits", *, schema: Any = SCHEMA, **more: Any) -> str:
        """A new dataset's id."""
        body = {"name": name, **({"schema": schema} if schema else {}), **more}
        answer = self.call("POST", f"{CATALOG}/dataSets", json=body)
        assert answer.status_code == 201, answer.text
        return answer.json()[0].removeprefix("@/dataSets/")

    def batch(self, dataset: str, *, written: str = "json", options: Any = None, **more: Any) -> str:
        """A new batch's id."""
        body = {"datasetId": dataset, "inputFormat": {"format": written, **(options or {})}, **more}
        answer = self.call("POST", f"{IMPORT}/batches", json=body)
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    def file(self, dataset: str, batch: str, name: str = "a.json") -> str:
        return f"{IMPORT}/batches/{batch}/datasets/{dataset}/files/{name}"

    def put(
        self, dataset: str, batch: str, content: Any = LINES, *, name: str = "a.json", **more: Any
    ) -> httpx.Response:
        headers = {"Content-Type": "application/octet-stream", **more.pop("headers", {})}
        return self.call("PUT", self.file(dataset, batch, name), content=content, headers=headers, **more)

    def act(self, batch: str, action: str) -> httpx.Response:
        return self.call("POST", f"{IMPORT}/batches/{batch}", params={"action": action})

    def told(self, batch: str) -> Any:
        """The batch as the catalog shows it."""
        return self.get(f"{CATALOG}/batches/{batch}")[batch]

    def ended(self, batch: str, *, seconds: float = 60) -> Any:
        """The batch, once it is no more under way."""
        end = time.monotonic() + seconds
        while (told := self.told(batch))["status"] in UNDER_WAY:
            assert time.monotonic() < end, told
            time.sleep(0.05)
        return told

    def send(self, dataset: str, content: Any = LINES, *, name: str = "a.json", **more: Any) -> Any:
        """A batch of one file, completed and brought to its end."""
        batch = self.batch(dataset, **more)
        sent = self.put(dataset, batch, content, name=name)
        assert sent.status_code == 200, sent.text
        done = self.act(batch, "COMPLETE")
        assert done.status_code == 200, done.text
        return self.ended(batch)

    def rows(self, dataset: str) -> list[Any]:
        """The first live rows."""
        return self.get(f"{EXPORT}/datasets/{dataset}/preview")["data"]


@contextmanager
def running(folder: Path, blocker: Any, **changes: str) -> Iterator[Service]:
    """Serve until the context ends; then the control database is empty again."""
    port = free_port()
    with blocker.unblock():
        environment = {**os.environ, **_environment(folder), **changes}
        connection.close()
    address = f"http://127.0.0.1:{port}"
    server = Server(
        name="the service",
        command=[sys.executable, str(settings.BASE_DIR / "manage.py"), "serve", f"--port={port}"],
        log=folder / "log",
        ready=lambda: httpx.get(f"{address}{IMPORT}/batches"),
        options={"env": environment, "cwd": settings.BASE_DIR},
    )
    server.start()
    try:
        with httpx.Client(base_url=address, timeout=60) as http:
            yield Service(address, folder, server, blocker, environment, http)
    finally:
        server.stop()
        with blocker.unblock():
            call_command("flush", interactive=False, verbosity=0)
            clients.add_organisation(name=settings.ORGANISATION)  # as the first migration leaves it
            connection.close()


def _environment(folder: Path) -> dict[str, str]:
    database = connection.settings_dict
    who = f"{database['USER']}:{database['PASSWORD']}"
    return {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATABASE_URL": f"postgresql://{who}@{database['HOST']}:{database['PORT']}/{database['NAME']}",
        "HEADGATE_VAR": str(folder / "var"),
        "HEADGATE_SWEEP_SECONDS": "0.2",
        "HEADGATE_WAKE_AGAIN_SECONDS": "1",
    }
