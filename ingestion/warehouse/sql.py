"""The one place where SQL is composed: quoted names, the words for types, and casts that change no value.

An engine's dialect is a value of this module. Nothing here talks to a warehouse.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ingestion.blueprint.types import MAX_DIGITS, Type
from ingestion.errors import ConfigFault

BOOKS: Final = "headgate_books"  # ledger, pointers, lineage
STORE: Final = "headgate_store"  # the rows, live and not: one table for each staged load
LOAD: Final = "_load_id"
PART: Final = "_part"
GENERATION: Final = "_generation"
LINEAGE: Final = (LOAD, PART)  # first in every table: a view can only be extended at its end

Shape = Mapping[str, str]  # column name → SQL type, in order, without the columns of our own

WIDER: Final[Mapping[str, frozenset[str]]] = {
    "boolean": frozenset({"text"}),
    "integer": frozenset({"numeric", "double", "text"}),
    "numeric": frozenset({"double", "text"}),
    "double": frozenset({"text"}),
    "date": frozenset({"timestamp", "text"}),
    "timestamp": frozenset({"text"}),
    "json": frozenset({"text"}),
    "text": frozenset(),
}


def quote(name: str) -> str:
    """An identifier, quoted. Raises ValueError for what no engine takes as a name."""
    if not name or "\0" in name:
        raise ValueError(f"not a name: {name!r}")
    return '"' + name.replace('"', '""') + '"'


def qualified(schema: str, name: str) -> str:
    return f"{quote(schema)}.{quote(name)}"


def stored(table: str) -> str:
    return qualified(STORE, table)


def book(table: str) -> str:
    return qualified(BOOKS, table)


def literal(text: str) -> str:
    """A text constant, for the few places that take no parameter (COPY options, comments)."""
    if "\0" in text:
        raise ValueError("a text constant cannot hold U+0000")
    return "'" + text.replace("'", "''") + "'"


def names(columns: Iterable[str], prefix: str = "") -> str:
    return ", ".join(prefix + quote(column) for column in columns)


def staged_name(*, dataset: int, load: int, attempt: int) -> str:
    """The table that one attempt of one load fills: it says where it comes from to whoever finds it."""
    return f"d{dataset:d}_l{load:d}_a{attempt:d}"


def refuse_own_names(columns: Iterable[str]) -> None:
    """Raises ConfigFault for a column that would hide one of ours."""
    if taken := sorted({GENERATION, *LINEAGE} & set(columns)):
        raise ConfigFault(
            f"A table cannot have columns named {', '.join(taken)}: every live table has such columns of its own.",
            advice="Give the field another column name.",
        )


def same_key(key: Sequence[str], left: str, right: str) -> str:
    return " AND ".join(f"{left}.{quote(column)} = {right}.{quote(column)}" for column in key)


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How an engine spells types, and how it turns a value of one into another without changing it."""

    types: Mapping[str, str]  # kind → SQL type, for kinds without arguments
    numeric: Callable[[Type], str]
    as_text: Mapping[str, str]  # kind → expression over {0} that gives the value's text
    as_timestamp: str  # expression over {0}, a date
    unless_there: str  # what an INSERT says that leaves a row alone which another session has just inserted
    now: str = "now()"
    next_number: tuple[str, ...] = (f"SELECT nextval('{BOOKS}._generation_number')",)  # the last one answers it
    arrays: bool = True  # may many rows be given as one array for each column?
    longest: int | None = None  # bytes of a text, where an engine has a bound

    def type_of(self, column: Type) -> str:
        if column.kind == "numeric":
            return self.numeric(column)
        return self.types["text" if column.kind == "null" else column.kind]

    def kind(self, sql_type: str) -> str:
        for kind, word in self.types.items():
            if word.lower() == sql_type.lower():
                return kind
        if sql_type.lower().startswith(("numeric", "decimal")):
            return "numeric"
        raise ValueError(f"a type that we did not make: {sql_type}")

    def widens(self, before: str, after: str) -> bool:
        """May values of one type become another's without changing?"""
        source, target = self.kind(before), self.kind(after)
        if source == target == "numeric":
            return _scale(after) >= _scale(before)
        return target in WIDER[source]

    def cast(self, expression: str, before: str, after: str) -> str:
        """`expression` of type `before`, as `after`. What does not widen is null there: only columns without values
        are ever asked for it."""
        if before == after:
            return expression
        if not self.widens(before, after):
            return f"CAST(NULL AS {after})"
        source, target = self.kind(before), self.kind(after)
        if target == "text":
            return self.as_text[source].format(expression)
        if target == "timestamp":
            return self.as_timestamp.format(expression)
        return f"CAST({expression} AS {after})"


def _scale(sql_type: str) -> int:
    _, comma, scale = sql_type.rstrip(")").partition(",")
    return int(scale) if comma else MAX_DIGITS  # without a scale, a type has room for all


# jsonb would change what was staged: it drops repeated keys and spacing and refuses an escaped U+0000.
POSTGRES: Final = Dialect(
    types={
        "boolean": "boolean",
        "integer": "bigint",
        "double": "double precision",
        "date": "date",
        "timestamp": "timestamp with time zone",
        "json": "json",
        "text": "text",
    },
    numeric=lambda _: "numeric",  # without bounds, so that more digits need no change of the table
    as_text={
        "boolean": "CAST({0} AS text)",
        "integer": "CAST({0} AS text)",
        "numeric": "CAST({0} AS text)",
        "double": "CAST({0} AS text)",
        "date": "to_char({0}, 'YYYY-MM-DD')",
        "timestamp": """to_char({0} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')""",
        "json": "CAST({0} AS text)",
    },
    as_timestamp="(CAST({0} AS timestamp) AT TIME ZONE 'UTC')",
    unless_there="ON CONFLICT DO NOTHING",
)

DUCKDB: Final = Dialect(
    types={
        "boolean": "BOOLEAN",
        "integer": "BIGINT",
        "double": "DOUBLE",
        "date": "DATE",
        "timestamp": "TIMESTAMP WITH TIME ZONE",
        "json": "JSON",
        "text": "VARCHAR",
    },
    numeric=lambda column: f"DECIMAL({MAX_DIGITS},{column.scale})",
    as_text={
        "boolean": "CAST({0} AS VARCHAR)",
        "integer": "CAST({0} AS VARCHAR)",
        # the column's scale pads values with zeros that they did not come with
        "numeric": r"regexp_replace(CAST({0} AS VARCHAR), '(\.\d*?)0+$', '\1').rtrim('.')",
        "double": "CAST({0} AS VARCHAR)",
        "date": "CAST({0} AS VARCHAR)",
        "timestamp": "strftime({0} AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ')",
        "json": "CAST({0} AS VARCHAR)",
    },
    as_timestamp="(CAST({0} AS TIMESTAMP) AT TIME ZONE 'UTC')",
    unless_there="",  # writers take turns
)

LONGEST_TEXT: Final = 65_535  # bytes, which is the most that Redshift keeps in a VARCHAR
_TEXT: Final = f"character varying({LONGEST_TEXT})"

# No sequences, arrays or row numbers, and now() runs on the leader node alone. A backslash in a text constant escapes.
REDSHIFT: Final = Dialect(
    types={
        "boolean": "boolean",
        "integer": "bigint",
        "double": "double precision",
        "date": "date",
        "timestamp": "timestamp with time zone",
        "json": "super",
        "text": _TEXT,
    },
    numeric=lambda column: f"numeric({MAX_DIGITS},{column.scale})",
    as_text={
        "boolean": "CASE WHEN {0} THEN 'true' WHEN NOT {0} THEN 'false' END",
        "integer": f"CAST({{0}} AS {_TEXT})",
        # the column's scale pads values with zeros that they did not come with
        "numeric": f"CASE WHEN strpos(CAST({{0}} AS {_TEXT}), '.') > 0 "
        f"THEN rtrim(rtrim(CAST({{0}} AS {_TEXT}), '0'), '.') ELSE CAST({{0}} AS {_TEXT}) END",
        "double": f"CAST({{0}} AS {_TEXT})",
        "date": "to_char({0}, 'YYYY-MM-DD')",
        "timestamp": """to_char({0} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')""",
        "json": "JSON_SERIALIZE({0})",
    },
    as_timestamp="(CAST({0} AS timestamp) AT TIME ZONE 'UTC')",
    unless_there="",  # writers take turns
    now="GETDATE()",
    next_number=(
        f"UPDATE {book('_number')} SET value = value + 1",
        f"SELECT value FROM {book('_number')}",
    ),
    arrays=False,
    longest=LONGEST_TEXT,
)
