"""Casts of delimited text to the types of a schema, as SQL: whether a text is one of the type, and how it is staged."""

from dataclasses import dataclass
from typing import Final

from ingestion.checking.schema import INTEGERS, Place
from ingestion.checking.suspicion import DIGITS
from ingestion.checking.values import CLOCK, LEAST_MILLISECONDS
from ingestion.formats.facts import DATE_LENGTH, DAY, EDGES, FIRST_YEAR, USUAL_LENGTH, USUAL_TIME, WELL_FORMED, ZONE

MILLISECONDS: Final = "-?[0-9]{1,14}"
FIRST_SPELLED, LAST_SPELLED = "19000101", "21001231"
STRING: Final = r'"(?:[^"\\]|\\.)*"'
USUAL_NUMBER: Final = r"-?[0-9]{1,15}(?:\.[0-9]{1,15})?"  # which a double holds, far from its ends
ODD: Final = r"(?i)nan|inf|,\s*[\]}]"  # outside of strings
NO_BRACKETS: Final = r"[^\[\]{}]+"
PAIR: Final = r"\[\]|\{\}"
HALF: Final = r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}|(\\.)"  # a backslash that is escaped itself begins nothing
DOCUMENTS: Final = ("object", "map", "array")


@dataclass(frozen=True)
class Cast:
    """`test` is true where the text is one of the type; `staged` is what becomes of it then."""

    test: str
    staged: str
    usual: str = ""  # a quicker test for most texts of the type, staged as they are


def cast_of(place: Place, v: str, *, nesting: int) -> Cast | None:
    """The cast of the text `v` to a place's type; None where any text will do. `nesting`: how deep JSON may be."""
    if place.type in INTEGERS:
        low, high = INTEGERS[place.type]
        number = f"TRY_CAST({v} AS BIGINT)"
        plain = f"regexp_full_match({v}, '[+-]?[0-9]+')"
        usual = f"regexp_full_match({v}, '0|-?[1-9][0-9]{{0,{DIGITS[place.type] - 1}}}')"
        return Cast(f"{number} BETWEEN {low} AND {high} AND {plain}", f"CAST({number} AS VARCHAR)", usual)
    if place.type == "double":
        number = f"TRY_CAST({v} AS DOUBLE)"
        # what is not nothing and becomes zero is beyond what a double holds
        return Cast(
            f"isfinite({number}) AND regexp_full_match({v}, '{WELL_FORMED}') "
            f"AND ({number} <> 0 OR NOT regexp_matches(split_part(lower({v}), 'e', 1), '[1-9]'))",
            v,
            f"regexp_full_match({v}, '{USUAL_NUMBER}')",
        )
    if place.type == "boolean":
        return Cast(f"lower({v}) IN ('true', 'false')", f"lower({v})", f"{v} IN ('true', 'false')")
    if place.type == "date":
        return _date(v)
    if place.type == "date-time":
        return _date_time(v)
    if place.type in DOCUMENTS:
        return _document(v, "[" if place.type == "array" else "{", nesting)
    return None


def _document(v: str, opening: str, nesting: int) -> Cast:
    """JSON as all warehouses know it: the engine takes NaN and infinities for numbers. What it does not take, halves of
    a character, is replaced before it is staged."""
    bare = f"regexp_replace({v}, '{STRING}', '0', 'g')"
    is_odd = f"regexp_matches({bare}, '{ODD}')"
    whole = f"if(contains(lower({v}), '\\ud'), regexp_replace({v}, '{HALF}', '\\1', 'g'), {v})"
    return Cast(
        f"{v}[1] = '{opening}' AND json_valid({whole}) AND NOT {is_odd} AND NOT {_is_deep(v, bare, nesting)}", v
    )


def _is_deep(v: str, bare: str, nesting: int) -> str:
    """Few brackets cannot be deep. Of many, the innermost pairs are taken away as often as they may be nested."""
    count = f"length({v}) - length(replace(replace({v}, '[', ''), '{{', ''))"
    brackets = f"regexp_replace({bare}, '{NO_BRACKETS}', '', 'g')"
    steps = f"list_concat([{brackets}], list_transform(range({nesting}), lambda x: ''))"
    left = f"list_reduce({steps}, lambda x, y: regexp_replace(x, '{PAIR}', '', 'g'))"
    return f"CASE WHEN {count} > {nesting} THEN {left} <> '' ELSE false END"


def _date(v: str) -> Cast:
    day = f"strlen({v}) = {DATE_LENGTH} AND {v} >= '{FIRST_YEAR}' AND CAST(TRY_CAST({v} AS DATE) AS VARCHAR) = {v}"
    is_number = _is_epoch(v)
    staged = f"CASE WHEN {is_number} THEN strftime({_epoch(v)}, '%Y-%m-%d') ELSE {v} END"
    return Cast(f"({day}) OR {is_number}", staged, day)


def _date_time(v: str) -> Cast:
    """Nine digits of a second are cut to six, which is what warehouses hold."""
    written = (
        f"regexp_full_match({v}, '{DAY}T{CLOCK}(?:\\.[0-9]{{1,9}})?{ZONE}') AND {v} >= '{FIRST_YEAR}' "
        f"AND TRY_CAST(left({v}, {DATE_LENGTH}) AS DATE) IS NOT NULL AND left({v}, {DATE_LENGTH}) NOT IN {EDGES}"
    )
    is_number = _is_epoch(v)
    short = f"regexp_replace({v}, '(\\.[0-9]{{6}})[0-9]+', '\\1')"
    instant = f"strftime({_epoch(v)}, '%Y-%m-%dT%H:%M:%S.%gZ')"
    usual = f"strlen({v}) = {USUAL_LENGTH} AND {v} >= '{FIRST_YEAR}' AND {USUAL_TIME.replace('(v ', f'({v} ')} = {v}"
    staged = f"CASE WHEN {is_number} THEN {instant} ELSE {short} END"
    return Cast(f"({written}) OR {is_number}", staged, usual)


def _is_epoch(v: str) -> str:
    """Unix milliseconds, of no year before the first. Digits that spell a day would all be the first day of 1970."""
    number = f"TRY_CAST({v} AS BIGINT)"
    spells_day = f"({v} BETWEEN '{FIRST_SPELLED}' AND '{LAST_SPELLED}' AND strlen({v}) = {len(FIRST_SPELLED)})"
    return f"(regexp_full_match({v}, '{MILLISECONDS}') AND {number} >= {LEAST_MILLISECONDS} AND NOT {spells_day})"


def _epoch(v: str) -> str:
    return f"make_timestamp(CAST({v} AS BIGINT) * 1000)"
