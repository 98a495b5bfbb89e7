"""A demo server in a process of its own, for tests, the demo command and benchmarks."""

import http.client
import json
import os
import select
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from runs.demo.tokens import FIXED_TOKEN

PROJECT = Path(__file__).resolve().parents[2]
READY = "listening on "
STOP_WITHIN_S = 5
CALL_WITHIN_S = 10


class DemoServerError(Exception):
    """The demo server did not start, or refused a switch; the text says why."""


@dataclass
class RunningServer:
    """A running server. It ends with `stop`, at the end of a `with`, or with the process that started it."""

    url: str
    process: subprocess.Popen[bytes]
    errors: IO[bytes]

    def control(self, **switches: Any) -> dict[str, Any]:
        """Set some switches and return all. Raises DemoServerError where one is unknown or wrong."""
        return self._call("POST", "/_control", switches)

    def stats(self) -> dict[str, Any]:
        """What was counted since the start or the last reset."""
        return self._call("GET", "/_stats")

    def reset_stats(self) -> None:
        self._call("POST", "/_stats/reset")

    def stop(self) -> None:
        """End the process; safe to repeat."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.errors):
            if stream:
                stream.close()

    def __enter__(self) -> "RunningServer":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def _call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=CALL_WITHIN_S)
        try:
            connection.request(method, path, json.dumps(body))
            response = connection.getresponse()
            answer: dict[str, Any] = json.loads(response.read())
        except (OSError, http.client.HTTPException) as error:
            raise DemoServerError(f"The demo server at {self.url} does not answer {method} {path}: {error}.") from error
        finally:
            connection.close()
        if response.status != 200:
            raise DemoServerError(f"The demo server refused {method} {path}: {answer.get('message', response.status)}")
        return answer


def start_server(
    *,
    port: int = 0,
    data: Path | None = None,
    fixed_token: str = FIXED_TOKEN,
    warm: bool = False,
    ready_within_s: float = 30,
    **switches: Any,
) -> RunningServer:
    """Start a server on a free port (or the given one) and wait until it listens.

    `warm` encodes all records first, so that a benchmark does not pay for it. Raises DemoServerError with the
    server's own words where it does not start in time.
    """
    command = [
        sys.executable,
        "-m",
        "runs.demo.server",
        "--with-parent",
        f"--port={port}",
        f"--fixed-token={fixed_token}",
    ]
    command += [f"--data={data}"] if data else []
    command += ["--warm"] if warm else []
    command += [f"--{name.replace('_', '-')}={json.dumps(value)}" for name, value in switches.items()]
    errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop()
    process = subprocess.Popen(  # noqa: S603 - our own module
        command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
    )
    server = RunningServer("", process, errors)
    try:
        server.url = _wait(server, ready_within_s)
    except BaseException:  # also Ctrl-C: the process must not outlive us
        server.stop()
        raise
    return server


def _wait(server: RunningServer, within_s: float) -> str:
    """The address in the line that the server prints once it listens."""
    deadline = time.monotonic() + within_s
    line = b""
    assert server.process.stdout
    while not line.endswith(b"\n"):
        ready, _, _ = select.select([server.process.stdout], [], [], max(0, deadline - time.monotonic()))
        if not ready:
            raise DemoServerError(f"The demo server did not listen within {within_s:g} s.{_said(server)}")
        piece = os.read(server.process.stdout.fileno(), 256)
        if not piece:
            raise DemoServerError(f"The demo server did not start.{_said(server)}")
        line += piece
    return line.decode().strip().removeprefix(READY)


def _said(server: RunningServer) -> str:
    server.errors.seek(0)
    said = server.errors.read().decode(errors="replace").strip()
    return f" It said: {said[-2000:]}" if said else ""
