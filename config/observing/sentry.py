"""Errors to Sentry, where SENTRY_DSN names one. What leaves is scrubbed: no people, no bodies, no variables."""

from __future__ import annotations

from typing import Any, Final, cast

import sentry_sdk
from django.conf import settings
from sentry_sdk.types import Breadcrumb, Event, Hint

from config.observing.logs import REQUEST_ID
from connectors.secrets import IN_USE
from ingestion.marks import marks
from runs.reading.redaction import Censor

NEVER: Final = ("user", "server_name", "modules")
OF_REQUESTS: Final = ("cookies", "data", "env", "query_string", "headers")


def start(*, transport: Any = None) -> bool:
    """Begin reporting; false where no address is set. Called once, when the process starts."""
    if not settings.SENTRY_DSN:
        return False
    sentry_sdk.init(
        dsn=settings.SENTRY_DSN,
        send_default_pii=False,
        include_local_variables=False,
        max_request_body_size="never",
        traces_sample_rate=0.0,
        before_send=scrub,
        before_breadcrumb=scrub_crumb,
        transport=transport,
    )
    return True


def scrub(event: Event, _: Hint) -> Event:
    """The event without what tells of people, and with secrets blanked; with the run and request that it is of."""
    kept: dict[str, Any] = {name: value for name, value in event.items() if name not in NEVER}
    if request := kept.get("request"):
        kept["request"] = {name: value for name, value in request.items() if name not in OF_REQUESTS}
    kept["tags"] = {**(kept.get("tags") or {}), **marks(), **_request()}
    return cast(Event, Censor(known=IN_USE.values()).data(kept))


def scrub_crumb(crumb: Breadcrumb, _: Hint) -> Breadcrumb:
    return cast(Breadcrumb, Censor(known=IN_USE.values()).data(crumb))


def _request() -> dict[str, str]:
    return {"request_id": REQUEST_ID.get()} if REQUEST_ID.get() else {}
