"""Exact reading of one record: numbers keep their digits, and what no warehouse can hold is replaced and counted."""

import json
import re
from collections import Counter
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from json.encoder import encode_basestring
from typing import Any, Final

from ingestion.blueprint.types import MAX_DIGITS

UNFIT: Final = re.compile("[\0\ud800-\udfff]")
DEEPEST: Final = 120  # brackets within brackets; DuckDB's JSON stops at 128


class Number(str):
    """A number as canonical text: plain decimals up to 38 digits, else with a power of ten."""

    __slots__ = ()
    kind = "number"


class NotANumber:
    """NaN or an infinity, on its way to become null."""

    kind = "number"


class Unreadable(Exception):
    """A record that cannot be taken; the argument is the reason's code."""


def canonical(number: str) -> Number:
    """The number's text: digits as the source gave them, powers of ten written out where 38 digits have room."""
    if not ("e" in number or "E" in number):
        return Number("0" if number == "-0" else number)
    try:
        sign, digits, exponent = Decimal(number).as_tuple()
    except InvalidOperation:  # an exponent beyond any decimal
        return Number(number.lower())
    if not isinstance(exponent, int):
        return Number(number.lower())
    if max(len(digits) + exponent, 0) + max(-exponent, 0) <= MAX_DIGITS:
        return Number(format(Decimal(number), "f"))
    figures = "".join(map(str, digits)).rstrip("0") or "0"
    power = exponent + len(digits) - 1
    fraction = f".{figures[1:]}" if figures[1:] else ""
    return Number(f"{'-' if sign else ''}{figures[0]}{fraction}e{power}" if figures != "0" else "0")


class Decoder:
    """Decodes records; `losses` counts by (code, key) what was replaced. One per pass, one thread."""

    def __init__(self) -> None:
        self.losses: Counter[tuple[str, str]] = Counter()
        self._nan = NotANumber()
        self._decode: Callable[[str], Any] = json.JSONDecoder(
            object_pairs_hook=self._object,
            parse_int=canonical,
            parse_float=canonical,
            parse_constant=self._constant,
            strict=False,
        ).decode

    def record(self, line: bytes) -> dict[str, Any]:
        """One record. Raises Unreadable."""
        try:
            value = self._decode(line.decode())
        except RecursionError as error:
            raise Unreadable("too_deep") from error
        except ValueError as error:
            raise Unreadable("bad_json") from error
        if not isinstance(value, dict):
            raise Unreadable("not_an_object")
        return value

    def _constant(self, _: str) -> Any:
        return self._nan

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if any(UNFIT.search(key) for key in found):
            pairs = [(self.clean(key, key), value) for key, value in pairs]
            found = dict(pairs)
        if len(found) < len(pairs):
            times = Counter(key for key, _ in pairs)
            self.losses.update({("duplicate_key", key): count - 1 for key, count in times.items() if count > 1})
        return found

    def clean(self, value: str, column: str) -> str:
        """A string without U+0000 and lone surrogates."""
        if UNFIT.search(value) is None:
            return value
        column = UNFIT.sub("", column)
        kept = value.replace("\0", "")
        self.losses["nul_removed", column] += len(value) - len(kept)
        clean = UNFIT.sub("\ufffd", kept)
        self.losses["surrogate_replaced", column] += sum(a != b for a, b in zip(kept, clean, strict=True))
        return clean

    def plain(self, value: Any, column: str) -> str | None:
        """The text of a value in a column of plain strings."""
        if type(value) is str:
            return self.clean(value, column)
        return self.raw(value, column)

    def raw(self, value: Any, column: str) -> str | None:
        """The JSON text of a value; None for null."""
        if value is None:
            return None
        if value is self._nan:
            self.losses["nan_to_null", column] += 1
            return None
        return self._json(value, column, DEEPEST)

    def _json(self, value: Any, column: str, depth: int) -> str:
        if type(value) is Number:
            return str(value)  # plain: encoders refuse subclasses
        if isinstance(value, str):
            return encode_basestring(self.clean(value, column))
        if depth == 0:
            raise Unreadable("too_deep")
        if isinstance(value, dict):
            parts = (f"{encode_basestring(key)}:{self._json(item, column, depth - 1)}" for key, item in value.items())
            return "{" + ",".join(parts) + "}"
        if isinstance(value, list):
            return "[" + ",".join(self._json(item, column, depth - 1) for item in value) + "]"
        return {True: "true", False: "false"}.get(value) or self.raw(value, column) or "null"
