"""Declared types: a manifest's word for a column stands if every value fits it; else the column is what it was seen to
be, and a warning says so.
"""

from dataclasses import replace

import duckdb

from ingestion.blueprint.types import BOOLEAN, JSON, TIMESTAMP, Type, fits
from ingestion.formats.facts import WELL_FORMED, Fact, numbers, ones

BOOLEANS = "('true', 'false', '1', '0')"
MILLISECONDS = (
    100_000_000_000  # an epoch from here on counts milliseconds: as seconds it would lie beyond the year 5138
)
LAST_SECOND = 253_402_300_799  # 9999-12-31T23:59:59Z


def declare(duck: duckdb.DuckDBPyConnection, table: str, fact: Fact, word: str) -> Fact:
    """The column with its declared type, or as it is with a note of how many values do not fit."""
    wanted = Type.parse(word)
    if fact.type.kind == "null" or wanted.kind == "null":
        return fact
    made = _made(duck, table, fact, wanted)
    if made is not None and fits(made.type, wanted):
        return replace(made, type=wanted, too_long=0)
    return replace(fact, misfit=wanted.label, misfits=_misfits(duck, table, fact, wanted))


def _made(duck: duckdb.DuckDBPyConnection, table: str, fact: Fact, wanted: Type) -> Fact | None:
    """The column rewritten so that it could be `wanted`: text that reads as numbers, epochs as times."""
    kind = fact.type.kind
    if fits(fact.type, wanted):
        return fact
    if wanted.kind in ("integer", "numeric", "double") and kind == "text":
        return numbers(duck, table, fact)
    if wanted.kind == "boolean" and kind in ("text", "integer"):
        return _all(duck, table, fact, f"lower({fact.sql}) IN {BOOLEANS}", _boolean(fact.sql), BOOLEAN)
    if wanted.kind == "timestamp" and kind == "integer":
        at = f"abs(CAST({fact.sql} AS BIGINT))"
        test = f"if({at} < {MILLISECONDS}, {at}, {at} // 1000) <= {LAST_SECOND}"
        return _all(duck, table, fact, f"{test} AND {_epoch(fact.sql)} >= '0001'", _epoch(fact.sql), TIMESTAMP)
    if wanted.kind == "json" and kind in ("text", "integer", "numeric", "double", "boolean"):
        return _all(duck, table, fact, f"json_valid({fact.sql})", fact.sql, JSON)
    return None


def _all(duck: duckdb.DuckDBPyConnection, table: str, fact: Fact, test: str, sql: str, kind: Type) -> Fact | None:
    """The column as `sql` if every value passes the test."""
    (passed,) = ones(duck, f"SELECT bool_and(coalesce({test}, false)) FROM {table} WHERE {fact.sql} IS NOT NULL")
    return replace(fact, sql=sql, type=kind) if passed else None


def _boolean(sql: str) -> str:
    return f"CASE WHEN lower({sql}) IN ('true', '1') THEN 'true' WHEN {sql} IS NOT NULL THEN 'false' END"


def _epoch(sql: str) -> str:
    """An epoch as ISO 8601 in UTC: seconds, or milliseconds where it is too large for them."""
    number = f"CAST({sql} AS BIGINT)"
    micros = f"if(abs({number}) < {MILLISECONDS}, {number} * 1000000, {number} * 1000)"
    return f"strftime(make_timestamp({micros}), '%Y-%m-%dT%H:%M:%S.%fZ')"


def _misfits(duck: duckdb.DuckDBPyConnection, table: str, fact: Fact, wanted: Type) -> int:
    """How many values do not fit, as far as one look at each can tell; at least one."""
    casts = {
        "integer": "regexp_full_match(v, '-?[0-9]+') AND TRY_CAST(v AS BIGINT) IS NOT NULL",
        "numeric": f"regexp_full_match(v, '{WELL_FORMED}') AND TRY_CAST(v AS DECIMAL(38, {wanted.scale})) IS NOT NULL",
        "double": f"regexp_full_match(v, '{WELL_FORMED}')",
        "boolean": f"lower(v) IN {BOOLEANS}",
        "date": "strlen(v) = 10 AND TRY_CAST(v AS DATE) IS NOT NULL",
        "timestamp": "TRY_CAST(v AS TIMESTAMPTZ) IS NOT NULL",
        "json": "json_valid(v)",
    }
    test = casts.get(wanted.kind, "true")
    (count,) = ones(duck, f"SELECT count(*) FILTER (NOT ({test})) FROM (SELECT {fact.sql} AS v FROM {table})")
    return max(1, int(count))
