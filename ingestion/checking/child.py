"""The process that reads files nobody trusts: takes work from its standard input, one piece after the other, and ends
with its parent. Started by `pool` alone: `python -m ingestion.checking.child <pid of the parent>`.
"""

import ctypes
import os
import resource
import signal
import sys
import traceback
from pathlib import Path
from threading import Thread
from time import sleep
from typing import Final

from ingestion.checking.base import CheckRequest, Limits
from ingestion.checking.checks import check
from ingestion.checking.previews import preview
from ingestion.checking.wire import ASKS, SIZE, TAKEN, Answer, Ask, framed, write_all

PR_SET_PDEATHSIG: Final = 1
ROOM: Final = 256 << 20  # what libraries set aside without using it; the parent watches what is used
STATUS: Final = Path("/proc/self/status")


def main(parent: int) -> None:
    """Serve until the input ends."""
    _die_with(parent)
    source, target = os.dup(0), os.dup(1)
    os.dup2(2, 1)  # whatever a library prints must not mix with answers
    while header := _read(source, SIZE):
        ask = ASKS.decode(_read(source, int.from_bytes(header, "big")))
        write_all(target, TAKEN)
        write_all(target, framed(_answered(ask)))


def _read(pipe: int, count: int) -> bytes:
    """So many bytes; none where the input ends."""
    data = bytearray()
    while len(data) < count:
        some = os.read(pipe, count - len(data))
        if not some:
            return b""
        data += some
    return bytes(data)


def _answered(ask: Ask) -> Answer:
    try:
        _confine(ask.request.limits)
        return _work(ask.request, ask.rows)
    except Exception as error:  # noqa: BLE001 - the parent decides what becomes of the file; the log has the rest
        traceback.print_exc()
        return Answer(failure=type(error).__name__)
    finally:
        _free()


def _work(request: CheckRequest, rows: int | None) -> Answer:
    if rows is None:
        return Answer(report=check(request))
    return Answer(preview=preview(request, rows))


def _confine(limits: Limits) -> None:
    """Backstops of the kernel; the parent looks at what is really used, and at the clock."""
    _soften(resource.RLIMIT_CORE, 0)
    if STATUS.exists():
        _soften(resource.RLIMIT_DATA, _data_size() + limits.memory + ROOM)


def _free() -> None:
    if STATUS.exists():
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))


def _soften(what: int, limit: int) -> None:
    _, hard = resource.getrlimit(what)
    resource.setrlimit(what, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


def _data_size() -> int:
    for line in STATUS.read_text().splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) << 10
    return 0


def _die_with(parent: int) -> None:
    """End when the parent does, whatever we are doing then."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    else:
        Thread(target=_watch, args=(parent,), daemon=True).start()
    if os.getppid() != parent:  # it died before we had asked for the signal
        os._exit(0)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        sleep(1)
    os._exit(0)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is the parent's to deal with
    main(int(sys.argv[1]))
