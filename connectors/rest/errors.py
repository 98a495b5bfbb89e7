"""An answer or a broken exchange → the SourceError that a support person reads. Messages never hold a URL's query,
a credential or a record's values."""

from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final

from connectors.manifest import AuthStyle
from connectors.protocol import Fault, SourceError

MAX_WAIT: Final = 900.0  # a Retry-After beyond 15 minutes is cut to it
RENEW: Final = {
    AuthStyle.NONE: "This source now asks for a login: choose an auth style in the manifest.",
    AuthStyle.BASIC: "Renew the user name and password in Data source > Credentials, then retry.",
    AuthStyle.BEARER: "Renew the bearer token in Data source > Credentials, then retry.",
    AuthStyle.HEADER: "Renew the API key in Data source > Credentials, then retry.",
    AuthStyle.OAUTH2: "Renew the client id and secret in Data source > Credentials, then retry.",
}


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a call stands, in the words of the page: at 'Surveys', page 3."""

    endpoint: str
    page: int | None = None

    def __str__(self) -> str:
        page = "" if self.page is None else f", page {self.page}"
        return f"at '{self.endpoint}'{page}"


class Stopped(Exception):
    """The caller wants no more: unwind quietly."""


def for_status(status: int, place: Place, style: AuthStyle) -> SourceError:
    """What a status means that is no success, when it cannot be tried again."""
    if status in (401, 403):
        return refused_login(status, place, style)
    if status == 404:
        return SourceError(
            f"The source knows no such address (404) {place}.",
            fault=Fault.CONFIG,
            advice="Check the address in the data source's settings and the endpoint's path in the manifest.",
        )
    return SourceError(
        f"The source refused the call ({status}) {place}.",
        fault=Fault.CONFIG,
        advice="Check the endpoint's path, params and body in the manifest against the source's documentation.",
    )


def refused_login(status: int, place: Place | str, style: AuthStyle) -> SourceError:
    where = f" {place}" if place else ""
    what = "our login" if status == 401 else "us access"
    advice = RENEW[style]
    if status == 403:
        advice = f"Give this login the right to read it at the source. {advice}"
    return SourceError(f"The source refused {what} ({status}){where}.", fault=Fault.AUTH, advice=advice)


def gave_up(reason: str, place: Place, attempts: int) -> SourceError:
    times = "once" if attempts == 1 else f"{attempts} times"
    return SourceError(
        f"The source could not be read {place}: {reason}. Tried {times}.",
        fault=Fault.TRANSIENT,
        advice="If it goes on, check the address in the data source's settings and ask the source's operator.",
    )


def busy(place: Place, wait: float) -> SourceError:
    return SourceError(
        f"The source asked us to slow down {place}, and to come back in {wait:,.0f} seconds.",
        fault=Fault.RATE_LIMITED,
        advice="Nothing to do: it goes on by itself. If it happens often, lower `client.requests_per_second`.",
        retry_after=wait,
    )


def retry_after(header: str | None, *, now: float) -> float | None:
    """The wait that a Retry-After header asks for, at most MAX_WAIT; None when absent, past or unreadable."""
    text = (header or "").strip()
    if not text:
        return None
    try:
        wait = float(text)
    except ValueError:
        wait = _until(text, now)
    return min(wait, MAX_WAIT) if wait >= 0 else None  # NaN compares false


def _until(text: str, now: float) -> float:
    try:
        moment = parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return -1.0
    return moment - now
