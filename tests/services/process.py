"""A server of a test: one child process, started on a free loopback port, ended by its own pid."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


class ServiceMissing(Exception):
    """A service that the tests need cannot be started; the text says what to install."""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@dataclass
class Server:
    """A command that can be started, ended and started again with the same data. `ready` raises while it is not."""

    name: str
    command: Sequence[str]
    log: Path
    ready: Callable[[], None]
    options: dict[str, Any] = field(default_factory=dict)
    process: "subprocess.Popen[bytes] | None" = None

    def start(self, *, timeout: float = 60.0) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the tests; they end their servers themselves
                **self.options,
            )
        deadline = time.monotonic() + timeout
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop(signal.SIGKILL)
                raise ServiceMissing(f"{self.name} did not start. Its log ends with:\n{self._tail()}")
            time.sleep(0.02)

    def stop(self, how: int = signal.SIGTERM, *, timeout: float = 30.0) -> None:
        """End it and wait. Safe to repeat."""
        process, self.process = self.process, None
        if process is None or process.poll() is not None:
            return
        os.kill(process.pid, how)
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    @property
    def pid(self) -> int:
        if self.process is None:
            raise RuntimeError(f"{self.name} is not running")
        return self.process.pid

    def _answers(self) -> bool:
        try:
            self.ready()
        except Exception:  # noqa: BLE001  what it raises while starting is its client's business
            return False
        return True

    def _tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])
