"""HTTP/1.1 with keep-alive on asyncio: the little of it that the demo server needs, at little cost.

Calls on one connection are answered in turn. It knows no endpoint.
"""

import asyncio
import json
import secrets
import socket
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from http import HTTPStatus
from itertools import count
from typing import Protocol

MOST_HEAD_BYTES = 65_536
MOST_BODY_BYTES = 1_048_576
REASONS = {status.value: status.phrase for status in HTTPStatus}


class Cut(Enum):
    """How an answer is spoiled on its way."""

    NOT = "not"
    TRUNCATED = "truncated"  # half the body, though Content-Length says the whole
    RESET = "reset"  # no answer, the connection is reset


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def target(self) -> str:
        return f"{self.path}?{self.query}" if self.query else self.path


@dataclass(frozen=True)
class Response:
    status: int
    body: tuple[bytes, ...]  # in pieces, to be sent one behind the other
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    cut: Cut = Cut.NOT


@dataclass(frozen=True)
class Reply:
    """An answer, how long to hold it back, and what to call with the bytes sent once it is out or lost."""

    response: Response
    delay_s: float
    done: Callable[[int], None]


class Application(Protocol):
    def connected(self) -> None: ...

    def answer(self, request: Request) -> Reply: ...


class BadCallError(Exception):
    """The call cannot be read or is not allowed; `status` and `code` say why to a program."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = headers or {}

    def response(self) -> Response:
        return problem(self.status, self.code, str(self), headers=self.headers)


def problem(status: int, code: str, message: str, *, headers: Mapping[str, str] | None = None) -> Response:
    """An error answer in JSON."""
    return Response(status, (json.dumps({"error": code, "message": message}).encode(),), headers=headers or {})


class Connection(asyncio.Protocol):
    """One client's connection."""

    _start = secrets.token_hex(4)
    _numbers = count(1)

    def __init__(self, application: Application) -> None:
        self._application = application
        self._unread = bytearray()
        self._busy = False
        self._last = False  # close after the answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._application.connected()

    def data_received(self, data: bytes) -> None:
        self._unread += data
        self._go_on()

    def _go_on(self) -> None:
        while not self._busy and not self._transport.is_closing():
            try:
                request = self._next()
            except BadCallError as error:
                self._last = True
                self._write(error.response())
                return
            if request is None:
                return
            self._serve(request)

    def _serve(self, request: Request) -> None:
        reply = self._application.answer(request)
        if reply.delay_s <= 0:
            reply.done(self._write(reply.response))
            return
        self._busy = True
        asyncio.get_running_loop().call_later(reply.delay_s, self._write_late, reply)

    def _write_late(self, reply: Reply) -> None:
        self._busy = False
        reply.done(0 if self._transport.is_closing() else self._write(reply.response))
        self._go_on()

    def _next(self) -> Request | None:
        """The next whole call that has arrived. Raises BadCallError."""
        end = self._unread.find(b"\r\n\r\n")
        if end < 0:
            if len(self._unread) > MOST_HEAD_BYTES:
                raise BadCallError(431, "head_too_large", f"The headers are over {MOST_HEAD_BYTES:,} bytes.")
            return None
        method, target, version, headers = _head(bytes(self._unread[:end]))
        size = _body_size(headers)
        if len(self._unread) < end + 4 + size:
            return None
        body = bytes(self._unread[end + 4 : end + 4 + size])
        del self._unread[: end + 4 + size]
        wish = headers.get("connection", "").lower()
        self._last = wish == "close" or (version == "HTTP/1.0" and wish != "keep-alive")
        path, _, query = target.partition("?")
        return Request(method, path, query, headers, body)

    def _write(self, response: Response) -> int:
        if response.cut is Cut.RESET:
            self._reset()
            return 0
        size = sum(map(len, response.body))
        head = self._head_of(response, size)
        body = response.body
        if response.cut is Cut.TRUNCATED:
            size //= 2
            body = (b"".join(body)[:size],)
        self._transport.writelines((head, *body))
        if self._last or response.cut is Cut.TRUNCATED:
            self._transport.close()
        return len(head) + size

    def _head_of(self, response: Response, size: int) -> bytes:
        lines = [
            f"HTTP/1.1 {response.status} {REASONS.get(response.status, '')}",
            f"Content-Type: {response.content_type}",
            f"Content-Length: {size}",
            f"X-Request-Id: {self._start}-{next(self._numbers):06d}",
            *(f"{name}: {value}" for name, value in response.headers.items()),
            "Connection: close" if self._last else "Connection: keep-alive",
        ]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def _reset(self) -> None:
        # Lingering for no time makes the kernel send RST in place of FIN.
        no_time = struct.pack("ii", 1, 0)
        self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_time)
        self._transport.abort()


def _head(head: bytes) -> tuple[str, str, str, dict[str, str]]:
    first, *lines = head.decode("latin-1").split("\r\n")
    try:
        method, target, version = first.split(" ")
        pairs = [line.split(":", 1) for line in lines]
        headers = {name.lower(): value.strip() for name, value in pairs}
    except ValueError as error:
        raise BadCallError(400, "unreadable_call", "The call is not HTTP/1.1.") from error
    if not version.startswith("HTTP/1."):
        raise BadCallError(505, "unknown_version", "The server speaks HTTP/1.1 only.")
    return method, target, version, headers


def _body_size(headers: Mapping[str, str]) -> int:
    if "transfer-encoding" in headers:
        raise BadCallError(411, "length_required", "Send a body with its Content-Length, not in chunks.")
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit()):
        raise BadCallError(400, "bad_length", "Content-Length is not a whole number.")
    if int(length) > MOST_BODY_BYTES:
        raise BadCallError(413, "body_too_large", f"The body is over {MOST_BODY_BYTES:,} bytes.")
    return int(length)
