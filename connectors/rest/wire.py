"""One HTTP exchange at a time through the gate, over kept connections: sizes and times capped, redirects checked.

Uses the standard library's HTTP client on sockets that the gate opened. Knows no retries, no credentials' meaning and
no JSON.
"""

import http
import http.client
import re
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, cast
from urllib.parse import quote, urljoin, urlsplit

from connectors.protocol import Fault, SourceError
from connectors.rest.body import BodyReader, Limits, WireError
from connectors.rest.gate import PORTS, Destination, Gate, place

MAX_HOPS: Final = 5
REDIRECTS: Final = (301, 302, 303, 307, 308)
ENDED: Final = (http.client.BadStatusLine, ConnectionResetError, BrokenPipeError)
MAX_INTERIM: Final = 100
AGENT: Final = "Headgate/0.1"
UNSENT: Final = re.compile("[ \u0080-\U0010ffff]+")  # line breaks are refused: nobody means them


@dataclass(frozen=True, kw_only=True)
class Request:
    """`secret` headers are dropped when a redirect leaves the origin."""

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    secret: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A whole answer. Header names are in lower case; several of one name are joined by commas."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    wire_bytes: int
    seconds: float = 0.0  # as the client measured it


class _Response(http.client.HTTPResponse):
    """Passes over interim answers, like 103 Early Hints. The library does so for 100 alone."""

    def begin(self) -> None:
        for _ in range(MAX_INTERIM):
            super().begin()
            if not 100 <= self.status < 200 or self.status == http.HTTPStatus.SWITCHING_PROTOCOLS:
                return
            self.headers = self.msg = cast("http.client.HTTPMessage", None)  # else the next head is not read
        raise WireError(f"it announced an answer {MAX_INTERIM} times and gave none")


class _Connection(http.client.HTTPConnection):
    """A connection whose socket comes from the gate."""

    response_class = _Response

    def __init__(self, destination: Destination, gate: Gate, limits: Limits) -> None:
        super().__init__(destination.host, destination.port, timeout=limits.read_timeout)
        self.default_port = PORTS[destination.scheme]  # so that Host names the port only where it is unusual
        self.destination = destination
        self._gate = gate
        self._limits = limits

    def connect(self) -> None:
        self.sock = self._gate.connect(self.destination, timeout=self._limits.connect_timeout)
        self.sock.settimeout(self._limits.read_timeout)

    def is_fresh(self) -> bool:
        """Nothing has arrived while it was idle: neither the end of the connection nor bytes that nobody asked for."""
        if self.sock is None:
            return False
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return not poll.poll(0)


class Wire:
    """Kept connections to the hosts of one source. Safe to use from several threads."""

    def __init__(self, gate: Gate, limits: Limits, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.gate = gate
        self.limits = limits
        self._clock = clock
        self._lock = threading.Lock()
        self._idle: dict[tuple[str, str, int], list[_Connection]] = {}
        self._busy: set[_Connection] = set()
        self._permitted: dict[tuple[str, str, int], Destination] = {}
        self._closed = False

    def send(self, request: Request) -> Answer:
        """One answer, after redirects. Raises WireError when worth another try, else SourceError."""
        origin = self.permit(request.url).origin
        for _ in range(MAX_HOPS + 1):
            destination = self.permit(request.url)
            if destination.origin != origin:
                request = replace(request, secret={})
            answer = self._exchange(destination, request)
            target = answer.headers.get("location")
            if answer.status not in REDIRECTS or not target:
                return answer
            request = _redirected(request, target, destination)
        raise SourceError(
            f"The source redirected the call more than {MAX_HOPS} times.",
            fault=Fault.CONFIG,
            advice="Check the address in the data source's settings and the endpoint's path in the manifest.",
        )

    def permit(self, url: str) -> Destination:
        """The gate's answer, asked once for each host of this source: what was checked is what is called."""
        key = place(url)
        destination = self._permitted.get(key)
        if destination is None:
            destination = self._permitted[key] = self.gate.permit(url)
        return destination

    def touch(self, destination: Destination) -> None:
        """Connect and no more, to see whether somebody is there. Raises WireError, SourceError."""
        connection = self._take(destination)
        keep = False
        try:
            if connection.sock is None:
                connection.connect()
            keep = True
        except ssl.SSLCertVerificationError as error:
            raise _untrusted(destination) from error
        except OSError as error:
            raise WireError(_reason(error, destination)) from error
        finally:
            self._give_back(connection, keep=keep)

    def interrupt(self) -> None:
        """End what is under way: an exchange that another thread waits in ends with a WireError."""
        with self._lock:
            busy = list(self._busy)
        for connection in busy:
            _break(connection)

    def close(self) -> None:
        """Close all connections, for good."""
        with self._lock:
            self._closed = True
            idle = [connection for kept in self._idle.values() for connection in kept]
            self._idle.clear()
        for connection in idle:
            connection.close()
        self.interrupt()

    def _exchange(self, destination: Destination, request: Request) -> Answer:
        connection = self._take(destination)
        kept = connection.sock is not None
        try:
            return self._once(connection, destination, request)
        except WireError as error:
            if not kept or not isinstance(error.__cause__, ENDED):
                raise
        # the source ended the kept connection just as we used it: no trouble of the source, so once more on a new one
        return self._once(self._take(destination, fresh=True), destination, request)

    def _once(self, connection: _Connection, destination: Destination, request: Request) -> Answer:
        keep = False
        try:
            answer, keep = self._converse(connection, request)
            return answer
        except ssl.SSLCertVerificationError as error:
            raise _untrusted(destination) from error
        except (OSError, http.client.HTTPException) as error:
            raise WireError(_reason(error, destination)) from error
        finally:
            self._give_back(connection, keep=keep)
            if not keep:
                self._permitted.pop(destination.origin, None)  # its address may have changed: resolve and check again

    def _converse(self, connection: _Connection, request: Request) -> tuple[Answer, bool]:
        headers = {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": AGENT}
        headers |= {**request.headers, **request.secret}
        if connection.sock is None:  # before the next lines, since a bad certificate is a ValueError too
            connection.connect()
        try:
            connection.request(request.method, _target(request.url), body=request.body, headers=headers)
        except (ValueError, UnicodeError, http.client.InvalidURL) as error:
            raise _unsendable() from error
        response = connection.getresponse()
        try:
            body, wire_bytes = BodyReader(response, self.limits, self._clock).read()
        finally:
            response.close()
        answer = Answer(
            url=request.url, status=response.status, headers=_headers(response), body=body, wire_bytes=wire_bytes
        )
        return answer, not response.will_close

    def _take(self, destination: Destination, *, fresh: bool = False) -> _Connection:
        stale: list[_Connection] = []
        with self._lock:
            if self._closed:
                raise WireError("the source was closed")
            kept = self._idle.get(destination.origin, [])
            while kept and not kept[-1].is_fresh():
                stale.append(kept.pop())
            connection = kept.pop() if kept and not fresh else _Connection(destination, self.gate, self.limits)
            self._busy.add(connection)
        for one in stale:
            one.close()
        return connection

    def _give_back(self, connection: _Connection, *, keep: bool) -> None:
        with self._lock:
            self._busy.discard(connection)
            if keep and not self._closed:
                self._idle.setdefault(connection.destination.origin, []).append(connection)
                return
        connection.close()


def _target(url: str) -> str:
    """Path and query as they are sent: links of sources hold blanks and letters beyond ASCII as they stand."""
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return UNSENT.sub(lambda found: quote(found[0]), target)


def _redirected(request: Request, target: str, destination: Destination) -> Request:
    if request.method != "GET":
        raise SourceError(
            f"The source redirected a {request.method} call, which is not followed.",
            fault=Fault.CONFIG,
            advice="Write the final address into the data source's settings or the endpoint's path.",
        )
    return replace(request, url=urljoin(request.url, target))


def _headers(response: http.client.HTTPResponse) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in response.headers.items():
        name, value = name.lower(), _as_meant(value)
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def _as_meant(value: str) -> str:
    """A header's text: read as Latin-1, and UTF-8 where it makes sense as that."""
    try:
        return value if value.isascii() else value.encode("latin-1").decode()
    except UnicodeError:
        return value


def _reason(error: Exception, destination: Destination) -> str:
    if isinstance(error, TimeoutError):
        return "no answer came in time"
    if isinstance(error, http.client.IncompleteRead):
        return "the answer was cut short"
    if isinstance(error, http.client.RemoteDisconnected | ConnectionResetError | BrokenPipeError):
        return "the connection was closed without an answer"
    if isinstance(error, ConnectionRefusedError):
        return f"nothing listens at {destination.label} (connection refused)"
    if isinstance(error, http.client.HTTPException):
        return "the answer was no valid HTTP"
    return f"the connection failed ({type(error).__name__})"


def _untrusted(destination: Destination) -> SourceError:
    return SourceError(
        f'The certificate of "{destination.label}" is not trusted, so the call was not made.',
        fault=Fault.CONFIG,
        advice="Check the address; a private certificate authority must be installed on the server that runs Headgate.",
    )


def _unsendable() -> SourceError:
    return SourceError(
        "The call could not be written: an address, header or credential holds characters that are not allowed.",
        fault=Fault.CONFIG,
        advice="Look for line breaks and blanks in the data source's settings and credentials.",
    )


def _break(connection: _Connection) -> None:
    sock = connection.sock
    if sock is None:
        return
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:  # it ended by itself meanwhile
        return
