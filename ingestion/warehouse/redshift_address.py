"""The address of a Redshift warehouse: where it is, who we are there, and what it needs to read from S3."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from ingestion.errors import ConfigFault

EXAMPLE: Final = (
    "redshift://user:password@host:5439/database?iam_role=arn:aws:iam::123456789012:role/name&region=eu-west-1"
)
OPTIONS: Final = {
    "iam_role": re.compile(r"default|arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+"),
    "region": re.compile(r"[a-z]{2}(-[a-z]+)+-\d"),
    "schema": re.compile(r"[a-z_][a-z0-9_]{0,62}"),
    "sslmode": re.compile(r"disable|require|verify-ca|verify-full"),
    "sslrootcert": re.compile(r".+"),
    "cluster": re.compile(r"[a-z][a-z0-9-]{0,62}"),
    "workgroup": re.compile(r"[a-z0-9-]{3,64}"),
    "endpoint_url": re.compile(r"https?://.+"),
    "grace": re.compile(r"\d{1,6}"),
}
GRACE: Final = "3600"


@dataclass(frozen=True, kw_only=True)
class RedshiftAddress:
    """A parsed address. Its text holds no credential."""

    host: str
    port: int
    database: str
    user: str
    password: str = field(repr=False)
    iam_role: str
    region: str
    schema: str = ""  # where the live tables are to be made: asked for by the check alone
    sslmode: str = "verify-full"
    sslrootcert: str = "system"
    cluster: str = ""  # without a password: whose temporary credentials we ask for
    workgroup: str = ""
    endpoint_url: str | None = None  # of S3, where it is not Amazon's
    grace: int  # seconds for which a generation that is no longer live stays readable

    @classmethod
    def parse(cls, url: str) -> "RedshiftAddress":
        """Raises ConfigFault, naming what is wrong with the address but never its password."""
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        _refuse_unknown(options)
        database = unquote(parts.path.strip("/"))
        if not parts.hostname or not database:
            raise _wrong("it lacks a host or a database")
        _refuse_missing(options, bool(parts.password))
        numbers: dict[str, Any] = {**options, "grace": int(options.get("grace", GRACE))}
        return cls(
            host=parts.hostname,
            port=_port(url),
            database=database,
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            **numbers,
        )

    def __str__(self) -> str:
        whom = f", as {self.user!r}" if self.user else ""
        return f"Redshift at {self.host}:{self.port}, database {self.database!r}{whom}"


def _refuse_unknown(options: Mapping[str, str]) -> None:
    if unknown := sorted(set(options) - set(OPTIONS)):
        raise _wrong(f"it has options that are not known: {', '.join(unknown)}")
    for name, value in options.items():
        if not OPTIONS[name].fullmatch(value):
            raise _wrong(f"its {name} is not one that can be")


def _refuse_missing(options: Mapping[str, str], password: bool) -> None:
    if missing := [name for name in ("iam_role", "region") if name not in options]:
        raise _wrong(f"it lacks {' and '.join(missing)}, which COPY needs to read from S3")
    if not password and not options.get("cluster") and not options.get("workgroup"):
        raise _wrong("it has neither a password nor a cluster or workgroup to ask for temporary credentials")


def _port(url: str) -> int:
    try:
        return urlsplit(url).port or 5439
    except ValueError as error:
        raise _wrong("its port is not a number") from error


def _wrong(reason: str) -> ConfigFault:
    return ConfigFault(f"WAREHOUSE_URL cannot be used: {reason}.", advice=f"Write it like {EXAMPLE}.")
