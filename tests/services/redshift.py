"""An emulation of Redshift's wire, for tests: a proxy that speaks the Postgres protocol in front of a real Postgres.

It is not Redshift. It says what Redshift says of itself, refuses statements that Redshift is known to refuse, does COPY
from an S3 of the tests on the client's own session, so that transactions behave, and keeps SYS_LOAD_ERROR_DETAIL. What
the two engines do differently inside a statement it cannot show: speed, distribution, locks of single blocks, the words
of most errors. What it does with SQL is in `redshift_sql`, what with COPY in `redshift_load`.
"""

import socket
import socketserver
import ssl
import struct
import threading
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.services.postgres import RunningPostgres
from tests.services.redshift_load import LoadRefused, S3Copy
from tests.services.redshift_sql import FURNITURE, Refused, is_copy, rewritten
from tests.services.s3 import REGION, RunningS3

SSL_REQUEST, GSS_REQUEST, CANCEL_REQUEST = 80877103, 80877104, 80877102
SAYS = {b"client_encoding": b"UNICODE", b"server_version": b"8.0.2"}
TELLS = {b"client_encoding", b"server_version", b"server_encoding", b"DateStyle", b"TimeZone", b"session_authorization"}
ROLE = "arn:aws:iam::123456789012:role/headgate"
EXTENDED = b"PBEDCHFS"
TEMPLATE = "redshift_template"


@dataclass
class Fault:
    """The next statements that hold `words` are answered with this error."""

    words: str
    state: str
    message: str
    detail: str
    times: int


@dataclass
class RunningRedshift:
    """A running stand-in. `statements` are those that clients have sent, as they came."""

    postgres: RunningPostgres
    s3: RunningS3
    server: "Server"
    statements: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    queries: int = 0
    furnished: bool = False

    @cached_property
    def bucket(self) -> Any:
        return self.s3.client()

    def address(self, dsn: str, **more: str) -> str:
        """The warehouse address of a database of the Postgres behind."""
        parts = urlsplit(dsn)
        options = {
            "iam_role": ROLE,
            "region": REGION,
            "sslmode": "disable",
            "endpoint_url": self.s3.endpoint,
            "grace": "0",
            **more,
        }
        query = "&".join(f"{name}={value}" for name, value in options.items())
        host, port = self.server.server_address[:2]
        return f"redshift://{parts.username}:{parts.password}@{host!s}:{port}{parts.path}?{query}"

    def create_database(self, name: str) -> str:
        """A new database with what Redshift brings; answers the address of the Postgres behind."""
        with self.lock:
            if not self.furnished:
                with psycopg.connect(self.postgres.create_database(TEMPLATE), autocommit=True) as connection:
                    for statement in FURNITURE:
                        connection.execute(statement.encode())
                self.furnished = True
            with psycopg.connect(self.postgres.dsn, autocommit=True) as connection:
                connection.execute(f'CREATE DATABASE "{name}" TEMPLATE {TEMPLATE}'.encode())
        return self.postgres.dsn.rsplit("/", 1)[0] + "/" + name

    def conflict(self, words: str, *, times: int = 1) -> None:
        """The next statements that hold these words break off as Redshift's serializable isolation does."""
        self.faults.append(
            Fault(words, "XX000", "1023", "Serializable isolation violation on table - 100, cycle: 1, 2", times)
        )

    def fault_for(self, sql: str) -> Fault | None:
        with self.lock:
            for fault in self.faults:
                if fault.times and fault.words in sql:
                    fault.times -= 1
                    return fault
        return None

    def next_query(self) -> int:
        with self.lock:
            self.queries += 1
            return self.queries

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    running: RunningRedshift
    tls: ssl.SSLContext | None = None


class Wire:
    """One side of a connection: whole messages in, whole messages out."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket, self._incoming, self._outgoing = sock, sock.makefile("rb"), bytearray()

    def exactly(self, count: int) -> bytes:
        data = self._incoming.read(count)
        if len(data) < count:
            raise ConnectionError("the other side is gone")
        return data

    def read(self) -> tuple[bytes, bytes]:
        kind, size = struct.unpack("!cI", self.exactly(5))
        return kind, self.exactly(size - 4)

    def send(self, kind: bytes, body: bytes = b"") -> None:
        """At once where the other side waits for it, else together with what follows."""
        self._outgoing += kind + struct.pack("!I", len(body) + 4) + body
        if kind not in b"TDCNSKd" or len(self._outgoing) > 1 << 16:
            self.socket.sendall(self._outgoing)
            self._outgoing.clear()


class Connection(socketserver.BaseRequestHandler):
    """One client, served by a thread of its own."""

    server: Server

    def handle(self) -> None:
        self.running = self.server.running
        self.status, self.copied, self.copy_id, self.database = b"I", 0, 0, ""
        with suppress(ConnectionError, OSError):
            if self._greet():
                while self._serve():
                    pass

    def finish(self) -> None:
        if backend := getattr(self, "backend", None):
            backend.socket.close()

    def _greet(self) -> bool:
        self.client = Wire(self.request)
        size, code = struct.unpack("!II", self.client.exactly(8))
        while code in (SSL_REQUEST, GSS_REQUEST):
            self._answer_encryption(code)
            size, code = struct.unpack("!II", self.client.exactly(8))
        rest = self.client.exactly(size - 8)
        url = urlsplit(self.running.postgres.dsn)
        self.backend = Wire(socket.create_connection((url.hostname, url.port)))
        self.backend.socket.sendall(struct.pack("!II", size, code) + rest)
        if code == CANCEL_REQUEST:
            return False
        fields = rest.split(b"\0")
        self.database = dict(zip(fields[::2], fields[1::2], strict=False))[b"database"].decode()
        return self._log_in()

    def _answer_encryption(self, code: int) -> None:
        if code == SSL_REQUEST and self.server.tls:
            self.request.sendall(b"S")
            self.client = Wire(self.server.tls.wrap_socket(self.request, server_side=True))
        else:
            self.request.sendall(b"N")

    def _log_in(self) -> bool:
        while True:
            kind, body = self.backend.read()
            if kind == b"Z":
                self.ask("SET standard_conforming_strings TO off; SET escape_string_warning TO off")
                self.client.send(kind, body)
                return True
            self._tell(kind, body)
            if kind == b"E":
                return False
            if kind == b"R" and struct.unpack("!I", body[:4])[0] in (3, 5, 10, 11):
                self.backend.send(*self.client.read())

    def _tell(self, kind: bytes, body: bytes) -> None:
        if kind == b"S":
            name, value = body.split(b"\0")[:2]
            if name in TELLS:
                self.client.send(kind, name + b"\0" + SAYS.get(name, value) + b"\0")
            return
        self.client.send(kind, self._as_redshift(body) if kind == b"E" else body)

    def _as_redshift(self, body: bytes) -> bytes:
        """Postgres's word for a conflict in Redshift's."""
        fields = {part[:1]: part[1:] for part in body.split(b"\0") if part}
        if fields.get(b"C") != b"40001":
            return body
        return error("XX000", "1023", "Serializable isolation violation on table - 100, cycle: 1, 2")

    def _serve(self) -> bool:
        kind, body = self.client.read()
        if kind == b"Q":
            self._query(body[:-1].decode())
        elif kind in EXTENDED:
            self._refuse_extended(kind)
        return kind != b"X"

    def _refuse_extended(self, kind: bytes) -> None:
        self.client.send(b"E", error("0A000", "the stand-in takes plain queries only"))
        while kind != b"S":
            kind, _ = self.client.read()
        self.client.send(b"Z", self.status)

    def _query(self, sql: str) -> None:
        self.running.statements.append(sql)
        if fault := self.running.fault_for(sql):
            self.fail(fault.state, fault.message, fault.detail)
            return
        try:
            if is_copy(sql):
                self._copy(sql)
                return
            statement = rewritten(sql, in_transaction=self.status != b"I", copied=self.copied, copy_id=self.copy_id)
        except (Refused, LoadRefused) as refused:
            self.fail(refused.state, str(refused), "")
            return
        self.backend.send(b"Q", statement.encode() + b"\0")
        self.relay()

    def _copy(self, sql: str) -> None:
        self.copy_id = self.running.next_query()
        copy = S3Copy.parse(sql)
        rows = copy.run(self, self.running.bucket)
        if rows is None:
            return
        self.copied = rows
        told = f"Load into table '{copy.table}' completed, {rows} record(s) loaded successfully."
        self.client.send(b"N", error("00000", told, severity="INFO"))
        self.client.send(b"C", b"COPY\0")
        self.client.send(b"Z", self.status)

    def ask(self, sql: str) -> list[list[str | None]]:
        """Run a statement of our own on the client's session; answers its rows. An error of it is the client's."""
        self.backend.send(b"Q", sql.encode() + b"\0")
        rows: list[list[str | None]] = []
        failed: bytes | None = None
        while True:
            kind, body = self.backend.read()
            if kind == b"D":
                rows.append(cells(body))
            elif kind == b"E":
                failed = body
            elif kind == b"Z":
                self.status = body
                break
        if failed is not None:
            raise RuntimeError(failed.replace(b"\0", b" ").decode())
        return rows

    def fail(self, state: str, message: str, detail: str = "") -> None:
        """Answer an error, and leave the transaction as one leaves it."""
        with suppress(RuntimeError):
            self.ask("SELECT 1 / 0")
        self.client.send(b"E", error(state, message, detail))
        self.client.send(b"Z", self.status)

    def relay(self) -> None:
        while True:
            kind, body = self.backend.read()
            self._tell(kind, body)
            if kind == b"Z":
                self.status = body
                return

    def note(self, file: str, line: int, column: str, kind: str, message: str) -> None:
        """Fill SYS_LOAD_ERROR_DETAIL, in a session of its own: the client's is about to be rolled back."""
        dsn = self.running.postgres.dsn.rsplit("/", 1)[0] + "/" + self.database
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(
                "INSERT INTO sys_load_error_detail (query_id, database_name, start_time, file_name, line_number, "
                "column_name, column_type, error_message) VALUES (%s, %s, now(), %s, %s, %s, %s, %s)",
                (self.copy_id, self.database, file, line, column, kind, message),
            )


def error(state: str, message: str, detail: str = "", severity: str = "ERROR") -> bytes:
    fields = {"S": severity, "V": severity, "C": state, "M": message, **({"D": detail} if detail else {})}
    return b"".join(name.encode() + text.encode() + b"\0" for name, text in fields.items()) + b"\0"


def cells(body: bytes) -> list[str | None]:
    (count,), place, found = struct.unpack("!H", body[:2]), 2, list[str | None]()
    for _ in range(count):
        (size,) = struct.unpack("!i", body[place : place + 4])
        place += 4
        found.append(None if size < 0 else body[place : place + size].decode())
        place += max(size, 0)
    return found


def start_redshift(postgres: RunningPostgres, s3: RunningS3, *, tls: ssl.SSLContext | None = None) -> RunningRedshift:
    """Start the stand-in in a thread of this process."""
    server = Server(("127.0.0.1", 0), Connection)
    server.tls = tls
    server.running = RunningRedshift(postgres, s3, server)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    return server.running


@pytest.fixture(scope="session")
def redshift_server(postgres_server: RunningPostgres, s3_server: RunningS3) -> Iterator[RunningRedshift]:
    running = start_redshift(postgres_server, s3_server)
    yield running
    running.stop()


@pytest.fixture
def redshift_database(redshift_server: RunningRedshift) -> Iterator[str]:
    """The warehouse address of a fresh database, dropped after the test."""
    name = f"r_{uuid.uuid4().hex[:12]}"
    yield redshift_server.address(redshift_server.create_database(name))
    redshift_server.postgres.drop_database(name)


def backend_dsn(address: str, running: Any) -> str:
    """The Postgres behind a stand-in's address, for tests that look or tamper behind its back."""
    return str(running.postgres.dsn).rsplit("/", 1)[0] + urlsplit(address).path
