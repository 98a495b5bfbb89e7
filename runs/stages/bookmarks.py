"""Comparing cursor values in the source's own spelling: numbers as numbers, times as times, else as text. Pure."""

from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation


def _rank(value: str) -> tuple[int, Decimal | datetime | str]:
    try:
        return 0, Decimal(value)
    except InvalidOperation:
        pass
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return 2, value
    return 1, moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def later(left: str, right: str) -> str:
    """The later of two cursor values; an empty one is earlier than any."""
    if not left or not right:
        return left or right
    one, two = _rank(left), _rank(right)
    if one[0] != two[0]:
        return max(left, right)
    return right if two[1] > one[1] else left  # type: ignore[operator] # the same kind, as just checked


def bookmark(cursor: str, *, started_at: datetime) -> str:
    """Where the next run begins: the largest value seen, but not after the run's own start, so that what was written
    while the run was reading is read again."""
    kind, moment = _rank(cursor)
    if kind == 1 and isinstance(moment, datetime) and moment > started_at:
        return started_at.isoformat()
    return cursor
