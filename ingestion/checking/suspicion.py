"""What makes a value of one column suspect, as SQL: a test is true wherever the judge would not let the value pass as
it is. Empty where the column's ends say that none can be.
"""

from collections.abc import Iterator
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Final

from ingestion.checking.patterns import CHECKS, FORMATS, is_safe
from ingestion.checking.schema import INTEGERS, Constraints, Place
from ingestion.checking.values import CLOCK
from ingestion.formats.duck import text
from ingestion.formats.facts import (
    DATE_LENGTH,
    DAY,
    EDGES,
    FIRST_YEAR,
    USUAL_LENGTH,
    ZONE,
    Span,
)
from ingestion.formats.shape import Leaf

SURE_DIGITS: Final = 18  # fit 64 bits
PLAIN_LENGTH: Final = 100
EXACT_LENGTH: Final = 15  # a number of so many signs comes out of a double as it went in
INTEGER: Final = f"0|-?[1-9][0-9]{{0,{SURE_DIGITS - 1}}}"
DOUBLE: Final = r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,2})?"
# A number sent as a string, where its digits are staged as they are: none that is not needed, no power of ten.
SENT_AS_TEXT: Final = r"0|-?[1-9][0-9]*|-?(?:0|[1-9][0-9]*)\.[0-9]+"
STRING: Final = r'"(?:[^"\\]|\\.)*"'
# Whole numbers of so many digits fit their type.
DIGITS: Final = {"byte": 2, "short": 4, "int": 9, "long": 18}


def suspicions(place: Place, leaf: Leaf, span: Span, *, is_sure: bool = False) -> Iterator[str]:
    """Tests for a column of this place; any of them may be null where a value is suspect. `is_sure`: its texts are of
    the place's type, and only the constraints are left to test."""
    if span.count == 0:
        return
    if place.type in INTEGERS:
        yield from _integer(place, leaf, span)
    elif place.type == "double":
        yield from _double(place, leaf, span)
    elif place.type == "boolean":
        if not {span.low, span.high} <= {"true", "false"}:
            yield f"{leaf.id} NOT IN ('true', 'false')"
        if place.constraints.enum is not None:
            yield _unlisted(place.constraints, leaf.id)
    elif place.type in ("string", "date", "date-time") and is_sure:
        yield from _constraints(place.constraints, leaf.id)
    elif place.type in ("string", "date", "date-time"):
        yield from _text(place, leaf, span)
    elif place.type in ("array", "map", "object"):
        yield from _container(place, leaf.id, span)
    elif not place.is_free:
        yield "true"


def _integer(place: Place, leaf: Leaf, span: Span) -> Iterator[str]:
    v = digits_of(leaf, span)
    is_plain = leaf.raw and span.is_numeric and not span.points and not span.powers and span.longest <= SURE_DIGITS
    if not is_plain:
        yield f"NOT regexp_full_match({leaf.id}, '{_sent(leaf, INTEGER, INTEGER)}')"
    low, high = INTEGERS[place.type]
    told = place.constraints
    if told.has_range or place.type != "long":
        low, high = _whole_range(told, low, high)
        is_unsigned = is_plain and not span.low.startswith("-")  # which sorts before all digits
        is_free = (low, high) == INTEGERS[place.type] or (is_unsigned and (low, high) == (0, INTEGERS[place.type][1]))
        if not is_plain or not is_free or span.longest > DIGITS[place.type]:
            yield f"TRY_CAST({v} AS BIGINT) NOT BETWEEN {low} AND {high}"
    if told.enum is not None:
        yield _unlisted(told, v)


def digits_of(leaf: Leaf, span: Span) -> str:
    """The SQL of a number's text, which may have been sent as a string."""
    return leaf.id if span.is_numeric or not leaf.raw else f"trim({leaf.id}, '\"')"


def _sent(leaf: Leaf, in_quotes: str, bare: str) -> str:
    return f'(?:"(?:{in_quotes})"|{bare})' if leaf.raw else bare


def _whole_range(told: Constraints, low: int, high: int) -> tuple[int, int]:
    """The least and the greatest whole number that are permitted; at least as narrow as told."""
    if told.minimum is not None:
        low = max(low, int(told.minimum.to_integral_value(ROUND_CEILING)))
    if told.above is not None:
        low = max(low, int(told.above.to_integral_value(ROUND_FLOOR)) + 1)
    if told.maximum is not None:
        high = min(high, int(told.maximum.to_integral_value(ROUND_FLOOR)))
    if told.below is not None:
        high = min(high, int(told.below.to_integral_value(ROUND_CEILING)) - 1)
    return low, high


def _double(place: Place, leaf: Leaf, span: Span) -> Iterator[str]:
    v = digits_of(leaf, span)
    if not (leaf.raw and span.is_numeric and not span.powers and span.longest <= PLAIN_LENGTH):
        spelled = _sent(leaf, SENT_AS_TEXT, DOUBLE)
        yield f"NOT (regexp_full_match({leaf.id}, '{spelled}') AND strlen({v}) <= {PLAIN_LENGTH})"
    told = place.constraints
    number = f"TRY_CAST({v} AS DOUBLE)"
    for end, sign in ((told.minimum, ">"), (told.maximum, "<"), (told.above, ">"), (told.below, "<")):
        if end is not None:
            yield f"NOT ({number} {sign} {_literal(end)}{_touching(told, end, number, v)})"
    if told.enum is not None:
        yield _unlisted(told, v)


def _touching(told: Constraints, end: Decimal, number: str, v: str) -> str:
    """At the end itself a double may hide the digit that lies beyond it."""
    if end not in (told.minimum, told.maximum) or len(str(end)) > EXACT_LENGTH:
        return ""
    return f" OR ({number} = {_literal(end)} AND strlen({v}) <= {EXACT_LENGTH})"


def _literal(number: Decimal) -> str:
    return f"CAST('{number}' AS DOUBLE)"


def _unlisted(told: Constraints, v: str) -> str:
    listed = [_spelling(value) for value in told.enum or () if isinstance(value, str | int | float)]
    return f"{v} NOT IN ({', '.join(map(text, listed))})" if listed else "true"


def _spelling(value: object) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _text(place: Place, leaf: Leaf, span: Span) -> Iterator[str]:
    v = leaf.id
    if leaf.raw:
        yield f"NOT starts_with({v}, '\"')" if place.type != "string" else f"{v}[1] IN ('t', 'f', '[', '{{')"
        v = f"(CASE WHEN starts_with({v}, '\"') THEN json_extract_string({v}, '$') ELSE {v} END)"
    elif place.type == "string":
        yield from _other_kinds(v, span)
    if place.type == "date":
        yield f"strlen({v}) <> {DATE_LENGTH} OR {v} < '{FIRST_YEAR}' OR CAST(TRY_CAST({v} AS DATE) AS VARCHAR) <> {v}"
    elif place.type == "date-time":
        yield _no_instant(v, span)
    yield from _constraints(place.constraints, v)


def _other_kinds(v: str, span: Span) -> Iterator[str]:
    """Booleans, arrays and objects that became text as they were read."""
    if span.low <= "true" and span.high >= "false":
        yield f"{v} IN ('true', 'false')"
    if span.high >= "[":
        yield f"{v} >= '[' AND {v} < '\\' OR {v} >= '{{' AND {v} < '|'"


def _no_instant(v: str, span: Span) -> str:
    usual = f"strftime(TRY_CAST({v} AS TIMESTAMP), '%Y-%m-%dT%H:%M:%SZ')"
    any_form = (
        f"regexp_full_match({v}, '{DAY}T{CLOCK}(?:\\.[0-9]{{1,6}})?{ZONE}') AND {v} >= '{FIRST_YEAR}' "
        f"AND TRY_CAST(left({v}, {DATE_LENGTH}) AS DATE) IS NOT NULL AND left({v}, {DATE_LENGTH}) NOT IN {EDGES}"
    )
    if len(span.low) == len(span.high) == USUAL_LENGTH and span.low.endswith("Z") and span.high.endswith("Z"):
        is_usual = f"strlen({v}) = {USUAL_LENGTH} AND {v} >= '{FIRST_YEAR}' AND {usual} = {v}"
        return f"NOT (CASE WHEN {is_usual} THEN true ELSE {any_form} END)"
    return f"NOT ({any_form})"


def _constraints(told: Constraints, v: str) -> Iterator[str]:
    if told.enum is not None:
        listed = [value for value in told.enum if isinstance(value, str)]
        yield f"{v} NOT IN ({', '.join(map(text, listed))})" if listed else "true"
    if told.format in CHECKS:
        spelling = FORMATS.get(told.format)
        yield f"NOT regexp_full_match({v}, {text(spelling)})" if spelling else "true"
    if told.pattern:
        yield f"NOT regexp_matches({v}, {text(told.pattern)})" if is_safe(told.pattern) else "true"
    if told.shortest:
        yield f"length({v}) < {told.shortest}"
    if told.longest is not None:
        yield f"length({v}) > {told.longest}"


def _container(place: Place, v: str, span: Span) -> Iterator[str]:
    opening, empty = ("[", "[]") if place.type == "array" else ("{", "{}")
    if not span.all_start_with(opening):
        yield f"NOT starts_with({v}, '{opening}')"
    told = place.constraints
    if told.fewest:
        yield f"json_array_length({v}) < {told.fewest}"
    if told.most is not None:
        yield f"json_array_length({v}) > {told.most}"
    if told.enum is not None or place.required or (place.fields and not all(x.is_free for x in place.fields.values())):
        yield "true"
    elif place.is_sealed or place.fields:
        yield f"{v} <> '{empty}'"
    if place.items and not (place.items.is_free and place.items.type == "any"):
        elements = _elements(place.items, is_map=place.type == "map")
        yield f"NOT regexp_full_match({v}, {text(elements)})" if elements else f"{v} <> '{empty}'"


def _elements(place: Place, *, is_map: bool) -> str:
    """An array or map of such elements, as it is spelled; empty where only the judge can tell."""
    if not place.is_free:
        return ""
    spelled = {
        **{kind: f"0|-?[1-9][0-9]{{0,{digits - 1}}}" for kind, digits in DIGITS.items()},
        "double": r"-?[0-9]{1,30}(?:\.[0-9]{1,30})?(?:[eE][+-]?[0-9]{1,2})?",
        "boolean": "true|false",
        "string": STRING,
    }.get(place.type)
    if not spelled:
        return ""
    one = f"{STRING}:(?:{spelled}|null)" if is_map else f"(?:{spelled}|null)"
    opening, closing = (r"\{", r"\}") if is_map else (r"\[", r"\]")
    return f"{opening}(?:{one}(?:,{one})*)?{closing}"
