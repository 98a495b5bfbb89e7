"""The lattice of column types and its join.

    boolean    integer → numeric(38, s) → double    date → timestamp    json    anything → text

Numbers carry the digits they have been seen with, so that the join is exact: a number column is `integer` while all
values fit 64 bits, `numeric` while `whole + scale` is at most 38, `double` beyond that while no value needs more than
15 significant digits, else `text`. `join` is commutative, associative and idempotent, and only ever widens. Pure.
"""

from dataclasses import dataclass
from typing import Final

MAX_DIGITS: Final = 38
DOUBLE_DIGITS: Final = 15
KINDS: Final = ("null", "boolean", "integer", "numeric", "double", "date", "timestamp", "json", "text")
NUMBERS: Final = ("integer", "numeric", "double")


@dataclass(frozen=True)
class Type:
    """A column type. For numbers: `whole` digits before the point, `scale` after it, `digits` significant ones."""

    kind: str
    whole: int = 0
    scale: int = 0
    digits: int = 0

    def __str__(self) -> str:
        return f"{self.kind}({self.whole},{self.scale},{self.digits})" if self.kind in NUMBERS else self.kind

    @property
    def label(self) -> str:
        """The word people are shown: "numeric(38,2)", "integer", "text"."""
        return f"numeric({MAX_DIGITS},{self.scale})" if self.kind == "numeric" else self.kind

    @classmethod
    def parse(cls, word: str) -> "Type":
        """The reverse of `str`; bare words as a manifest declares them are understood too. Raises ValueError."""
        kind, _, arguments = word.partition("(")
        if kind not in KINDS:
            raise ValueError(f"unknown type {word!r}: use one of {', '.join(KINDS[1:])}")
        if not arguments:
            return DECLARED.get(kind, cls(kind))
        parts = [int(part) for part in arguments.removesuffix(")").split(",") if part.strip().isdecimal()]
        if len(parts) == arguments.count(",") + 1 and kind in NUMBERS:
            if len(parts) == 3:
                return cls(kind, *parts)
            precision, scale = (*parts, 0)[:2]
            if kind == "numeric" and 0 < precision <= MAX_DIGITS and scale <= precision:  # as a manifest declares it
                return cls(kind, precision - scale, scale, precision)
        raise ValueError(f"cannot read the type {word!r}: write numeric(precision, scale) with at most 38 digits")


NULL: Final = Type("null")  # a column of which only nulls have been seen
BOOLEAN: Final = Type("boolean")
DATE: Final = Type("date")
TIMESTAMP: Final = Type("timestamp")
JSON: Final = Type("json")
TEXT: Final = Type("text")
INTEGER: Final = Type("integer", 19, 0, 19)
DECLARED: Final = {
    "integer": INTEGER,
    "numeric": Type("numeric", 28, 10, 38),
    "double": Type("double", 308, 323, DOUBLE_DIGITS),
}


def number(*, whole: int, scale: int, digits: int, fits_64_bits: bool) -> Type:
    """The narrowest number type with room for these digits; text where nothing keeps them."""
    if scale == 0 and fits_64_bits:
        return Type("integer", whole, 0, digits)
    if whole + scale <= MAX_DIGITS:
        return Type("numeric", whole, scale, digits)
    return Type("double", whole, scale, digits) if digits <= DOUBLE_DIGITS and whole <= 308 and scale <= 323 else TEXT


def join(left: Type, right: Type) -> Type:
    """The narrowest type that holds every value of both without changing any."""
    if left == right or right.kind == "null":
        return left
    if left.kind == "null":
        return right
    if left.kind in NUMBERS and right.kind in NUMBERS:
        return number(
            whole=max(left.whole, right.whole),
            scale=max(left.scale, right.scale),
            digits=max(left.digits, right.digits),
            fits_64_bits=left.kind == right.kind == "integer",
        )
    return TIMESTAMP if {left.kind, right.kind} == {"date", "timestamp"} else TEXT


def fits(seen: Type, declared: Type) -> bool:
    """May a column whose values are `seen` be `declared`? A declared double takes any number: that is its point."""
    if seen.kind == "null" or seen.kind == declared.kind == "json" or declared.kind == "text":
        return True
    if declared.kind == "double":
        return seen.kind in NUMBERS and seen.whole <= 308
    if declared.kind == "integer":
        return seen.kind == "integer"
    if declared.kind == "numeric":
        return seen.kind in NUMBERS and seen.whole <= declared.whole and seen.scale <= declared.scale
    return join(seen, declared) == declared
