"""The one outbound gate: which addresses may be called, and the socket to exactly the address that was checked.

A name is resolved once; when any of its addresses is not a public one the call is refused, and the connection goes to
a checked address, so that a name cannot answer differently between the check and the call. Never reads proxy settings.
"""

import functools
import ipaddress
import socket
import ssl
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

import certifi

from connectors.protocol import Fault, SourceError

PORTS: Final = {"https": 443, "http": 80}
NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
COMPATIBLE: Final = ipaddress.ip_network("::/96")  # IPv4 in the last 32 bits, deprecated
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolver = Callable[[str, int], Collection[str]]


@dataclass(frozen=True, kw_only=True)
class Destination:
    """A checked place to call. `host` is what Host and SNI say, `addresses` where the connection may go."""

    scheme: str
    host: str
    port: int
    addresses: tuple[str, ...]

    @property
    def origin(self) -> tuple[str, str, int]:
        return (self.scheme, self.host, self.port)

    @property
    def label(self) -> str:
        """What people are shown: "api.example.com", with the port only where it is unusual."""
        return self.host if self.port == PORTS[self.scheme] else f"{self.host}:{self.port}"


def place(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of an address, normalised. Raises SourceError where it cannot be read."""
    parts = _split(url)
    return parts.scheme, _host(parts), _port(parts)


class Gate:
    """Says yes or no to an address and opens the socket. Safe to share between threads.

    `allow` names what is open beyond public https: "127.0.0.1:8123", "127.0.0.1:*", "[::1]:8123", "intranet.host:*".
    """

    def __init__(self, allow: Collection[str] = (), *, resolve: Resolver | None = None) -> None:
        self._allow = frozenset(entry.strip().lower() for entry in allow if entry.strip())
        self._resolve = resolve or _resolve

    def permit(self, url: str) -> Destination:
        """Check an address and resolve its name. Raises SourceError: CONFIG when refused, TRANSIENT when DNS fails."""
        scheme, host, port = place(url)
        allowed = self._is_allowed(host, port)
        if not allowed:
            _refuse_unusual(scheme, host, port)
        addresses = self._addresses(host, port)
        for address in addresses:
            if not _may_call(address, host=host, allowed=allowed):
                raise _refused(f'"{host}" leads to an address that is not public', f"{host}:{port}")
        return Destination(scheme=scheme, host=host, port=port, addresses=addresses)

    def connect(self, destination: Destination, *, timeout: float) -> socket.socket:
        """A connected socket, with TLS for https, to the first checked address that answers. Raises OSError."""
        problem: OSError = OSError("no address")
        for address in destination.addresses:
            try:
                plain = socket.create_connection((address, destination.port), timeout=timeout)
            except OSError as error:
                problem = error
                continue
            return _with_tls(plain, destination)
        raise problem

    def _is_allowed(self, host: str, port: int) -> bool:
        shown = f"[{host}]" if ":" in host else host
        return bool({f"{shown}:{port}", f"{shown}:*"} & self._allow)

    def _addresses(self, host: str, port: int) -> tuple[str, ...]:
        try:
            found = tuple(dict.fromkeys(self._resolve(host, port)))
        except (OSError, UnicodeError) as error:
            raise _unknown_host(host) from error
        if not found:
            raise _unknown_host(host)
        return found


def _resolve(host: str, port: int) -> Collection[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises on a port that is no number
    except ValueError as error:
        raise _refused("the address cannot be read", "") from error
    if parts.scheme not in PORTS or not parts.hostname:
        raise _refused("the address must begin with https:// and a host name", "")
    if parts.username is not None or parts.password is not None:
        raise _refused("the address must hold no user name or password", "")
    return parts


def _host(parts: SplitResult) -> str:
    host = (parts.hostname or "").rstrip(".").lower()
    try:
        return host if host.isascii() else host.encode("idna").decode()
    except UnicodeError as error:
        raise _refused("the host name cannot be read", "") from error


def _port(parts: SplitResult) -> int:
    return PORTS[parts.scheme] if parts.port is None else parts.port


def _refuse_unusual(scheme: str, host: str, port: int) -> None:
    if scheme != "https":
        raise _refused(f'"{host}" would be called without encryption (http)', f"{host}:{port}")
    if port not in PORTS.values():
        raise _refused(f'"{host}" would be called on the unusual port {port}', f"{host}:{port}")


def _may_call(text: str, *, host: str, allowed: bool) -> bool:
    """An allowed name may lead to a private address, but to a link-local one (cloud metadata) only by its number."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if allowed:
        return text == host or not any(one.is_link_local for one in _readings(address))
    return all(one.is_global and not one.is_multicast and not _is_site_local(one) for one in _readings(address))


def _readings(address: Address) -> Iterator[Address]:
    """The address, and each IPv4 address that hides in an IPv6 one."""
    yield address
    if not isinstance(address, ipaddress.IPv6Address):
        return
    if address in NAT64 or address in COMPATIBLE:
        yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    hidden = (address.ipv4_mapped, address.sixtofour)
    yield from (one for one in hidden if one is not None)


def _is_site_local(address: Address) -> bool:
    return isinstance(address, ipaddress.IPv6Address) and address.is_site_local


def _with_tls(plain: socket.socket, destination: Destination) -> socket.socket:
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if destination.scheme == "http":
        return plain
    try:
        return tls_context().wrap_socket(plain, server_hostname=destination.host)
    except BaseException:  # whatever stopped it, the socket is nobody's then
        plain.close()
        raise


@functools.cache
def tls_context() -> ssl.SSLContext:
    """The system's certificates, which a company may have extended; without a system store those of certifi."""
    context = ssl.create_default_context()
    paths = ssl.get_default_verify_paths()
    if not (paths.cafile or paths.capath):
        context.load_verify_locations(certifi.where())
    return context


def _refused(reason: str, entry: str) -> SourceError:
    by_hand = f' or, if this host is meant, have an administrator add "{entry}" to the allowed hosts' if entry else ""
    return SourceError(
        f"The call was not made: {reason}.",
        fault=Fault.CONFIG,
        advice=f"Correct the address in the data source's settings{by_hand}.",
    )


def _unknown_host(host: str) -> SourceError:
    return SourceError(
        f'The host name "{host}" could not be found (DNS).',
        fault=Fault.TRANSIENT,
        advice="Check the spelling of the address in the data source's settings; if it is right, retry later.",
    )
