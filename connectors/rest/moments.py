"""Points in time as sources spell them: read from a bookmark or a manifest, written as a parameter wants them."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from connectors.manifest import Cursor
from connectors.protocol import Fault, SourceError

NUMBER: Final = re.compile(r"-?\d+(\.\d+)?")
MILLISECONDS_FROM: Final = 10**11  # beyond it a number counts milliseconds: as seconds it would lie in the year 5138


def read(text: str) -> datetime:
    """A date, an ISO 8601 time (without a zone: UTC), or seconds or milliseconds since 1970. Raises SourceError."""
    try:
        if NUMBER.fullmatch(text.strip()):
            number = float(text)
            return datetime.fromtimestamp(number / 1000 if abs(number) >= MILLISECONDS_FROM else number, UTC)
        moment = datetime.fromisoformat(text.strip())
    except (ValueError, OverflowError, OSError) as error:
        raise SourceError(
            "A point in time could not be read: it is neither a date, nor an ISO 8601 time, nor seconds since 1970.",
            fault=Fault.CONFIG,
            advice="Check `cursor` and `partition` of the endpoint in the manifest and the settings that they are made "
            "of. A bookmark that cannot be read is made anew by a destructive run.",
        ) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def write(moment: datetime, form: str) -> str:
    """A point in time as "date", "iso", "epoch" or "epoch_ms"."""
    moment = moment.astimezone(UTC)
    if form == "date":
        return moment.date().isoformat()
    if form == "epoch":
        return str(int(moment.timestamp()))
    if form == "epoch_ms":
        return str(round(moment.timestamp() * 1000))
    return moment.isoformat().replace("+00:00", "Z")


def earlier(moment: datetime, seconds: float) -> datetime:
    """So many seconds before, as far back as there are years."""
    first = datetime.min.replace(tzinfo=UTC)
    return first if (moment - first).total_seconds() < seconds else moment - timedelta(seconds=seconds)


def since(cursor: Cursor, bookmark: str | None) -> str | None:
    """What to ask for: the bookmark less the look-back, as the source spells it; `initial` where there is none yet."""
    if bookmark is None:
        return cursor.initial
    if cursor.format == "as_is" and not cursor.look_back:
        return bookmark
    form = _spelling(bookmark) if cursor.format == "as_is" else cursor.format
    return write(earlier(read(bookmark), cursor.look_back), form)


def window_start(cursor: Cursor, bookmark: str) -> str:
    """Where the answers to `since` begin, spelt as the bookmark is: a parameter in whole days asks for more."""
    asked = since(cursor, bookmark) or bookmark
    return asked if cursor.format == "as_is" else write(read(asked), _spelling(bookmark))


def _spelling(text: str) -> str:
    if NUMBER.fullmatch(text):
        return "epoch_ms" if abs(float(text)) >= MILLISECONDS_FROM else "epoch"
    return "date" if len(text) == len("2024-01-31") else "iso"
