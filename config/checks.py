"""System checks: addresses parse, every name that dispatch sends is a declared actor with limits of its own."""

from ipaddress import ip_network
from typing import Any
from urllib.parse import urlsplit

import dramatiq
from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from runs.dispatch import ROUTES

SCHEMES = {
    "STAGING_URL": {"file", "s3"},
    "WAREHOUSE_URL": {"duckdb", "postgresql", "postgres", "redshift"},
}


@register()
def addresses_parse(**_: Any) -> list[CheckMessage]:
    """Each address has a scheme that we know; the value itself is not shown, since it may hold a password."""
    found: list[CheckMessage] = []
    for name, schemes in SCHEMES.items():
        scheme = urlsplit(getattr(settings, name)).scheme
        if scheme not in schemes:
            hint = f"Use one of {', '.join(sorted(schemes))}: docs/settings.md has an example of each."
            found.append(Error(f"{name} begins with “{scheme}://”.", hint=hint, id="headgate.E001"))
    return found


@register()
def redshift_reads_from_s3(**_: Any) -> list[CheckMessage]:
    """Redshift loads from a bucket by itself: it cannot reach a folder of ours."""
    if urlsplit(settings.WAREHOUSE_URL).scheme != "redshift" or urlsplit(settings.STAGING_URL).scheme == "s3":
        return []
    hint = "Set STAGING_URL to a bucket that the warehouse's role may read: docs/redshift.md says how."
    return [Error("WAREHOUSE_URL is Redshift, but STAGING_URL is no bucket of S3.", hint=hint, id="headgate.E004")]


@register()
def proxies_are_networks(**_: Any) -> list[CheckMessage]:
    """Each trusted proxy is an address or a network: a login reads them."""
    found: list[CheckMessage] = []
    for text in settings.TRUSTED_PROXIES:
        try:
            ip_network(text, strict=False)
        except ValueError:
            hint = "Give addresses or networks, with commas between: TRUSTED_PROXIES=10.0.0.0/8,127.0.0.1"
            found.append(Error(f"TRUSTED_PROXIES has “{text}”, which is no address.", hint=hint, id="headgate.E005"))
    return found


@register()
def dispatched_names_are_actors(**_: Any) -> list[CheckMessage]:
    """What dispatch sends by name is declared, on that queue, with no limits or retries of the broker's."""
    found: list[CheckMessage] = []
    for kind, (name, queue) in ROUTES.items():
        actor = dramatiq.get_broker().actors.get(name)
        if actor is None or actor.queue_name != queue:
            found.append(
                Error(f"Tasks of kind “{kind}” go to the actor “{name}”, which is not there.", id="headgate.E002")
            )
        elif actor.options.get("max_retries") != 0 or actor.options.get("time_limit") != float("inf"):
            found.append(Error(f"The actor “{name}” leaves retries or time limits to the broker.", id="headgate.E003"))
    return found
