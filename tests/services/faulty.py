"""A proxy before a real HTTP service, which breaks the answers that it is told to break, one by one or at random."""

import gzip
import http.client
import random
import re
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

BUSY, BROKEN = "busy", "broken"
REFUSE_TO_ANSWER, RESET, HANG = "refuse to answer", "reset", "hang"
LOSE_ANSWER, LATE_SUCCESS = "lose the answer", "late success"
CUT_BODY, SHORT_BODY, SPOIL_BODY = "cut the body", "short body", "spoil the body"
OTHER_ROWS = "other rows"
CODES = {
    BUSY: (503, "SlowDown", "Please reduce your request rate."),
    BROKEN: (500, "InternalError", "We encountered an internal error. Please try again."),
}
GZIP = b"\x1f\x8b"
ACCESS_KEY = re.compile(r"Credential=([^/]+)/")
SKIPPED = ("transfer-encoding", "connection", "content-length", "date", "server")


@dataclass
class Dice:
    """Faults at random: each request meets at most one, with these chances. `most` caps how many there are."""

    seed: int
    chances: Mapping[tuple[str, str], float]  # (method or "*", fault) → chance
    _random: random.Random = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def throw(self, method: str) -> str:
        with self._lock:
            drawn = self._random.random()
        for (wanted, fault), chance in self.chances.items():
            if wanted in ("*", method):
                if drawn < chance:
                    return fault
                drawn -= chance
        return ""


class FaultyProxy:
    """`faults` are used up one a request, of the given method; then `dice` decide, and without any all goes well."""

    def __init__(self, upstream: str) -> None:
        self.upstream = urlsplit(upstream)
        self.faults: list[tuple[str, str]] = []
        self.dice: Dice | None = None
        self.requests: list[tuple[str, str]] = []
        self.met: Counter[str] = Counter()
        self.patience = 3.0  # seconds that a request hangs; longer than its client waits
        self.expired: set[str] = set()  # access keys
        self.knows_conditions = True
        self.stored: Callable[[str, bytes], None] | None = None  # told of each body that was put, by its path
        self.over = threading.Event()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                proxy.answer(self)

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_any

            def log_message(self, *args: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, request: Any, client_address: Any) -> None:
                """Its clients hang up: that is what they are driven to here."""

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def break_next(self, method: str, fault: str, times: int = 1) -> None:
        self.faults += [(method, fault)] * times

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.requests.append((request.command, request.path))
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        if refused := self._refusal(request):
            return self._say(request, *refused)
        fault = self._next_fault(request.command)
        self.met[fault] += 1
        if fault in CODES:
            return self._say(request, *CODES[fault])
        if fault in (REFUSE_TO_ANSWER, RESET, HANG):
            return self._break_off(request, fault)
        status, headers, data = self._ask(request, body)
        if self.stored and request.command == "PUT" and status == 200:
            self.stored(urlsplit(request.path).path, body)
        if fault in (LOSE_ANSWER, LATE_SUCCESS):
            return self._break_off(request, HANG if fault == LATE_SUCCESS else REFUSE_TO_ANSWER)
        return self._reply(request, status, headers, data, fault)

    def _next_fault(self, method: str) -> str:
        for place, (wanted, fault) in enumerate(self.faults):
            if wanted == method:
                del self.faults[place]
                return fault
        return self.dice.throw(method) if self.dice else ""

    def _refusal(self, request: BaseHTTPRequestHandler) -> tuple[int, str, str] | None:
        key = ACCESS_KEY.search(request.headers.get("Authorization", ""))
        if key and key[1] in self.expired:
            return 400, "ExpiredToken", "The provided token has expired."
        if not self.knows_conditions and "If-None-Match" in request.headers:
            return 501, "NotImplemented", "A header you provided implies functionality that is not implemented."
        return None

    def _ask(self, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, dict[str, str], bytes]:
        assert self.upstream.hostname
        connection = http.client.HTTPConnection(self.upstream.hostname, self.upstream.port, timeout=30)
        headers = {k: v for k, v in request.headers.items() if k.lower() not in ("host", "expect", "connection")}
        connection.request(request.command, request.path, body, headers)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        return answer.status, dict(answer.getheaders()), data

    def _say(self, request: BaseHTTPRequestHandler, status: int, code: str, text: str) -> None:
        body = f"<Error><Code>{code}</Code><Message>{text}</Message></Error>".encode()
        self._reply(request, status, {}, b"" if request.command == "HEAD" else body)

    def _reply(
        self, request: BaseHTTPRequestHandler, status: int, headers: dict[str, str], data: bytes, fault: str = ""
    ) -> None:
        length = next((v for k, v in headers.items() if k.lower() == "content-length"), str(len(data)))
        sent = data[: len(data) // 2] if fault in (CUT_BODY, SHORT_BODY) else data
        if fault == SPOIL_BODY and data:
            sent = bytes([data[0] ^ 1]) + data[1:]
        if fault == OTHER_ROWS and data.startswith(GZIP):
            sent = _with_other_rows(data)
        request.send_response(status)
        for name, value in headers.items():
            if name.lower() not in SKIPPED:
                request.send_header(name, value)
        request.send_header(
            "Content-Length", length if request.command == "HEAD" or fault == CUT_BODY else str(len(sent))
        )
        request.end_headers()
        request.wfile.write(sent)
        if fault == CUT_BODY:
            self._break_off(request, REFUSE_TO_ANSWER)

    def _break_off(self, request: BaseHTTPRequestHandler, how: str) -> None:
        if how == HANG:
            self.over.wait(self.patience)
        request.close_connection = True
        request.wfile.flush()
        if how == RESET:  # closing with this option sends a reset instead of an end
            request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            request.connection.close()
        else:
            request.connection.shutdown(socket.SHUT_RDWR)


def _with_other_rows(data: bytes) -> bytes:
    """A whole file with as many rows, of which some hold another letter: only its checksum tells."""
    return gzip.compress(re.sub(rb'"[a-y]', lambda found: b'"' + bytes([found[0][1] + 1]), gzip.decompress(data)), 1)


@contextmanager
def faulty(upstream: str) -> Iterator[FaultyProxy]:
    proxy = FaultyProxy(upstream)
    thread = threading.Thread(target=proxy.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.over.set()
        proxy.server.shutdown()
        proxy.server.server_close()
        thread.join()
