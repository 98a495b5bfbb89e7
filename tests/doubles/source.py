"""A scripted HTTP source on loopback: real sockets, one function that answers, every call kept; and a clock."""

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from connectors import manifest
from connectors.protocol import Page, Partition, ReadRequest
from connectors.rest.client import Clock
from connectors.rest.gate import Gate
from connectors.rest.source import RestSource

TOKEN = "canary-token-4711"


@dataclass(frozen=True)
class Call:
    method: str
    path: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    """An answer. `length` overrides Content-Length; `reset` closes without an answer; `before` runs first."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    length: int | None = None
    reset: bool = False
    before: Callable[[], object] = lambda: None


Answerer = Callable[[Call], Reply]


def ok(value: Any, **headers: str) -> Reply:
    return Reply(json.dumps(value).encode(), headers={"Content-Type": "application/json", **headers})


class ScriptedSource:
    """Answers as `answer` says. `calls` holds what was asked, in order of arrival."""

    def __init__(self, answer: Answerer) -> None:
        self.answer = answer
        self.calls: list[Call] = []
        self.lock = threading.Lock()
        source = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = 1 << 16  # head and body leave together

            def log_message(self, *_: object) -> None:
                """Tests are quiet."""

            def do_GET(self) -> None:
                source.handle(self)

            do_POST = do_GET

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_port
        self.url = f"http://127.0.0.1:{self.port}"

    def handle(self, handler: BaseHTTPRequestHandler) -> None:
        call = _call(handler)
        with self.lock:
            self.calls.append(call)
        reply = self.answer(call)
        reply.before()
        if reply.reset:
            _reset(handler.connection)
            handler.close_connection = True
            return
        handler.send_response(reply.status)
        for name, value in reply.headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(reply.body) if reply.length is None else reply.length))
        handler.end_headers()
        try:
            handler.wfile.write(reply.body)
        except OSError:  # the client has had enough, which some tests are about
            handler.close_connection = True
        if reply.length is not None:
            handler.close_connection = True

    def asked(self, name: str) -> list[str]:
        """The values of one parameter over all calls."""
        return [call.params.get(name, "") for call in self.calls]


def _call(handler: BaseHTTPRequestHandler) -> Call:
    parts = urlsplit(handler.path)
    body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
    params = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
    headers = {name.lower(): value for name, value in handler.headers.items()}
    return Call(handler.command, parts.path, params, headers, body)


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@contextmanager
def scripted(answer: Answerer) -> Iterator[ScriptedSource]:
    source = ScriptedSource(answer)
    thread = threading.Thread(target=source.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield source
    finally:
        source.server.shutdown()
        source.server.server_close()
        thread.join()


class FakeTime:
    """A clock that only sleeping moves."""

    def __init__(self, calendar: float = 1_700_000_000.0) -> None:
        self.now = 0.0
        self.slept: list[float] = []
        self._calendar = calendar
        self._lock = threading.Lock()

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.now += seconds
            self.slept.append(seconds)

    @property
    def calendar(self) -> float:
        return self._calendar + self.now

    def clock(self) -> Clock:
        return Clock(steady=lambda: self.now, calendar=lambda: self.calendar, sleep=self.sleep, jitter=lambda: 0.0)


def manifest_of(endpoints: str, *, auth: str = "{style: none}", more: str = "") -> manifest.Manifest:
    """A manifest with these endpoints, given as the YAML of the list."""
    return manifest.parse(
        f"name: scripted\ntitle: Scripted\nsettings: {{base_url: {{title: Address}}}}\n"
        f'base_url: "{{{{ settings.base_url }}}}"\nauth: {auth}\n{more}\nendpoints:\n{endpoints}'
    )


def open_scripted(
    server: ScriptedSource,
    parsed: manifest.Manifest,
    *,
    credentials: Mapping[str, str] | None = None,
    time: FakeTime | None = None,
    **more: Any,
) -> RestSource:
    return RestSource(
        parsed,
        settings={"base_url": server.url},
        credentials=credentials or {},
        gate=Gate([f"127.0.0.1:{server.port}"]),
        clock=(time or FakeTime()).clock(),
        **more,
    )


def read_all(source: RestSource, endpoint: str = "items", **request: Any) -> list[Page]:
    """All pages of an endpoint, all of its partitions after each other."""
    spec = source.manifest.endpoint(endpoint)
    parts: list[Partition | None] = [None]
    if spec.split is not None and "partition" not in request:
        parts = list(source.partitions(endpoint, since=request.get("since"), now="2024-03-10T12:00:00Z"))
    found: list[Page] = []
    for part in parts:
        asked = ReadRequest(endpoint=endpoint, **{"partition": part, **request})
        found += source.read(asked, stop=lambda: False)
    return found


def records(pages: list[Page]) -> list[Any]:
    return [json.loads(line) for page in pages for line in page.lines.splitlines()]
