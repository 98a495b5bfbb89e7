"""Serving pages with waitress."""

import signal
import socket
from types import FrameType
from typing import Any, Final, TextIO

import waitress
from django.core.management.base import CommandError, OutputWrapper

from config.wsgi import application

# A client that sends slowly holds a connection and no thread; below 1,024 open files, the usual limit of a process.
PATIENCE: Final[dict[str, Any]] = {
    "threads": 6, "connection_limit": 600, "channel_timeout": 60, "cleanup_interval": 10, "asyncore_use_poll": True,
}  # fmt: skip


def free_port(host: str, wanted: int) -> int:
    """`wanted` where it is free, else one that the system picks."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, wanted))
        except OSError:
            probe.bind((host, 0))
        return int(probe.getsockname()[1])


def serve(out: TextIO | OutputWrapper, *, host: str, port: int) -> None:
    """Serve the pages until SIGINT or SIGTERM. Workers are the caller's."""
    try:
        server = waitress.create_server(application, host=host, port=port, ident="Headgate", **PATIENCE)
    except OSError as error:
        raise CommandError(f"Cannot listen on {host}:{port}: {error.strerror}. Choose another --port.") from error
    signal.signal(signal.SIGTERM, _stop)
    out.write(f"Serving http://{host}:{port}/admin/ until stopped (Ctrl-C).\n")
    out.flush()
    try:
        server.run()
    except (KeyboardInterrupt, SystemExit):
        out.write("Stopping …\n")
    finally:
        server.close()


def _stop(_: int, __: FrameType | None) -> None:
    raise SystemExit(0)
