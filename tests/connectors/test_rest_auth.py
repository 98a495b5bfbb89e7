"""Every login style sends what it should; OAuth2 renews a token once when it must, and never in a circle."""

import base64
import threading
from contextlib import AbstractContextManager
from urllib.parse import parse_qs

import pytest

from connectors.protocol import Fault, SourceError
from connectors.rest.auth import MemoryTokens, Token
from tests.doubles.source import (
    TOKEN,
    Call,
    FakeTime,
    Reply,
    ScriptedSource,
    manifest_of,
    ok,
    open_scripted,
    read_all,
    records,
    scripted,
)

ENDPOINT = "- {name: items, path: /items, records: data}"
PAGED = """
- name: items
  path: /items
  records: data
  in_flight: %d
  pagination: {style: page, size_param: size, size: 1, pages_path: pages}
"""
OAUTH = '{style: oauth2, token_url: "{{ settings.base_url }}/token", scope: read}'
CLIENT = {"client_id": "me", "client_secret": "canary-secret"}


@pytest.mark.parametrize(
    ("auth", "credentials", "header", "value"),
    [
        ("{style: bearer}", {"token": TOKEN}, "authorization", f"Bearer {TOKEN}"),
        ("{style: header, header: X-Api-Key}", {"key": "k-1"}, "x-api-key", "k-1"),
        ("{style: header, header: Authorization, prefix: Token}", {"key": "k-1"}, "authorization", "Token k-1"),
        (
            "{style: basic}",
            {"username": "ann", "password": "pä:ss"},
            "authorization",
            "Basic " + base64.b64encode("ann:pä:ss".encode()).decode(),
        ),
    ],
)
def test_a_login_is_sent_as_its_style_says(auth: str, credentials: dict[str, str], header: str, value: str) -> None:
    with scripted(lambda _: ok({"data": []})) as server:
        read_all(open_scripted(server, manifest_of(ENDPOINT, auth=auth), credentials=credentials))

        assert server.calls[0].headers[header] == value


def test_a_refused_login_says_where_and_what_to_renew() -> None:
    with scripted(lambda _: Reply(b"{}", status=401)) as server:
        source = open_scripted(server, manifest_of(ENDPOINT, auth="{style: bearer}"), credentials={"token": TOKEN})
        with pytest.raises(SourceError) as caught:
            read_all(source)

        assert len(server.calls) == 1
    assert caught.value.fault is Fault.AUTH
    assert caught.value.message == "The source refused our login (401) at 'Items', page 1."
    assert caught.value.advice == "Renew the bearer token in Data source > Credentials, then retry."


def test_a_missing_credential_is_named_before_any_call() -> None:
    with scripted(lambda _: ok({})) as server:
        source = open_scripted(server, manifest_of(ENDPOINT, auth="{style: basic}"), credentials={"username": "ann"})
        with pytest.raises(SourceError, match="Password is missing") as caught:
            read_all(source)

        assert server.calls == []
    assert caught.value.fault is Fault.AUTH


class TokenServer:
    """Issues numbered tokens and accepts those it likes."""

    def __init__(self, *, uses: int = 10**9, expires_in: float | None = 3600, pages: int = 1) -> None:
        self.uses = uses
        self.expires_in = expires_in
        self.pages = pages
        self.issued: list[Call] = []
        self.used: dict[str, int] = {}
        self.lock = threading.Lock()

    def __call__(self, call: Call) -> Reply:
        with self.lock:
            return self._token(call) if call.path == "/token" else self._items(call)

    def _token(self, call: Call) -> Reply:
        self.issued.append(call)
        self.used[f"Bearer t{len(self.issued)}"] = 0
        return ok({"access_token": f"t{len(self.issued)}", "token_type": "Bearer", "expires_in": self.expires_in})

    def _items(self, call: Call) -> Reply:
        token = call.headers["authorization"]
        self.used[token] += 1
        if self.used[token] > self.uses:
            return Reply(b"{}", status=401)
        return ok({"data": [{"page": int(call.params.get("page", 1))}], "pages": self.pages})


def oauth_pages(server: ScriptedSource, in_flight: int = 1, time: FakeTime | None = None) -> list[int]:
    parsed = manifest_of(PAGED % in_flight, auth=OAUTH)
    source = open_scripted(server, parsed, credentials=CLIENT, time=time)
    return [row["page"] for row in records(read_all(source))]


def test_a_token_is_fetched_once_and_used_for_all_pages() -> None:
    tokens = TokenServer(pages=9)

    with scripted(tokens) as server:
        assert oauth_pages(server, in_flight=4) == list(range(1, 10))

    assert parse_qs(tokens.issued[0].body.decode()) == {
        "grant_type": ["client_credentials"],
        "scope": ["read"],
        "client_id": ["me"],
        "client_secret": ["canary-secret"],
    }
    assert len(tokens.issued) == 1


def test_the_client_can_be_named_in_a_header() -> None:
    tokens = TokenServer()

    with scripted(tokens) as server:
        auth = OAUTH.replace("scope: read", "client_in: header")
        read_all(open_scripted(server, manifest_of(ENDPOINT, auth=auth), credentials=CLIENT))

    assert tokens.issued[0].headers["authorization"] == "Basic " + base64.b64encode(b"me:canary-secret").decode()
    assert b"secret" not in tokens.issued[0].body


@pytest.mark.parametrize("in_flight", [1, 4])
def test_a_token_refused_in_mid_run_is_renewed(in_flight: int) -> None:
    tokens = TokenServer(uses=7, pages=30)

    with scripted(tokens) as server:
        assert oauth_pages(server, in_flight=in_flight) == list(range(1, 31))

    assert 5 <= len(tokens.issued) <= 6


def test_calls_in_flight_renew_a_token_once() -> None:
    tokens = TokenServer(pages=12)
    barrier = threading.Barrier(4, timeout=5)
    refused: set[str] = set()

    def answer(call: Call) -> Reply:
        page = call.params.get("page", "1")
        if call.path == "/items" and page in "2345" and call.headers["authorization"] == "Bearer t1":
            refused.add(page)
            barrier.wait()
            return Reply(b"{}", status=401)
        return tokens(call)

    with scripted(answer) as server:
        assert oauth_pages(server, in_flight=4) == list(range(1, 13))

    assert refused == {"2", "3", "4", "5"}
    assert len(tokens.issued) == 2


def test_a_token_is_renewed_before_it_ends() -> None:
    tokens = TokenServer(expires_in=100, pages=3)
    time = FakeTime()

    def answer(call: Call) -> Reply:
        if call.path == "/items":
            time.sleep(50)
        return tokens(call)

    with scripted(answer) as server:
        assert oauth_pages(server, time=time) == [1, 2, 3]

    assert len(tokens.issued) == 2


def test_tokens_that_are_never_accepted_end_as_a_refused_login() -> None:
    tokens = TokenServer(uses=0)

    with scripted(tokens) as server, pytest.raises(SourceError) as caught:
        oauth_pages(server)

    assert caught.value.fault is Fault.AUTH
    assert len(tokens.issued) == 2


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_refused_renewal_is_a_refused_login(status: int) -> None:
    with scripted(lambda _: Reply(b'{"error": "invalid_client"}', status=status)) as server:
        with pytest.raises(SourceError, match="when it was asked for a token") as caught:
            oauth_pages(server)

        assert len(server.calls) == 1
    assert caught.value.fault is Fault.AUTH
    assert "client id and secret" in caught.value.advice


def test_a_token_server_in_trouble_is_tried_again() -> None:
    tokens = TokenServer()
    trouble = [Reply(b"", status=503), Reply(reset=True), Reply(b"", status=429)]

    with scripted(lambda call: trouble.pop() if trouble and call.path == "/token" else tokens(call)) as server:
        assert oauth_pages(server) == [1]


@pytest.mark.parametrize(
    "answer", [b"", b"<html>", b"{}", b'{"access_token": ""}', b'{"access_token": "x", "expires_in": -1}']
)
def test_an_answer_without_a_usable_token_says_so(answer: bytes) -> None:
    with scripted(lambda _: Reply(answer)) as server, pytest.raises(SourceError, match="none that can be used"):
        oauth_pages(server)


class SharedTokens(MemoryTokens):
    """A token store that counts who locked it."""

    locked = 0

    def lock(self) -> AbstractContextManager[object]:
        self.locked += 1
        return super().lock()


def test_a_token_that_another_worker_fetched_is_used() -> None:
    tokens, shared = TokenServer(pages=2), SharedTokens()

    with scripted(tokens) as server:
        for _ in range(3):
            parsed = manifest_of(PAGED % 1, auth=OAUTH)
            read_all(open_scripted(server, parsed, credentials=CLIENT, token_store=shared))

    assert len(tokens.issued) == 1
    assert shared.locked == 3


def test_a_stored_token_that_is_refused_is_replaced() -> None:
    tokens, shared = TokenServer(), SharedTokens()
    tokens.used["Bearer stale"] = 10**9
    shared.save(Token(value="stale", expires_at=10.0**12))

    with scripted(tokens) as server:
        parsed = manifest_of(PAGED % 1, auth=OAUTH)
        read_all(open_scripted(server, parsed, credentials=CLIENT, token_store=shared))

    assert shared.load() is not None
    assert shared.load().value == "t1"  # type: ignore[union-attr]
