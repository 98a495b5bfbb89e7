"""A manifest with one data source's settings and credentials filled in: its base address, its login, its client."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from connectors import manifest as m
from connectors.protocol import Fault, SourceError, Usage
from connectors.rest import templating
from connectors.rest.auth import ClientCredentials, FixedLogin, Login, MemoryTokens, TokenStore, basic_login
from connectors.rest.body import Limits
from connectors.rest.client import Client, Clock, Halt, Pace, Pacing
from connectors.rest.errors import Place
from connectors.rest.gate import Gate
from connectors.rest.wire import Answer, Request, Wire
from connectors.secrets import IN_USE

MEGABYTE: Final = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What a source is opened with."""

    manifest: m.Manifest
    settings: Mapping[str, str]
    credentials: Mapping[str, str] = field(repr=False)
    gate: Gate
    clock: Clock = field(default_factory=Clock)
    tokens: TokenStore = field(default_factory=MemoryTokens)
    usage: Usage = field(default_factory=Usage)
    pace: Callable[[float | None], Pacing] | None = None  # from requests a second; without one, for this source alone


class Session:
    """Opening makes no call. Raises SourceError where a setting or a credential is missing."""

    def __init__(self, setup: Setup) -> None:
        manifest = setup.manifest
        self.values = _setting_values(manifest, setup.settings)
        self.base_url = _filled(manifest.base_url, self.values).rstrip("/")
        self.wire = Wire(setup.gate, _limits(manifest.client), clock=setup.clock.steady)
        rate = manifest.client.requests_per_second
        self.client = Client(
            self.wire,
            manifest.client,
            login=self._login(setup),
            usage=setup.usage,
            clock=setup.clock,
            pace=setup.pace(rate) if setup.pace else Pace(rate, setup.clock),
        )
        self._secrets = _secret_values(manifest, setup.credentials)
        IN_USE.add(*self._secrets)

    def close(self) -> None:
        self.wire.close()
        IN_USE.remove(*self._secrets)
        self._secrets = []

    def _login(self, setup: Setup) -> Login:
        auth = setup.manifest.auth
        given = _required_credentials(setup.manifest, setup.credentials)
        if auth.style is m.AuthStyle.OAUTH2:
            return self._client_credentials(setup, given)
        if auth.style is m.AuthStyle.BASIC:
            return basic_login(given["username"], given["password"])
        if auth.style is m.AuthStyle.BEARER:
            return FixedLogin(auth.style, {"Authorization": f"Bearer {given['token']}"})
        if auth.style is m.AuthStyle.HEADER:
            return FixedLogin(auth.style, {auth.header: f"{auth.prefix} {given['key']}".strip()})
        return FixedLogin(auth.style, {})

    def _client_credentials(self, setup: Setup, given: Mapping[str, str]) -> Login:
        auth = setup.manifest.auth
        return ClientCredentials(
            replace(auth, token_url=_filled(auth.token_url, self.values), scope=_filled(auth.scope, self.values)),
            given,
            send=self._ask_for_token,
            store=setup.tokens,
            usage=setup.usage,
            seen=self._keep_secret,
            now=setup.clock.calendar,
        )

    def _ask_for_token(self, request: Request) -> Answer:
        return self.client.anonymous(request, Place(endpoint="Login"), halt=Halt())

    def _keep_secret(self, value: str) -> None:
        self._secrets.append(value)
        IN_USE.add(value)


def _setting_values(manifest: m.Manifest, given: Mapping[str, str]) -> dict[str, str]:
    values = {}
    for setting in manifest.settings:
        value = given.get(setting.name) or setting.default
        if value is None:
            raise templating.not_filled_in(setting.title)
        values[f"settings.{setting.name}"] = value.strip()
    return values


def _required_credentials(manifest: m.Manifest, given: Mapping[str, str]) -> dict[str, str]:
    missing = [credential.title for credential in manifest.credentials if not given.get(credential.name, "").strip()]
    if missing:
        raise SourceError(
            f"The login is not complete: {', '.join(missing)} is missing.",
            fault=Fault.AUTH,
            advice="Fill it in under Data source > Credentials, then retry.",
        )
    return {credential.name: given[credential.name].strip() for credential in manifest.credentials}


def _secret_values(manifest: m.Manifest, given: Mapping[str, str]) -> list[str]:
    return [given[credential.name].strip() for credential in manifest.credentials if credential.secret]


def _filled(text: str, values: Mapping[str, str]) -> str:
    try:
        return templating.fill(text, values)
    except templating.MissingValue as missing:
        raise templating.not_filled_in(missing.name) from missing


def _limits(client: m.Client) -> Limits:
    return Limits(
        connect_timeout=client.connect_timeout,
        read_timeout=client.read_timeout,
        answer_timeout=client.answer_timeout,
        max_bytes=int(client.max_answer_mb * MEGABYTE),
    )
