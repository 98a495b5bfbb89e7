"""Types and staged texts of columns whose values are few and in memory: what `formats.facts` finds with SQL, found
without opening a database. Both must say the same; a property test holds them to it.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from ingestion.blueprint.types import (
    BOOLEAN,
    DATE,
    DOUBLE_DIGITS,
    JSON,
    MAX_DIGITS,
    NULL,
    TEXT,
    TIMESTAMP,
    Type,
    number,
)
from ingestion.formats.facts import DATE_LENGTH, DATE_LIKE, DAY, FIRST_YEAR, NUMERIC, TIME, TIME_LIKE, ZONE

Texts = list[str | None]
INSTANT: Final = re.compile(f"{DAY}(?:[T ]{TIME}{ZONE}?)?")
OFFSET: Final = re.compile(r"T?[ 0-9:.]+[+-][0-9:]+\Z")
EDGES: Final = ("0001-01-01", "9999-12-31")
NO_POWER: Final = 9999  # a power of ten beyond any number


@dataclass(frozen=True)
class Settled:
    """A column as it is staged."""

    texts: Texts
    type: Type
    too_long: int = 0


def settle(texts: Texts, *, raw: bool) -> Settled:
    """Type and staged texts of one column. `raw` texts are JSON, others plain strings."""
    values = [text for text in texts if text is not None]
    if not values:
        return Settled(texts, NULL)
    if not raw:
        return Settled(texts, _of_strings(values))
    low, high = min(values), max(values)
    if low[0] in NUMERIC and high[0] in NUMERIC:
        return _numbers(texts, values)
    if {low, high} <= {"true", "false"}:
        return Settled(texts, BOOLEAN)
    if (low[0] == high[0] and low[0] in "[{") or all(value[0] in "[{" for value in values):
        return Settled(texts, JSON)
    plain = [json.loads(text, strict=False) if text is not None and text[0] == '"' else text for text in texts]
    if low[0] == high[0] == '"':
        return Settled(plain, _of_strings([text for text in plain if text is not None]))
    return Settled(plain, TEXT)


def _of_strings(values: Sequence[str]) -> Type:
    ends = (min(values), max(values))
    if not all(TIME_LIKE.fullmatch(end) or DATE_LIKE.fullmatch(end) for end in ends):
        return TEXT
    if all(DATE_LIKE.fullmatch(value) and _is_day(value) for value in values):
        return DATE
    return TIMESTAMP if all(_is_instant(value) for value in values) else TEXT


def _is_day(value: str) -> bool:
    try:
        date.fromisoformat(value[:DATE_LENGTH])
    except ValueError:
        return False
    return value >= FIRST_YEAR


def _is_instant(value: str) -> bool:
    if INSTANT.fullmatch(value) is None or not _is_day(value):
        return False
    return not (value[:DATE_LENGTH] in EDGES and OFFSET.search(value))


def _numbers(texts: Texts, values: Sequence[str]) -> Settled:
    powers = any("e" in value for value in values)
    if not powers and not any("." in value for value in values):
        return _whole(texts, values)
    plain = None if powers else _plain_decimal(values)
    return Settled(texts, plain) if plain else _decimal(texts, values, powers=powers)


def _whole(texts: Texts, values: Sequence[str]) -> Settled:
    longest = max(map(len, values))
    if longest <= 18:
        return Settled(texts, number(whole=longest, scale=0, digits=longest, fits_64_bits=True))
    figures = [value.lstrip("-") for value in values]
    digits = max(map(len, figures))
    significant = max(max(len(figure.rstrip("0")) for figure in figures), 1)
    fitting = all(-(2**63) <= int(value) < 2**63 for value in values if len(value) <= 20) and longest <= 20
    kind = number(whole=digits, scale=0, digits=significant, fits_64_bits=fitting)
    if kind.kind == "integer":
        kind = Type("integer", digits, 0, digits)
    return Settled(texts, kind, _lost(kind, sum(len(figure) > MAX_DIGITS for figure in figures)))


def _plain_decimal(values: Sequence[str]) -> Type | None:
    points = [value.find(".") + 1 for value in values]
    after = max(len(value) - point if point else 0 for value, point in zip(values, points, strict=True))
    whole = max(0 if point else len(value) for value, point in zip(values, points, strict=True))
    width = max(max(points) - 1, whole)
    if width + after > DOUBLE_DIGITS:
        return None
    return number(whole=width, scale=after, digits=width + after, fits_64_bits=False)


def _decimal(texts: Texts, values: Sequence[str], *, powers: bool) -> Settled:
    sizes = [_size(value) for value in values]
    whole, scale = max(size[0] for size in sizes), max(size[1] for size in sizes)
    digits = max(max(size[2] for size in sizes), 1)
    kind = number(whole=whole, scale=scale, digits=digits, fits_64_bits=False)
    if powers and kind.kind == "numeric":
        texts = [_written_out(text, scale) if text is not None and "e" in text else text for text in texts]
    return Settled(texts, kind, _lost(kind, sum(size[0] + size[1] > MAX_DIGITS for size in sizes)))


def _size(value: str) -> tuple[int, int, int]:
    """Digits before and after the point, and significant ones."""
    mantissa, _, exponent = value.partition("e")
    power = int(exponent) if exponent else 0
    if abs(power) >= 2**31:
        power = NO_POWER
    whole, _, fraction = mantissa.partition(".")
    whole = whole.lstrip("-0")
    return max(0, len(whole) + power), max(0, len(fraction) - power), len((whole + fraction).strip("0"))


def _written_out(text: str, scale: int) -> str:
    plain = format(Decimal(text), "f")
    return plain.rstrip("0").rstrip(".") if scale and "." in plain else plain


def _lost(kind: Type, long: int) -> int:
    return max(long, 1) if kind.kind == "text" else 0
