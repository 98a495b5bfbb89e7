"""The outbound gate: what is not public is not called, however it is spelled; what was checked is what is called."""

import socket
import ssl
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from connectors.protocol import Fault, SourceError
from connectors.rest.client import Clock
from connectors.rest.gate import Gate, tls_context
from connectors.rest.source import RestSource
from tests.doubles.source import TOKEN, Call, Reply, manifest_of, ok, read_all, records, scripted

PUBLIC = "93.184.216.34"


def answering(*addresses: str) -> Gate:
    return Gate(resolve=lambda _host, _port: addresses)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
        "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1",
        "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "2001:db8::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "2002:7f00:1::", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
        "2001::1",
    ],
)  # fmt: skip
def test_a_name_that_leads_to_an_address_that_is_not_public_is_refused(address: str) -> None:
    for addresses in ([address], [PUBLIC, address], [address, PUBLIC]):
        with pytest.raises(SourceError, match="not public") as caught:
            answering(*addresses).permit("https://api.example.com/v1")

        assert caught.value.fault is Fault.CONFIG
        assert address not in caught.value.message + caught.value.advice


def test_a_public_address_is_permitted_and_kept() -> None:
    for address in (PUBLIC, "2606:2800:220:1::1", "64:ff9b::5db8:d822"):
        destination = answering(address).permit("https://API.Example.com./v1?q=1")

        assert destination.addresses == (address,)
        assert destination.origin == ("https", "api.example.com", 443)


@pytest.mark.parametrize(
    "url",
    [
        "http://api.example.com/",
        "https://api.example.com:8443/",
        "https://api.example.com:22/",
        "ftp://api.example.com/",
        "file:///etc/passwd",
        "gopher://api.example.com/",
        "//api.example.com/",
        "api.example.com",
        "https://",
        "https:///path",
        "https://user@api.example.com/",
        "https://user:hunter2@api.example.com/",
        "https://api.example.com:99999/",
        "https://api.example.com:abc/",
        "https://[::1/",
        "",
    ],
)
def test_an_unusual_address_is_refused(url: str) -> None:
    with pytest.raises(SourceError, match="The call was not made") as caught:
        answering(PUBLIC).permit(url)

    assert caught.value.fault is Fault.CONFIG
    assert "hunter2" not in caught.value.message


@pytest.mark.parametrize(
    "host", ["127.1", "2130706433", "0x7f.0.0.1", "0177.0.0.1", "127.0.0.1", "[::1]", "[::ffff:7f00:1]", "localhost"]
)
def test_other_spellings_of_loopback_are_refused_by_the_real_resolver(host: str) -> None:
    with pytest.raises(SourceError):
        Gate().permit(f"https://{host}/")


@pytest.mark.parametrize(
    ("entry", "url", "open_"),
    [
        ("127.0.0.1:8123", "http://127.0.0.1:8123/x", True),
        ("127.0.0.1:8123", "http://127.0.0.1:8124/x", False),
        ("127.0.0.1:*", "http://127.0.0.1:9/x", True),
        ("127.0.0.1:*", "http://127.0.0.2:9/x", False),
        ("[::1]:80", "http://[::1]/x", True),
        ("intranet:*", "http://Intranet:8000/x", True),
        ("intranet:443", "https://intranet/x", True),
        ("intranet:443", "http://intranet/x", False),
        (" ", "http://intranet/x", False),
    ],
)
def test_the_allow_list_opens_what_it_names(entry: str, url: str, open_: bool) -> None:
    gate = Gate([entry], resolve=lambda host, _port: [host if host[0] in "1:" else "10.1.2.3"])

    if open_:
        assert gate.permit(url).addresses
    else:
        with pytest.raises(SourceError):
            gate.permit(url)


def test_an_allowed_name_never_leads_to_the_metadata_of_a_cloud() -> None:
    gate = Gate(["intranet:*"], resolve=lambda _host, _port: ["169.254.169.254"])

    with pytest.raises(SourceError, match="not public"):
        gate.permit("http://intranet/latest/meta-data")


def test_an_unknown_name_is_a_trouble_that_may_pass() -> None:
    def unknown(_host: str, _port: int) -> Collection[str]:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    with pytest.raises(SourceError, match="could not be found") as caught:
        Gate(resolve=unknown).permit("https://api.example.com/")

    assert caught.value.fault is Fault.TRANSIENT


def source_at(url: str, gate: Gate, auth: str = "{style: bearer}") -> RestSource:
    return RestSource(
        manifest_of("- {name: items, path: /items, records: data}", auth=auth, more="client: {attempts: 1}"),
        settings={"base_url": url},
        credentials={"token": TOKEN},
        gate=gate,
        clock=Clock(),
    )


def test_the_name_is_asked_once_and_the_checked_address_is_called_with_the_original_host() -> None:
    asked: list[str] = []

    def rebinding(host: str, _port: int) -> Collection[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["169.254.169.254"]

    with scripted(lambda _: ok({"data": [1]})) as server:
        gate = Gate([f"rebind.test:{server.port}"], resolve=rebinding)
        source = source_at(f"http://rebind.test:{server.port}", gate)
        read_all(source)
        read_all(source)

        assert asked == ["rebind.test"]
        assert server.calls[0].headers["host"] == f"rebind.test:{server.port}"


def test_proxy_settings_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    with scripted(lambda _: ok({"data": [1]})) as server:
        assert records(read_all(source_at(server.url, Gate(["127.0.0.1:*"])))) == [1]


def test_a_redirect_on_the_same_host_is_followed_with_the_login() -> None:
    def answer(call: Call) -> Reply:
        return Reply(status=302, headers={"Location": "/moved?x=1"}) if call.path == "/items" else ok({"data": [1]})

    with scripted(answer) as server:
        assert records(read_all(source_at(server.url, Gate(["127.0.0.1:*"])))) == [1]
        assert server.calls[1].headers["authorization"] == f"Bearer {TOKEN}"


def test_a_redirect_to_another_origin_loses_the_login() -> None:
    with scripted(lambda _: ok({"data": [2]})) as other:
        target = f"http://localhost:{other.port}/items"
        with scripted(lambda _: Reply(status=307, headers={"Location": target})) as server:
            assert records(read_all(source_at(server.url, Gate(["127.0.0.1:*", "localhost:*"])))) == [2]

        assert "authorization" not in other.calls[0].headers


def test_a_login_does_not_come_back_after_a_detour() -> None:
    with (
        scripted(lambda call: ok({"data": [3]})) as server,
        scripted(lambda _: Reply(status=302, headers={"Location": f"{server.url}/back"})) as other,
    ):
        server.answer = lambda call: (
            ok({"data": [3]}) if call.path == "/back" else Reply(status=302, headers={"Location": f"{other.url}/"})
        )
        read_all(source_at(server.url, Gate(["127.0.0.1:*"])))

        assert "authorization" not in server.calls[1].headers


@pytest.mark.parametrize("target", ["http://169.254.169.254/latest", "https://localhost/", "file:///etc/passwd"])
def test_a_redirect_into_the_inside_is_refused(target: str) -> None:
    with scripted(lambda _: Reply(status=302, headers={"Location": target})) as server:
        with pytest.raises(SourceError, match="The call was not made"):
            read_all(source_at(server.url, Gate([f"127.0.0.1:{server.port}"])))

        assert len(server.calls) == 1


def test_redirects_in_a_circle_end() -> None:
    with scripted(lambda _: Reply(status=302, headers={"Location": "/items"})) as server:
        with pytest.raises(SourceError, match="more than 5 times"):
            read_all(source_at(server.url, Gate(["127.0.0.1:*"])))

        assert len(server.calls) == 6


def test_a_token_address_goes_through_the_gate() -> None:
    auth = "{style: oauth2, token_url: 'http://169.254.169.254/token'}"
    with scripted(lambda _: ok({"data": []})) as server:
        parsed = manifest_of("- {name: items, path: /items, records: data}", auth=auth)
        source = RestSource(
            parsed,
            settings={"base_url": server.url},
            credentials={"client_id": "a", "client_secret": "b"},
            gate=Gate([f"127.0.0.1:{server.port}"]),
        )
        with pytest.raises(SourceError, match="The call was not made"):
            read_all(source)

        assert server.calls == []


def test_a_nothing_behind_the_address_is_told_as_such() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    with pytest.raises(SourceError, match="connection refused"):
        read_all(source_at(f"http://127.0.0.1:{port}", Gate(["127.0.0.1:*"])))


def self_signed(folder: Path) -> ssl.SSLContext:
    """A server's TLS with a certificate that nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "secure.test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("secure.test")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = Encoding.PEM
    file = folder / "server.pem"
    file.write_bytes(key.private_bytes(pem, PrivateFormat.PKCS8, NoEncryption()) + certificate.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


@pytest.mark.parametrize("trusted", [True, False])
def test_tls_names_the_original_host_and_needs_a_trusted_certificate(
    trusted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names: list[str] = []
    context = self_signed(tmp_path)
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "server.pem"))
    tls_context.cache_clear()

    with scripted(lambda _: ok({"data": [1]})) as server:
        server.server.socket = context.wrap_socket(server.server.socket, server_side=True)
        gate = Gate([f"secure.test:{server.port}"], resolve=lambda _host, _port: ["127.0.0.1"])
        source = source_at(f"https://secure.test:{server.port}", gate)
        if trusted:
            assert records(read_all(source)) == [1]
        else:
            with pytest.raises(SourceError, match=r'certificate of "secure.test:\d+" is not trusted') as caught:
                read_all(source)
            assert caught.value.fault is Fault.CONFIG
    tls_context.cache_clear()

    assert names == ["secure.test"]
