"""One child process from the outside: started without our handles and secrets, asked, watched at work, killed."""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from time import monotonic
from typing import Final

from ingestion.checking.base import Limits
from ingestion.checking.wire import ANSWERS, LARGEST, SIZE, TAKEN, Answer, Ask, framed, write_all

WATCH_EVERY: Final = 50  # milliseconds
CHUNK: Final = 1 << 16
START: Final = len(TAKEN) + SIZE
PAGE: Final = os.sysconf("SC_PAGE_SIZE")
KEPT: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "SYSTEMROOT")  # of the environment: no addresses
OTHERS_KILL: Final = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Ended(Exception):
    """The child did not answer. `cause`: memory, time, killed or crashed; `had_begun`: had it taken the work?"""

    def __init__(self, cause: str, why: str = "", *, had_begun: bool = True) -> None:
        super().__init__(cause)
        self.cause, self.why, self.had_begun = cause, why, had_begun


class Child:
    """A running child. One question at a time."""

    def __init__(self) -> None:
        self.served = 0
        environment = {name: os.environ[name] for name in KEPT if name in os.environ}
        environment["PYTHONPATH"] = os.pathsep.join(path or str(Path.cwd()) for path in sys.path)
        self._process = subprocess.Popen(  # noqa: S603 - our own module, by our own interpreter
            [sys.executable, "-m", "ingestion.checking.child", str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            close_fds=True,
            bufsize=0,
        )
        assert self._process.stdin
        assert self._process.stdout
        self._input, self._output = self._process.stdin.fileno(), self._process.stdout.fileno()
        self._poll = select.poll()
        self._poll.register(self._output, select.POLLIN)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, ask: Ask) -> Answer:
        """The child's answer. Raises Ended where there is none; the child is then to be killed."""
        self.served += 1
        try:
            write_all(self._input, framed(ask))
        except BrokenPipeError as error:
            raise self._ended(had_begun=False) from error
        return ANSWERS.decode(self._receive(ask.request.limits))

    def _receive(self, limits: Limits) -> bytes:
        deadline = monotonic() + limits.seconds
        data = bytearray()
        while len(data) < START or len(data) < START + (length := int.from_bytes(data[len(TAKEN) : START], "big")):
            if not self._poll.poll(WATCH_EVERY):
                self._look(limits, deadline)
                continue
            some = os.read(self._output, CHUNK)
            if not some:
                raise self._ended(had_begun=bool(data))
            data += some
            if len(data) > LARGEST:
                raise Ended("crashed", "its answer was too long")
        return bytes(data[START : START + length])

    def _look(self, limits: Limits, deadline: float) -> None:
        if monotonic() > deadline:
            raise Ended("time")
        if memory_of(self.pid) > limits.memory:
            raise Ended("memory")

    def _ended(self, *, had_begun: bool) -> Ended:
        code = self._process.wait()
        if code >= 0:
            return Ended("killed", f"it ended with code {code}", had_begun=had_begun)
        why = f"signal {signal.Signals(-code).name}"
        return Ended("killed" if -code in OTHERS_KILL else "crashed", why, had_begun=had_begun)

    def end(self) -> None:
        """Let an idle child go: its input ends, and so does it."""
        self._close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self._close()

    def _close(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()


def memory_of(pid: int) -> int:
    """Bytes of its own that a process holds in memory; 0 where the system does not tell."""
    try:
        _, resident, shared, *_ = Path(f"/proc/{pid}/statm").read_text().split()
    except (OSError, ValueError):
        return 0
    return (int(resident) - int(shared)) * PAGE
