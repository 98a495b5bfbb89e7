"""A proxy before a real Postgres, which breaks a transaction off at its COMMIT: it is made and not told, or not made.

It knows the transactions that it is to meet by a mark in the text of one of their statements, in the simple protocol
and the extended one. What it holds stays open until the server has ended, or until it is cut.
"""

import socket
import socketserver
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO
from urllib.parse import urlsplit

NOT_TOLD, NOT_MADE = "made, not told", "not made"
ENCRYPTION = (80877103, 80877104)  # asked for before the greeting, and refused with one letter
QUERY, PARSE = b"Q", b"P"
COMMITTED = b"C\x00\x00\x00\x0bCOMMIT\x00"
READY = b"Z\x00\x00\x00\x05"


class Link:
    """One client and its own connection to the server."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client, self.server = client, server
        self.marked = False
        self.withheld: bytearray | None = None  # what the server has answered to a COMMIT, where nobody is told
        self.over = threading.Event()

    def close(self) -> None:
        self.over.set()
        for end in (self.client, self.server):
            with suppress(OSError):  # closed by its other end
                end.shutdown(socket.SHUT_RDWR)


class CommitProxy:
    """`meet` arms it for the next COMMIT of a marked transaction; `met` is set as soon as that has happened."""

    def __init__(self, dsn: str, mark: str) -> None:
        place = urlsplit(dsn)
        self.upstream = (place.hostname or "127.0.0.1", place.port or 5432)
        self.mark = mark.upper().encode()
        self.met = threading.Event()
        self._wanted = ""
        self._held: Link | None = None
        self._links: set[Link] = set()
        self._lock = threading.Lock()
        proxy = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                proxy._serve(self.request)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            request_queue_size = 128

        self.server = Server(("127.0.0.1", 0), Handler)

    def address(self, dsn: str) -> str:
        """The way to a database of the server that leads through here."""
        port = self.server.server_address[1]
        return dsn.replace(f":{self.upstream[1]}/", f":{port}/")

    def meet(self, how: str) -> None:
        with self._lock:
            self._wanted = how
            self.met.clear()

    def give_up(self) -> bool:
        """Meet nothing any more; answers whether nothing has been met."""
        with self._lock:
            self._wanted = ""
        return not self.met.is_set()

    def cut(self) -> None:
        """Break the connection that is held, while the server lives."""
        if self._held:
            self._held.close()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        for link in list(self._links):
            link.close()

    def _serve(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(self.upstream, timeout=10)
        except OSError:  # it is down: the client hears so by the end of its connection
            return
        server.settimeout(None)
        link = Link(client, server)
        self._links.add(link)
        with server:
            back = threading.Thread(target=self._answers, args=(link,), daemon=True)
            back.start()
            with suppress(OSError, EOFError):
                self._asks(link)
            link.close()
            back.join()
        self._links.discard(link)

    def _asks(self, link: Link) -> None:
        with link.client.makefile("rb") as source:
            link.server.sendall(_greeting(link, source))
            while True:
                kind, size = struct.unpack("!cI", head := _exactly(source, 5))
                body = _exactly(source, size - 4)
                if kind in (QUERY, PARSE) and self._is_met(link, _statement(kind, body)):
                    link.over.wait()
                    return
                link.server.sendall(head + body)

    def _is_met(self, link: Link, statement: bytes) -> bool:
        """Whether this is a COMMIT that the server must not see. One whose answer is to be lost goes through."""
        if statement.startswith(b"BEGIN"):
            link.marked = False
        link.marked |= self.mark in statement
        if not (link.marked and statement.startswith(b"COMMIT")):
            return False
        link.marked = False
        with self._lock:
            how, self._wanted = self._wanted, ""
        if how == NOT_TOLD:
            link.withheld = bytearray()
        elif how == NOT_MADE:
            self._hold(link)
        return how == NOT_MADE

    def _answers(self, link: Link) -> None:
        with suppress(OSError):
            while data := link.server.recv(65536):
                if link.withheld is None:
                    link.client.sendall(data)
                else:
                    self._withhold(link, link.withheld, data)
        link.close()

    def _withhold(self, link: Link, withheld: bytearray, data: bytes) -> None:
        withheld += data
        if COMMITTED in withheld:
            self._hold(link)
        elif READY in withheld:  # the server could not commit: that is told, and the next COMMIT is met
            link.withheld = None
            with self._lock:
                self._wanted = NOT_TOLD
            link.client.sendall(withheld)

    def _hold(self, link: Link) -> None:
        self._held = link
        self.met.set()


def _greeting(link: Link, source: BinaryIO) -> bytes:
    while True:
        size, code = struct.unpack("!II", head := _exactly(source, 8))
        if code not in ENCRYPTION:
            return head + _exactly(source, size - 8)
        link.client.sendall(b"N")


def _statement(kind: bytes, body: bytes) -> bytes:
    """The text of a simple query, or of one that is prepared under a name."""
    return (body if kind == QUERY else body.partition(b"\0")[2]).lstrip().upper()


def _exactly(source: BinaryIO, size: int) -> bytes:
    data = source.read(size)
    if len(data) < size:
        raise EOFError
    return data


@contextmanager
def at_commits(dsn: str, mark: str) -> Iterator[CommitProxy]:
    proxy = CommitProxy(dsn, mark)
    thread = threading.Thread(target=proxy.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.close()
        thread.join()
