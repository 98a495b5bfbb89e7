"""Requests byte by byte, for what no HTTP library lets one send."""

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from tests.clients.service import Program


@contextmanager
def connected(program: Program) -> Iterator[socket.socket]:
    place = urlsplit(program.service.address)
    with socket.create_connection((place.hostname, place.port), timeout=20) as line:
        yield line


def head(program: Program, method: str, path: str, *headers: str) -> bytes:
    """The head of a request with the program's own headers."""
    own = [f"{name}: {value}" for name, value in program.headers.items()]
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *own, *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1")


def answered(line: socket.socket) -> tuple[int, Any]:
    """The status and, where it is JSON, the body of the next answer."""
    answer = http.client.HTTPResponse(line)
    answer.begin()
    body = answer.read()
    is_json = "json" in (answer.getheader("Content-Type") or "")
    return answer.status, json.loads(body) if is_json and body else body


def asked(program: Program, method: str, path: str, *headers: str, body: bytes = b"") -> tuple[int, Any]:
    """One request on a connection of its own, sent just so."""
    with connected(program) as line:
        line.sendall(head(program, method, path, *headers) + body)
        return answered(line)
