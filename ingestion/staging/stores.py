"""Addresses of staging stores."""

import re
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from ingestion.errors import ConfigFault
from ingestion.staging.base import StagingStore
from ingestion.staging.keys import checked_key
from ingestion.staging.local import LocalStore
from ingestion.staging.s3 import S3Store

EXAMPLES: Final = "file:///var/headgate/staging or s3://bucket/prefix?region=eu-west-1"
OPTIONS: Final = ("endpoint_url", "public_endpoint_url", "region", "timeout")
BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


def open_store(url: str) -> StagingStore:
    """The store at an address; nothing is connected before it is used.

    Raises ConfigFault, which says what is wrong with the address.
    """
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if parts.scheme == "file":
        return _folder(parts.netloc, unquote(parts.path), options)
    if parts.scheme == "s3":
        if parts.username or parts.password or "@" in parts.netloc:
            raise _wrong("credentials do not belong into it; they come from the environment or the machine's role")
        return _bucket(parts.netloc, unquote(parts.path).strip("/"), options)
    raise _wrong(f"{parts.scheme!r} is not a kind of store that is known" if parts.scheme else "it is not an address")


def _folder(host: str, path: str, options: dict[str, str]) -> StagingStore:
    if host not in ("", "localhost") or not path.startswith("/") or path == "/":
        raise _wrong("after file:// comes the full path of a folder, with three slashes in all")
    if options:
        raise _wrong("a folder takes no options")
    return LocalStore(Path(path))


def _bucket(bucket: str, prefix: str, options: dict[str, str]) -> StagingStore:
    if not BUCKET.fullmatch(bucket):
        raise _wrong(f"{bucket!r} is not a bucket's name")
    if unknown := sorted(set(options) - set(OPTIONS)):
        raise _wrong(f"it has options that are not known: {', '.join(unknown)}")
    for name in ("endpoint_url", "public_endpoint_url"):
        if name in options and urlsplit(options[name]).scheme not in ("http", "https"):
            raise _wrong(f"its {name} must begin with http:// or https://")
    if prefix:
        checked_key(prefix)
    return S3Store(
        bucket,
        prefix,
        endpoint_url=options.get("endpoint_url"),
        region=options.get("region"),
        public_endpoint_url=options.get("public_endpoint_url"),
        timeout=_seconds(options.get("timeout")),
    )


def _seconds(told: str | None) -> float | None:
    if told is None:
        return None
    if not told.isascii() or not told.isdecimal() or not 0 < int(told) <= 3600:
        raise _wrong("its timeout is a whole number of seconds, 3600 at most")
    return float(told)


def _wrong(reason: str) -> ConfigFault:
    return ConfigFault(f"STAGING_URL cannot be used: {reason}.", advice=f"Write it like {EXAMPLES}.")
