"""A manifest's text → a Manifest. Every key is read in exactly one place; what crosses endpoints is in checks.py."""

import re
from typing import Any, Final

from connectors.manifest import document
from connectors.manifest.checks import cross_check
from connectors.manifest.document import Node
from connectors.manifest.endpoints import read_endpoint, read_rules
from connectors.manifest.model import Auth, AuthStyle, Client, Credential, Manifest, Setting
from connectors.manifest.problems import ManifestError, Problem

VERSION: Final = 1
NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")
CREDENTIALS: Final[dict[AuthStyle, tuple[Credential, ...]]] = {
    AuthStyle.NONE: (),
    AuthStyle.BASIC: (
        Credential(name="username", title="User name", secret=False),
        Credential(name="password", title="Password"),
    ),
    AuthStyle.BEARER: (Credential(name="token", title="Bearer token"),),
    AuthStyle.HEADER: (Credential(name="key", title="API key"),),
    AuthStyle.OAUTH2: (
        Credential(name="client_id", title="Client id", secret=False),
        Credential(name="client_secret", title="Client secret"),
    ),
}


def parse(text: str) -> Manifest:
    """Read a manifest. Raises ManifestError with all problems, each with its path in the document."""
    value, problems = document.load(text)
    if problems:
        raise ManifestError(problems)
    if not isinstance(value, dict):
        raise ManifestError([Problem("", "the document is empty or no mapping: it needs name, base_url and endpoints")])
    manifest = _manifest(Node(value, "", problems))
    if not problems:
        problems += cross_check(manifest)
    if problems:
        raise ManifestError(problems)
    return manifest


def _manifest(node: Node) -> Manifest:
    version = node.whole("manifest", VERSION)
    if version != VERSION:
        node.wrong("manifest", f"this release reads version {VERSION} only")
    auth = _auth(node.child("auth"))
    client = _client(node.child("client"))
    rules = read_rules(node, "responses")
    defaults = node.take("defaults") or {}
    if not isinstance(defaults, dict):
        node.wrong("defaults", "must be a mapping of endpoint keys")
        defaults = {}
    endpoints = tuple(
        read_endpoint(_with_defaults(item, defaults), rules=rules, in_flight=client.in_flight)
        for item in node.children("endpoints", required=True)
    )
    manifest = Manifest(
        name=_name(node),
        title=node.text("title") or node.text("name").replace("_", " ").capitalize(),
        description=node.text("description").strip(),
        base_url=node.text("base_url", required=True).rstrip("/"),
        settings=_settings(node),
        auth=auth,
        credentials=_credentials(node, auth.style),
        client=client,
        headers=node.mapping("headers"),
        endpoints=endpoints,
    )
    node.done()
    return manifest


def _with_defaults(endpoint: Node, defaults: dict[str, Any]) -> Node:
    return Node({**defaults, **endpoint.values}, endpoint.path, endpoint.problems)


def _name(node: Node) -> str:
    name = node.text("name", required=True)
    if name and not NAME.fullmatch(name):
        node.wrong("name", f'"{name}" must be lower-case letters, digits and _, beginning with a letter')
    return name


def _settings(node: Node) -> tuple[Setting, ...]:
    found = []
    declared = node.child("settings")
    for name, value in declared.values.items():
        if not NAME.fullmatch(name):
            declared.wrong(name, "a setting's name must be lower-case letters, digits and _")
        inner = Node(value if isinstance(value, dict) else {"default": value}, declared.at(name), node.problems)
        title = inner.text("title", name.replace("_", " ").capitalize())
        default = inner.text("default") if inner.has("default") else inner.take("default")
        found.append(Setting(name=name, title=title, help=inner.text("help"), default=default))
        inner.done()
    return tuple(found)


def _credentials(node: Node, style: AuthStyle) -> tuple[Credential, ...]:
    """What the auth style asks for; `credentials` may give the fields other titles."""
    titles = node.mapping("credentials")
    known = {credential.name for credential in CREDENTIALS[style]}
    for name in sorted(set(titles) - known):
        wanted = ", ".join(sorted(known)) or "no credentials"
        node.wrong(f"credentials.{name}", f'unknown: auth style "{style}" asks for {wanted}')
    return tuple(
        Credential(name=c.name, title=titles.get(c.name, c.title), secret=c.secret) for c in CREDENTIALS[style]
    )


def _auth(node: Node) -> Auth:
    style = AuthStyle(node.choice("style", tuple(AuthStyle), AuthStyle.NONE))
    auth = Auth(style=style)
    if style is AuthStyle.HEADER:
        auth = _header_auth(node)
    elif style is AuthStyle.OAUTH2:
        auth = _oauth2(node)
    node.done()
    return auth


def _header_auth(node: Node) -> Auth:
    return Auth(style=AuthStyle.HEADER, header=node.text("header", required=True), prefix=node.text("prefix"))


def _oauth2(node: Node) -> Auth:
    return Auth(
        style=AuthStyle.OAUTH2,
        token_url=node.text("token_url", required=True),
        scope=node.text("scope"),
        client_in=node.choice("client_in", ("body", "header"), "body"),
    )


def _client(node: Node) -> Client:
    usual = Client()
    client = Client(
        requests_per_second=node.number("requests_per_second", None, least=0.001, most=100_000),
        tasks_at_once=node.whole("tasks_at_once", None, least=1, most=1_000),
        in_flight=node.whole("in_flight", usual.in_flight, least=1, most=64) or 1,
        attempts=node.whole("attempts", usual.attempts, least=1, most=20) or 1,
        connect_timeout=node.number("connect_timeout", usual.connect_timeout, least=0.1, most=120) or 0,
        read_timeout=node.number("read_timeout", usual.read_timeout, least=0.1, most=900) or 0,
        answer_timeout=node.number("answer_timeout", usual.answer_timeout, least=0.1, most=3600) or 0,
        max_answer_mb=node.number("max_answer_mb", usual.max_answer_mb, least=0.001, most=1024) or 0,
    )
    node.done()
    return client
