"""A proxy before a real HTTP service, which breaks the answers that it is told to break."""

import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

BUSY, REFUSE_TO_ANSWER, LOSE_ANSWER, CUT_BODY = "busy", "refuse to answer", "lose the answer", "cut the body"


class FaultyProxy:
    """`faults` are used up one a request, of the given method; afterwards all goes well."""

    def __init__(self, upstream: str) -> None:
        self.upstream = urlsplit(upstream)
        self.faults: list[tuple[str, str]] = []
        self.requests: list[tuple[str, str]] = []
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                proxy.answer(self)

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_any

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def break_next(self, method: str, fault: str, times: int = 1) -> None:
        self.faults += [(method, fault)] * times

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.requests.append((request.command, request.path))
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        fault = self._next_fault(request.command)
        if fault == BUSY:
            return self._reply(request, 503, {}, b"<Error><Code>SlowDown</Code><Message>Slow down</Message></Error>")
        if fault == REFUSE_TO_ANSWER:
            return self._hang_up(request)
        status, headers, data = self._ask(request, body)
        if fault == LOSE_ANSWER:
            return self._hang_up(request)
        return self._reply(request, status, headers, data, cut=fault == CUT_BODY)

    def _next_fault(self, method: str) -> str:
        for place, (wanted, fault) in enumerate(self.faults):
            if wanted == method:
                del self.faults[place]
                return fault
        return ""

    def _ask(self, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, dict[str, str], bytes]:
        assert self.upstream.hostname
        connection = http.client.HTTPConnection(self.upstream.hostname, self.upstream.port, timeout=30)
        headers = {k: v for k, v in request.headers.items() if k.lower() not in ("host", "expect", "connection")}
        connection.request(request.command, request.path, body, headers)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        return answer.status, dict(answer.getheaders()), data

    def _reply(
        self, request: BaseHTTPRequestHandler, status: int, headers: dict[str, str], data: bytes, *, cut: bool = False
    ) -> None:
        request.send_response(status)
        for name, value in headers.items():
            if name.lower() not in ("transfer-encoding", "connection", "content-length", "date", "server"):
                request.send_header(name, value)
        length = next((v for k, v in headers.items() if k.lower() == "content-length"), str(len(data)))
        request.send_header("Content-Length", length)
        request.end_headers()
        request.wfile.write(data[: len(data) // 2] if cut else data)
        if cut:
            self._hang_up(request)

    def _hang_up(self, request: BaseHTTPRequestHandler) -> None:
        request.close_connection = True
        request.wfile.flush()
        request.connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def faulty(upstream: str) -> Iterator[FaultyProxy]:
    proxy = FaultyProxy(upstream)
    thread = threading.Thread(target=proxy.server.serve_forever, daemon=True)
    thread.start()
    yield proxy
    proxy.server.shutdown()
    proxy.server.server_close()
    thread.join()
