"""How a call proves who we are: one small class per style. OAuth2 fetches its token when needed, one at a time.

Knows no pages and no retries: the client asks for headers, and reports a refused login.
"""

import base64
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Final, Protocol
from urllib.parse import quote_plus, urlencode

import msgspec

from connectors.manifest import Auth, AuthStyle
from connectors.protocol import Fault, SourceError, Usage
from connectors.rest.errors import refused_login
from connectors.rest.wire import Answer, Request

MARGIN: Final = 30.0  # a token is renewed this many seconds before it ends, at most half its life
FOREVER: Final = 10.0**12


@dataclass(frozen=True, kw_only=True)
class Token:
    """An access token. `expires_at` is in seconds since 1970; `number` tells tokens of one source apart."""

    value: str = field(repr=False)
    expires_at: float
    number: int = 0


class TokenStore(Protocol):
    """Keeps a source's token between tasks and workers."""

    def load(self) -> Token | None: ...

    def save(self, token: Token) -> None: ...

    def lock(self) -> AbstractContextManager[object]:
        """Held while a token is fetched, so that of several workers one fetches."""
        ...


class MemoryTokens:
    """A token store for one process."""

    def __init__(self) -> None:
        self._token: Token | None = None
        self._lock = threading.Lock()

    def load(self) -> Token | None:
        return self._token

    def save(self, token: Token) -> None:
        self._token = token

    def lock(self) -> AbstractContextManager[object]:
        return self._lock


class Login(Protocol):
    """`headers` for the next call; `refused` after a 401: True when another try has a chance."""

    style: AuthStyle

    def headers(self) -> tuple[Mapping[str, str], int]: ...

    def refused(self, number: int, *, renewals: int) -> bool: ...

    def accepted(self, number: int) -> None: ...


class FixedLogin:
    """Headers that never change; a refusal is final."""

    def __init__(self, style: AuthStyle, headers: Mapping[str, str]) -> None:
        self.style = style
        self._headers = headers

    def headers(self) -> tuple[Mapping[str, str], int]:
        return self._headers, 0

    def refused(self, number: int, *, renewals: int) -> bool:
        return False

    def accepted(self, number: int) -> None:
        return None


class ClientCredentials:
    """OAuth2 client credentials. Renews on expiry and on a refusal; a token that was never accepted is renewed once."""

    style = AuthStyle.OAUTH2

    def __init__(
        self,
        auth: Auth,
        credentials: Mapping[str, str],
        *,
        send: Callable[[Request], Answer],
        store: TokenStore,
        usage: Usage,
        seen: Callable[[str], None],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._auth = auth
        self._credentials = credentials
        self._send = send
        self._store = store
        self._usage = usage
        self._seen = seen
        self._now = now
        self._lock = threading.Lock()
        self._token: Token | None = None
        self._proven = -1  # the number of the last token that was accepted

    def headers(self) -> tuple[Mapping[str, str], int]:
        token = self._token
        if token is None or self._now() >= token.expires_at:
            token = self._renew(token)
        return {"Authorization": f"Bearer {token.value}"}, token.number

    def refused(self, number: int, *, renewals: int) -> bool:
        """Another thread may have renewed it already; then that token is worth a try."""
        token = self._token
        if token is not None and token.number == number:
            if self._proven != number and renewals:
                return False
            self._renew(token)
        return True

    def accepted(self, number: int) -> None:
        self._proven = max(self._proven, number)

    def _renew(self, old: Token | None) -> Token:
        with self._lock:
            current = self._token
            if current is not None and current is not old:
                return current
            with self._store.lock():
                self._token = self._from_store(old) or self._fetch(old)
            return self._token

    def _from_store(self, old: Token | None) -> Token | None:
        """The token that another worker fetched meanwhile, unless it is the old one or has ended."""
        kept = self._store.load()
        if kept is None or self._now() >= kept.expires_at or (old is not None and kept.value == old.value):
            return None
        self._seen(kept.value)
        return Token(value=kept.value, expires_at=kept.expires_at, number=_next(old))

    def _fetch(self, old: Token | None) -> Token:
        answer = self._send(self._request())
        if answer.status in (400, 401, 403):
            raise refused_login(answer.status, "when it was asked for a token", self.style)
        value, lifetime = _read_token(answer)
        self._usage.token_refreshes += 1
        self._seen(value)
        margin = min(MARGIN, lifetime / 2)
        token = Token(value=value, expires_at=self._now() + lifetime - margin, number=_next(old))
        self._store.save(token)
        return token

    def _request(self) -> Request:
        form = {"grant_type": "client_credentials"}
        if self._auth.scope:
            form["scope"] = self._auth.scope
        secret: dict[str, str] = {}
        if self._auth.client_in == "header":
            pair = [quote_plus(self._credentials[name]) for name in ("client_id", "client_secret")]
            secret["Authorization"] = _basic(*pair)
        else:
            form |= {name: self._credentials[name] for name in ("client_id", "client_secret")}
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        body = urlencode(form).encode()
        return Request(url=self._auth.token_url, method="POST", headers=headers, secret=secret, body=body)


def basic_login(username: str, password: str) -> FixedLogin:
    return FixedLogin(AuthStyle.BASIC, {"Authorization": _basic(username, password)})


def _basic(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def _next(old: Token | None) -> int:
    return 0 if old is None else old.number + 1


class _TokenAnswer(msgspec.Struct):
    access_token: str
    expires_in: float | str | None = None


def _read_token(answer: Answer) -> tuple[str, float]:
    """The token and its life in seconds. Raises SourceError when the answer holds none."""
    try:
        found = msgspec.json.decode(answer.body, type=_TokenAnswer)
        lifetime = FOREVER if found.expires_in is None else float(found.expires_in)
    except (msgspec.MsgspecError, ValueError) as error:
        raise _no_token(answer) from error
    if answer.status >= 300 or not found.access_token.strip() or not lifetime > 0:
        raise _no_token(answer)
    return found.access_token, lifetime


def _no_token(answer: Answer) -> SourceError:
    return SourceError(
        f"The source answered {answer.status} when it was asked for a token, and sent none that can be used.",
        fault=Fault.CONFIG,
        advice="Check `auth.token_url` in the manifest and the settings it is made of.",
    )
