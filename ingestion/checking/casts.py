"""Casts of delimited text to the types of a schema, as SQL: whether a text is one of the type, and how it is staged."""

from dataclasses import dataclass
from typing import Final

from ingestion.checking.schema import INTEGERS, Place
from ingestion.checking.values import CLOCK
from ingestion.formats.facts import DATE_LENGTH, DAY, EDGES, FIRST_YEAR, USUAL_LENGTH, USUAL_TIME, WELL_FORMED, ZONE

MILLISECONDS: Final = "-?[0-9]{1,14}"


@dataclass(frozen=True)
class Cast:
    """`test` is true where the text is one of the type; `staged` is what becomes of it then."""

    test: str
    staged: str
    usual: str = ""  # a quicker test for most texts of the type, staged as they are


def cast_of(place: Place, v: str) -> Cast | None:
    """The cast of the text `v` to a place's type; None where any text will do."""
    if place.type in INTEGERS:
        low, high = INTEGERS[place.type]
        number = f"TRY_CAST({v} AS BIGINT)"
        plain = f"(CAST({number} AS VARCHAR) = {v} OR regexp_full_match({v}, '[+-]?[0-9]+'))"
        return Cast(f"{number} BETWEEN {low} AND {high} AND {plain}", f"CAST({number} AS VARCHAR)")
    if place.type == "double":
        number = f"TRY_CAST({v} AS DOUBLE)"
        return Cast(f"isfinite({number}) AND regexp_full_match({v}, '{WELL_FORMED}')", v)
    if place.type == "boolean":
        return Cast(f"lower({v}) IN ('true', 'false')", f"lower({v})")
    if place.type == "date":
        return _date(v)
    if place.type == "date-time":
        return _date_time(v)
    if place.type in ("object", "map", "array"):
        return Cast(f"json_valid({v}) AND {v}[1] = '{'[' if place.type == 'array' else '{'}'", v)
    return None


def _date(v: str) -> Cast:
    day = f"strlen({v}) = {DATE_LENGTH} AND {v} >= '{FIRST_YEAR}' AND CAST(TRY_CAST({v} AS DATE) AS VARCHAR) = {v}"
    is_number = f"regexp_full_match({v}, '{MILLISECONDS}')"
    return Cast(f"({day}) OR {is_number}", f"CASE WHEN {is_number} THEN strftime({_epoch(v)}, '%Y-%m-%d') ELSE {v} END")


def _date_time(v: str) -> Cast:
    """Nine digits of a second are cut to six, which is what warehouses hold."""
    written = (
        f"regexp_full_match({v}, '{DAY}T{CLOCK}(?:\\.[0-9]{{1,9}})?{ZONE}') AND {v} >= '{FIRST_YEAR}' "
        f"AND TRY_CAST(left({v}, {DATE_LENGTH}) AS DATE) IS NOT NULL AND left({v}, {DATE_LENGTH}) NOT IN {EDGES}"
    )
    is_number = f"regexp_full_match({v}, '{MILLISECONDS}')"
    short = f"regexp_replace({v}, '(\\.[0-9]{{6}})[0-9]+', '\\1')"
    instant = f"strftime({_epoch(v)}, '%Y-%m-%dT%H:%M:%S.%gZ')"
    usual = f"strlen({v}) = {USUAL_LENGTH} AND {v} >= '{FIRST_YEAR}' AND {USUAL_TIME.replace('(v ', f'({v} ')} = {v}"
    staged = f"CASE WHEN {is_number} THEN {instant} ELSE {short} END"
    return Cast(f"({written}) OR {is_number}", staged, usual)


def _epoch(v: str) -> str:
    return f"make_timestamp(CAST({v} AS BIGINT) * 1000)"
