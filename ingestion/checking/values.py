"""Conversions of single values to the types of a schema: the table of which kind may become which type. Pure.

Values are those of `formats.decode`: str, Number (canonical text), bool, None, dict, list. What comes out is the value
as it is staged.
"""

import re
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from math import isinf
from typing import Any, Final

from ingestion.checking.schema import INTEGERS
from ingestion.formats.decode import Number, canonical
from ingestion.formats.facts import DATE_LIKE, DAY, WELL_FORMED, ZONE

NUMBER_TEXT: Final = re.compile(WELL_FORMED)
CLOCK: Final = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
INSTANT: Final = re.compile(rf"({DAY})T({CLOCK})(?:\.([0-9]{{1,9}}))?({ZONE})")
PLAIN_INTEGER: Final = re.compile("-?[0-9]+")
MICROSECONDS: Final = 6
EDGES: Final = ("0001-01-01", "9999-12-31")  # where an offset could leave the years that every warehouse knows
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MOST_MILLISECONDS: Final = 253_402_300_799_999  # the end of the year 9999
LEAST_MILLISECONDS: Final = -62_135_596_800_000  # the start of the year 1
LARGEST_POWER: Final = 400


class Misfit(Exception):
    """The value's kind may become the type, but this value does not fit it."""


class NoConversion(Exception):
    """The value's kind cannot become the type at all."""


Convert = Callable[[Any, Counter[str]], Any]  # the counter takes what was cut, by word


def kind_of(value: Any) -> str:
    """What people are told that came."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, Number):
        return "integer" if PLAIN_INTEGER.fullmatch(value) else "double"
    if isinstance(value, str):
        return "string"
    return "object" if isinstance(value, dict) else "array" if isinstance(value, list) else "null"


def converter(kind: str) -> Convert:
    return _integer(kind) if kind in INTEGERS else CONVERTERS[kind]


def _integer(kind: str) -> Convert:
    low, high = INTEGERS[kind]

    def convert(value: Any, _: Counter[str]) -> Number:
        found = whole(value)
        if not low <= found <= high:
            raise Misfit
        text = str(found)
        return value if type(value) is Number and value == text else Number(text)

    return convert


def whole(value: Any) -> int:
    """A whole number in any spelling; digits behind the point must be zeros, since none is dropped."""
    text = _spelled(value)
    if len(text) < 20 and PLAIN_INTEGER.fullmatch(text):
        return int(text)
    number = _decimal(text)
    if number != number.to_integral_value():
        raise NoConversion
    return int(number)


def decimal_of(text: str) -> Decimal | None:
    """The number's value; None where its power of ten is beyond any decimal."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def _decimal(text: str) -> Decimal:
    number = decimal_of(text)
    if number is None or (number and abs(number.adjusted()) > LARGEST_POWER):
        raise Misfit
    return number


def _spelled(value: Any) -> str:
    if type(value) is Number:
        return value
    if type(value) is str and NUMBER_TEXT.fullmatch(value):
        return value
    raise NoConversion


def _double(value: Any, _: Counter[str]) -> Number:
    text = canonical(_spelled(value))
    number = float(text)
    if isinf(number) or (number == 0.0 and decimal_of(text) != 0):
        raise Misfit
    if type(value) is Number:
        return value
    return canonical(format(Decimal(text), "f")) if _has_idle_zeros(text) else text


def _has_idle_zeros(text: str) -> bool:
    digits = text.lstrip("-")
    return len(digits) > 1 and digits[0] == "0" and digits[1].isdigit()


def _boolean(value: Any, _: Counter[str]) -> bool:
    if isinstance(value, bool):
        return value
    raise NoConversion


def _string(value: Any, _: Counter[str]) -> str:
    if type(value) is str:
        return value
    if type(value) is Number:
        return str(value)
    raise NoConversion


def _date(value: Any, _: Counter[str]) -> str:
    if type(value) is Number:
        return _instant_of(value).strftime("%Y-%m-%d").zfill(10)
    if type(value) is not str:
        raise NoConversion
    if DATE_LIKE.fullmatch(value) and _is_day(value):
        return value
    raise NoConversion


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _date_time(value: Any, cuts: Counter[str]) -> str:
    if type(value) is Number:
        return _instant_of(value).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if type(value) is not str:
        raise NoConversion
    found = INSTANT.fullmatch(value)
    if not found or not _is_day(found[1]) or (found[1] in EDGES and found[4] != "Z"):
        raise NoConversion
    fraction = found[3] or ""
    if len(fraction) <= MICROSECONDS:
        return value
    cuts["fraction"] += fraction[MICROSECONDS:].strip("0") != ""
    return f"{found[1]}T{found[2]}.{fraction[:MICROSECONDS]}{found[4]}"


def _instant_of(value: Number) -> datetime:
    """Unix milliseconds."""
    if not PLAIN_INTEGER.fullmatch(value):
        raise NoConversion
    milliseconds = int(value) if len(value) < 20 else MOST_MILLISECONDS + 1
    if not LEAST_MILLISECONDS <= milliseconds <= MOST_MILLISECONDS:
        raise Misfit
    return EPOCH + timedelta(milliseconds=milliseconds)


def _object(value: Any, _: Counter[str]) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    raise NoConversion


def _array(value: Any, _: Counter[str]) -> list[Any]:
    if isinstance(value, list):
        return value
    raise NoConversion


CONVERTERS: Final[dict[str, Convert]] = {
    "double": _double,
    "boolean": _boolean,
    "string": _string,
    "date": _date,
    "date-time": _date_time,
    "object": _object,
    "map": _object,
    "array": _array,
}
