"""The tokens that open /v1: a fixed one, and those given out by /oauth/token, which wear out."""

import hmac
import secrets
import time
from dataclasses import dataclass
from urllib.parse import parse_qs

from runs.demo.switches import Switches
from runs.demo.wire import BadCallError, Request

CLIENT_ID = "demo"
CLIENT_SECRET = "demo-secret"  # noqa: S105 - the public secret of a demo
FIXED_TOKEN = "demo-token"  # noqa: S105 - as above


@dataclass
class Issued:
    until: float  # on the monotonic clock
    calls_count: int = 0


class Tokens:
    """Gives out tokens and says which are good."""

    def __init__(self, fixed: str) -> None:
        self._fixed = fixed.encode()
        self._issued: dict[str, Issued] = {}

    def issue(self, request: Request, switches: Switches) -> dict[str, object]:
        """The answer of the token endpoint. Raises BadCallError where the form or the client is wrong."""
        form = {name: values[0] for name, values in parse_qs(request.body.decode("utf-8", "replace")).items()}
        if form.get("grant_type") != "client_credentials":
            raise BadCallError(400, "unsupported_grant_type", "grant_type must be client_credentials.")
        if form.get("client_id") != CLIENT_ID or form.get("client_secret") != CLIENT_SECRET:
            raise BadCallError(401, "invalid_client", "The client id or secret is wrong.")
        now = time.monotonic()
        self._issued = {token: issued for token, issued in self._issued.items() if issued.until > now}
        token = secrets.token_urlsafe(24)
        self._issued[token] = Issued(now + switches.token_ttl)
        return {"access_token": token, "token_type": "Bearer", "expires_in": int(switches.token_ttl)}

    def check(self, request: Request, switches: Switches) -> None:
        """Count a call against its token. Raises BadCallError where the token does not open the door."""
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not self._is_good(token.strip(), switches):
            message = "The access token is missing, wrong, expired or used up."
            raise BadCallError(401, "invalid_token", message, {"WWW-Authenticate": 'Bearer error="invalid_token"'})

    def _is_good(self, token: str, switches: Switches) -> bool:
        if hmac.compare_digest(token.encode(), self._fixed):
            return switches.fixed_token_valid
        issued = self._issued.get(token)
        if issued is None or issued.until <= time.monotonic():
            return False
        issued.calls_count += 1
        return not switches.token_requests or issued.calls_count <= switches.token_requests
