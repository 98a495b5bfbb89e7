"""What the values of a column are: aggregates over our own tables, from which its type and its staged text follow.

A column of JSON text tells its kinds by first characters: `"` a string, a digit or `-` a number, `t` and `f` booleans,
`[` and `{` the rest. The text of a string column begins with anything.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import duckdb

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
from ingestion.formats.shape import Leaf

AT_ONCE: Final = 120  # columns of one query
NUMERIC: Final = "-0123456789"
DAY: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
TIME: Final = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?"
ZONE: Final = r"(?:Z|[+-](?:0[0-9]|1[0-4])(?::?[0-5][0-9])?)"
DATE_LIKE: Final = re.compile(DAY)
TIME_LIKE: Final = re.compile(f"{DAY}[T ]{TIME}{ZONE}?")
DATE_LENGTH: Final = 10
USUAL_TIME: Final = "strftime(TRY_CAST(v AS TIMESTAMP), '%Y-%m-%dT%H:%M:%SZ')"
USUAL_LENGTH: Final = 20  # 2024-01-31T10:00:00Z
FIRST_YEAR: Final = "0001"
EDGES: Final = "('0001-01-01', '9999-12-31')"  # where an offset could leave the years that every warehouse knows
ODD_WORDS: Final = ("NaN", "Infinity", "-Infinity")
ODD: Final = f"{ODD_WORDS}"
BOOLEAN_WORDS: Final = ("true", "false")
WELL_FORMED: Final = r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"


@dataclass(frozen=True)
class Span:
    """A look at a column: how many values, the least and the greatest as text, the longest in bytes; of numbers, which
    signs are in them; of others, whether any is JSON with an object in it, or spelled like a number that is none."""

    count: int
    low: str = ""
    high: str = ""
    longest: int = 0
    points: bool = False
    powers: bool = False
    objects: bool = False
    oddities: bool = False

    def all_start_with(self, start: str) -> bool:
        return self.count > 0 and self.low.startswith(start) and self.high.startswith(start)

    @property
    def is_numeric(self) -> bool:
        return self.low != "" and self.low[0] in NUMERIC and self.high[0] in NUMERIC

    @property
    def is_boolean(self) -> bool:
        """For JSON text: no other JSON, nor NaN or an infinity, lies between these words."""
        return self.low in BOOLEAN_WORDS and self.high in BOOLEAN_WORDS


@dataclass(frozen=True)
class Fact:
    """A settled column: the SQL that gives its staged text, its type, and how many values had too many digits."""

    leaf: Leaf
    sql: str
    type: Type
    too_long: int = 0
    misfit: str = ""  # the declared type that not all values fit
    misfits: int = 0

    @property
    def is_quoted(self) -> bool:
        return self.type.kind in ("text", "json")


def measure(duck: duckdb.DuckDBPyConnection, table: str, leaves: Sequence[Leaf]) -> dict[str, Span]:
    """The spans of a table's columns, by id. Columns are asked together: a query has its price too."""
    spans = {}
    for start in range(0, len(leaves), AT_ONCE):
        some = leaves[start : start + AT_ONCE]
        asked = ", ".join(f"count({x.id}), min({x.id}), max({x.id})" for x in some)
        for leaf, (count, low, high) in zip(some, _by(3, ones(duck, f"SELECT {asked} FROM {table}")), strict=True):
            spans[leaf.id] = Span(count, low, high) if count else Span(0)
        spans |= _look_closer(duck, table, [leaf for leaf in some if spans[leaf.id].count], spans)
    return spans


def _look_closer(
    duck: duckdb.DuckDBPyConnection, table: str, leaves: Sequence[Leaf], spans: Mapping[str, Span]
) -> dict[str, Span]:
    if not leaves:
        return {}
    asked = ", ".join(_question(leaf, spans[leaf.id]) for leaf in leaves)
    closer = {}
    for leaf, answer in zip(leaves, _by(4, ones(duck, f"SELECT {asked} FROM {table}")), strict=True):
        span, (odd, longest, first, second) = spans[leaf.id], answer
        told = {"points": first, "powers": second} if leaf.raw and span.is_numeric else {"objects": first}
        closer[leaf.id] = replace(span, oddities=bool(odd), longest=longest, **told)
    return closer


def _question(leaf: Leaf, span: Span) -> str:
    """What is worth asking of a column whose least and greatest value are known; each question has its price."""
    v = leaf.id
    if leaf.raw and span.is_numeric:
        # NaN and Infinity are greater than any digit; -Infinity hides among negative numbers.
        odd = f"bool_or(contains({v}, 'n') OR contains({v}, 'N'))" if span.low.startswith("-") else "false"
        return f"{odd}, max(strlen({v})), bool_or(contains({v}, '.')), bool_or(contains({v}, 'e'))"
    odd = f"bool_or(contains({v}, 'NaN') OR contains({v}, 'Infinity'))" if leaf.raw else f"bool_or({v} IN {ODD})"
    if span.is_boolean if leaf.raw else not any(span.low <= word <= span.high for word in ODD_WORDS):
        odd = "false"
    if span.high < "[" or (leaf.raw and span.high in BOOLEAN_WORDS):
        return f"{odd}, 0, false, false"
    return f"{odd}, 0, bool_or({is_container(leaf)}), false"


def is_container(leaf: Leaf) -> str:
    """Is the value JSON text with an object in it? In a column of strings it may be one that only looks so."""
    v = leaf.id
    valid = "" if leaf.raw else f" AND json_valid({v})"
    starts = f"{v} >= '[' AND {v} < '\\' OR {v} >= '{{' AND {v} < '|'"  # comparisons look at four bytes in place
    return f"CASE WHEN {starts} THEN contains({v}, '{{'){valid} ELSE false END"


def _by(size: int, row: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (row[start : start + size] for start in range(0, len(row), size))


def settle(duck: duckdb.DuckDBPyConnection, table: str, leaf: Leaf, span: Span) -> Fact:
    """Type and staged text of one column."""
    if span.count == 0:
        return Fact(leaf, leaf.id, NULL)
    if not leaf.raw:
        return _string(duck, table, leaf, leaf.id, span)
    if span.is_numeric:
        return _number(duck, table, leaf, leaf.id, span)
    if span.is_boolean:
        return Fact(leaf, leaf.id, BOOLEAN)
    if span.all_start_with("[") or span.all_start_with("{"):
        return Fact(leaf, leaf.id, JSON)
    return _mixed(duck, table, leaf, span)


def _mixed(duck: duckdb.DuckDBPyConnection, table: str, leaf: Leaf, span: Span) -> Fact:
    plain = f"CASE WHEN starts_with({leaf.id}, '\"') THEN json_extract_string({leaf.id}, '$') ELSE {leaf.id} END"
    if span.all_start_with('"'):
        return _string(duck, table, leaf, plain, replace(span, low=span.low[1:-1], high=span.high[1:-1]))
    only_json = ones(duck, f"SELECT bool_and({leaf.id}[1] IN ('[', '{{')) FROM {table}")[0]
    return Fact(leaf, leaf.id, JSON) if only_json else Fact(leaf, plain, TEXT)


def _string(duck: duckdb.DuckDBPyConnection, table: str, leaf: Leaf, sql: str, span: Span) -> Fact:
    if not all(TIME_LIKE.fullmatch(end) or DATE_LIKE.fullmatch(end) for end in (span.low, span.high)):
        return Fact(leaf, sql, TEXT)
    return Fact(leaf, sql, when(duck, table, sql, span) or TEXT)


def when(duck: duckdb.DuckDBPyConnection, table: str, sql: str, span: Span) -> Type | None:
    """DATE or TIMESTAMP if every value is one, strictly: not only in the eyes of a lenient cast."""
    rows = f"(SELECT {sql} AS v FROM {table})"
    if DATE_LIKE.fullmatch(span.low) and DATE_LIKE.fullmatch(span.high):
        if _all_come_back(duck, rows, span, "CAST(TRY_CAST(v AS DATE) AS VARCHAR)", length=DATE_LENGTH):
            return DATE
    elif _looks_usual(span) and _all_come_back(duck, rows, span, USUAL_TIME, length=USUAL_LENGTH):
        return TIMESTAMP
    (times,) = ones(
        duck,
        f"""SELECT count(*) FILTER (regexp_full_match(v, '{DAY}(?:[T ]{TIME}{ZONE}?)?') AND v >= '{FIRST_YEAR}'
            AND TRY_CAST(left(v, {DATE_LENGTH}) AS DATE) IS NOT NULL
            AND NOT (left(v, {DATE_LENGTH}) IN {EDGES} AND regexp_matches(v, 'T?[ 0-9:.]+[+-][0-9:]+$')))
        FROM {rows}""",
    )
    return TIMESTAMP if times == span.count else None


def _looks_usual(span: Span) -> bool:
    return all(len(end) == USUAL_LENGTH and end[DATE_LENGTH] == "T" and end[-1] == "Z" for end in (span.low, span.high))


def _all_come_back(duck: duckdb.DuckDBPyConnection, rows: str, span: Span, spelling: str, *, length: int) -> bool:
    """Does every value become itself again once it was understood? Cheaper than a regular expression, as strict."""
    same, longest = ones(duck, f"SELECT count(*) FILTER ({spelling} = v), max(strlen(v)) FROM {rows}")
    return bool(same == span.count and longest == length and span.low >= FIRST_YEAR)


def _number(duck: duckdb.DuckDBPyConnection, table: str, leaf: Leaf, sql: str, span: Span) -> Fact:
    if not span.points and not span.powers:
        return _whole(duck, table, leaf, sql, span)
    plain = None if span.powers else _plain_decimal(duck, table, leaf, sql)
    return plain or _decimal(duck, table, leaf, sql, powers=span.powers)


def _whole(duck: duckdb.DuckDBPyConnection, table: str, leaf: Leaf, sql: str, span: Span) -> Fact:
    if span.longest <= 18:
        return Fact(leaf, sql, number(whole=span.longest, scale=0, digits=span.longest, fits_64_bits=True))
    long, digits, significant, fitting = ones(
        duck,
        f"""SELECT count(*) FILTER (n > {MAX_DIGITS}), max(n), max(strlen(rtrim(d, '0'))), count(TRY_CAST(v AS BIGINT))
        FROM (SELECT v, d, strlen(d) AS n FROM (SELECT v, ltrim(v, '-') AS d FROM (SELECT {sql} AS v FROM {table})))""",
    )
    kind = number(whole=digits, scale=0, digits=max(significant, 1), fits_64_bits=fitting == span.count)
    if kind.kind == "integer":
        kind = replace(kind, digits=digits)
    return Fact(leaf, sql, kind, too_long=_lost(kind, long))


def _plain_decimal(duck: duckdb.DuckDBPyConnection, table: str, leaf: Leaf, sql: str) -> Fact | None:
    """A cheap look that is one digit too generous at most; None where digits are so many that it matters."""
    before, after, whole = ones(
        duck,
        f"""SELECT max(strpos(v, '.')), max(if(strpos(v, '.') > 0, strlen(v) - strpos(v, '.'), 0)),
        max(if(strpos(v, '.') > 0, 0, strlen(v))) FROM (SELECT {sql} AS v FROM {table})""",
    )
    width = max(before - 1, whole)
    if width + after > DOUBLE_DIGITS:
        return None
    return Fact(leaf, sql, number(whole=width, scale=after, digits=width + after, fits_64_bits=False))


def _decimal(duck: duckdb.DuckDBPyConnection, table: str, leaf: Leaf, sql: str, *, powers: bool) -> Fact:
    """Digits before and after the point. A power of ten moves the point; what does not fit 38 digits keeps it."""
    power = "coalesce(TRY_CAST(nullif(split_part(v, 'e', 2), '') AS INTEGER), if(contains(v, 'e'), 9999, 0))"
    whole, scale, digits, long = ones(
        duck,
        f"""SELECT max(w), max(s), max(strlen(trim(d, '0'))), count(*) FILTER (w + s > {MAX_DIGITS})
        FROM (SELECT greatest(0, strlen(a) + p) AS w, greatest(0, strlen(b) - p) AS s, a || b AS d
        FROM (SELECT ltrim(split_part(m, '.', 1), '-0') AS a, split_part(m, '.', 2) AS b, p
        FROM (SELECT {"split_part(v, 'e', 1)" if powers else "v"} AS m, {power if powers else "0"} AS p
        FROM (SELECT {sql} AS v FROM {table}))))""",
    )
    kind = number(whole=whole, scale=scale, digits=max(digits, 1), fits_64_bits=False)
    return Fact(leaf, _expanded(sql, scale) if powers and kind.kind == "numeric" else sql, kind, _lost(kind, long))


def _lost(kind: Type, long: int) -> int:
    return max(long, 1) if kind.kind == "text" else 0  # together too wide, even where none is alone


def _expanded(sql: str, scale: int) -> str:
    """Numbers with a power of ten, as plain decimals: exact, since all of the column fit 38 digits."""
    kind = f"DECIMAL({MAX_DIGITS}, {scale})"
    # The cast reads what stands before the power first, and refuses it where that alone has no room.
    plain = (
        f"CASE WHEN TRY_CAST({sql} AS {kind}) IS NULL AND {_places(sql)} >= 0 THEN {_shifted(sql)} "
        f"ELSE CAST(CAST({sql} AS {kind}) AS VARCHAR) END"
    )
    short = f"rtrim(rtrim({plain}, '0'), '.')" if scale else plain
    return f"CASE WHEN contains({sql}, 'e') THEN {short} ELSE {sql} END"


def _places(sql: str) -> str:
    """How many zeros follow the point of a number with a negative power; below zero if its digits reach the point."""
    before = f"ltrim(split_part(split_part({sql}, 'e', 1), '.', 1), '-')"
    return f"(-CAST(split_part({sql}, 'e', 2) AS INTEGER) - strlen({before}))"


def _shifted(sql: str) -> str:
    return (
        f"if(starts_with({sql}, '-'), '-', '') || '0.' || repeat('0', {_places(sql)}) "
        f"|| ltrim(replace(split_part({sql}, 'e', 1), '.', ''), '-')"
    )


def ones(duck: duckdb.DuckDBPyConnection, sql: str) -> Sequence[Any]:
    rows = duck.execute(sql).fetchall()
    return rows[0]


def numbers(duck: duckdb.DuckDBPyConnection, table: str, fact: Fact) -> Fact | None:
    """A text column as the numbers it spells; None where it spells anything else."""
    lower = f"lower({fact.sql})"
    spelled, points, powers, count, longest = ones(
        duck,
        f"""SELECT bool_and(regexp_full_match(v, '{WELL_FORMED}')), bool_or(contains(v, '.')),
        bool_or(contains(v, 'e')), count(v), max(strlen(v)) FROM (SELECT {lower} AS v FROM {table})""",
    )
    if not spelled:
        return None
    return _number(duck, table, fact.leaf, lower, Span(count, "0", "9", longest, points=points, powers=powers))
