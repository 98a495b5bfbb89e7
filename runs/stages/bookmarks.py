"""Comparing cursor values in the source's own spelling: numbers as numbers, times as times, else as text. Pure."""

from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Final

NUMBER, TIME, TEXT = range(3)
DAY_LENGTH: Final = len("2024-01-31")
MILLISECONDS_FROM: Final = 10**11  # beyond it a number counts milliseconds: as seconds it would lie in the year 5138


def _rank(value: str) -> tuple[int, Decimal | datetime | str]:
    try:
        number = Decimal(value)
        return (NUMBER, number) if number.is_finite() else (TEXT, value)
    except InvalidOperation:
        pass
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return TEXT, value
    return TIME, moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def later(left: str, right: str) -> str:
    """The later of two cursor values; an empty one is earlier than any, and so is a word beside a number or time."""
    if not left or not right:
        return left or right
    one, two = _rank(left), _rank(right)
    if one[0] != two[0]:
        return right if one[0] == TEXT else left if two[0] == TEXT else max(left, right)
    return right if two[1] > one[1] else left  # type: ignore[operator] # the same kind, as just checked


def bookmark(cursor: str, *, started_at: datetime, is_time: bool = False) -> str:
    """Where the next run begins: the largest value seen, but not after the run's own start, so that what was written
    while the run was reading is read again. Spelled as the cursor is. `is_time` says what a number counts."""
    kind, value = _rank(cursor)
    if kind == TIME and isinstance(value, datetime) and value > started_at:
        return _spelled(started_at, cursor)
    if kind == NUMBER and isinstance(value, Decimal) and is_time:
        unit = 1000 if abs(value) >= MILLISECONDS_FROM else 1
        start = int(started_at.timestamp() * unit)
        return str(start) if value > start else cursor
    return cursor


def _spelled(moment: datetime, like: str) -> str:
    """A moment, or what lies just before it, with the parts that `like` has: day, fraction of a second, zone."""
    text = like.strip()
    zone = datetime.fromisoformat(text).tzinfo
    moment = moment.astimezone(zone or UTC)
    if len(text) <= DAY_LENGTH:
        return moment.date().isoformat()
    precision = "microseconds" if "." in text else "seconds"
    separator = " " if text[DAY_LENGTH] == " " else "T"
    written = moment.replace(tzinfo=zone).isoformat(sep=separator, timespec=precision)
    return written.replace("+00:00", "Z") if text.endswith("Z") else written
