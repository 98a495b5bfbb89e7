"""Columns of a Parquet file as columns of ours: nested structures flattened as those of JSON are, each type with the
SQL of its staged text. Texts are exact; what could not be is said.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ingestion.blueprint.paths import join_path
from ingestion.blueprint.types import (
    BOOLEAN,
    DATE,
    JSON,
    TEXT,
    TIMESTAMP,
    Type,
)
from ingestion.checking.schema import INTEGERS, Place
from ingestion.formats.duck import name, text

DIGITS: Final = {
    "tinyint": 3,
    "smallint": 5,
    "integer": 10,
    "bigint": 19,
    "utinyint": 3,
    "usmallint": 5,
    "uinteger": 10,
}
CAME: Final = {
    "boolean": "boolean",
    "date": "date",
    "struct": "object",
    "map": "object",
    "list": "array",
    "array": "array",
    "bigint": "long",
    "uinteger": "long",
}
UNSIGNED_LONG: Final = Type("numeric", 20, 0, 20)
DOUBLE: Final = Type.parse("double")
NESTED: Final = ("list", "array", "map", "struct", "union", "variant")
TIMES: Final = ("timestamp", "timestamp_s", "timestamp_ms", "timestamp_ns", "timestamp with time zone")
NUMBER, STRING, FLAG, DOCUMENT = "number", "string", "boolean", "json"
MILLISECONDS: Final = 253_402_300_799_999
# What a column of these may become, of the types of a schema: the table of conversions.
NUMERIC_TARGETS: Final = frozenset({"string", *INTEGERS, "double"})
TARGETS: Final[Mapping[str, frozenset[str]]] = {
    FLAG: frozenset({"boolean"}),
    NUMBER: NUMERIC_TARGETS,
    STRING: NUMERIC_TARGETS | {"date", "date-time"},
    "long": NUMERIC_TARGETS | {"date", "date-time"},
    "date": frozenset({"date"}),
    "date-time": frozenset({"date-time"}),
    "array": frozenset({"array"}),
    "object": frozenset({"object", "map"}),
}


@dataclass(frozen=True)
class Source:
    """A column before it is ours: its keys, the SQL that reaches it, its type as the engine has it."""

    keys: tuple[str, ...]
    sql: str
    type: Any

    @property
    def path(self) -> str:
        return join_path(self.keys)

    @property
    def word(self) -> str:
        return str(self.type.id)

    @property
    def came(self) -> str:
        """What it is in the table of conversions."""
        if self.word in TIMES:
            return "date-time"
        return CAME.get(self.word, NUMBER if self.kind == NUMBER else STRING)

    @property
    def kind(self) -> str:
        """How the text of a value is read back: number, boolean, string or json."""
        if self.word in (*DIGITS, "ubigint", "hugeint", "uhugeint", "decimal", "float", "double"):
            return NUMBER
        return FLAG if self.word == "boolean" else DOCUMENT if self.word in NESTED else STRING

    def may_become(self, place: Place) -> bool:
        return place.type == "any" or place.type in TARGETS[self.came]


@dataclass(frozen=True)
class Reading:
    """A column of ours: the SQL of its text, its type, and what people should know of it."""

    source: Source
    sql: str
    type: Type
    note: str = ""  # the code of a warning


def rows_of(path: Path) -> str:
    """The SQL of a file's rows, with their place in it as `file_row_number`."""
    return f"read_parquet({text(str(path))}, file_row_number = true, hive_partitioning = false)"


def flattened(columns: Mapping[str, Any], depth: int) -> Iterator[Source]:
    """The columns of a file; structures are followed to `depth` keys."""
    for key, kind in columns.items():
        yield from _followed(Source((key,), name(key), kind), depth)


def _followed(source: Source, depth: int) -> Iterator[Source]:
    if source.word != "struct" or len(source.keys) >= depth:
        yield source
        return
    for key, kind in source.type.children:
        yield from _followed(Source((*source.keys, key), f"struct_extract({source.sql}, {text(key)})", kind), depth)


def reading(source: Source, place: Place | None) -> Reading:
    """How a column becomes text, with the schema's type where it has one."""
    sql, kind, note = _plain(source)
    if place is None or place.type == "any":
        return Reading(source, sql, kind, note)
    return Reading(source, _converted(source, place, sql), kind, note)


def _plain(source: Source) -> tuple[str, Type, str]:
    v, word = source.sql, source.word
    as_text = f"CAST({v} AS VARCHAR)"
    if word in DIGITS:
        return as_text, Type("integer", DIGITS[word], 0, DIGITS[word]), ""
    if word == "decimal":
        precision, scale = (value for _, value in source.type.children)
        return as_text, Type("numeric", precision - scale, scale, precision), ""
    if word in TIMES:
        at = v if word == "timestamp" else f"CAST({v} AS TIMESTAMP)"
        sql = f"replace(CAST({at} AS VARCHAR), ' ', 'T') || 'Z'"
        return sql, TIMESTAMP, "fraction_cut" if word == "timestamp_ns" else ""
    if word == "varchar":
        return v, TEXT, ""
    if word == "blob":
        return f"to_base64({v})", TEXT, "base64"
    if word in NESTED:
        return f"CAST(to_json({v}) AS VARCHAR)", JSON, ""
    fixed = {"boolean": BOOLEAN, "date": DATE, "ubigint": UNSIGNED_LONG, "float": DOUBLE, "double": DOUBLE}
    return as_text, fixed.get(word, TEXT), ""


def _converted(source: Source, place: Place, sql: str) -> str:
    """Conversions that concern every value of a column; the judge has the last word on what is left."""
    v = source.sql
    if source.came == "long" and place.type in ("date", "date-time"):
        form = "%Y-%m-%d" if place.type == "date" else "%Y-%m-%dT%H:%M:%S.%gZ"
        at = f"make_timestamp(CAST({v} AS BIGINT) * 1000)"
        return f"CASE WHEN abs({v}) <= {MILLISECONDS} // 5 THEN strftime({at}, '{form}') ELSE {sql} END"
    if source.word in ("float", "double", "decimal") and place.type in INTEGERS:
        is_whole = f"isfinite({v}::DOUBLE) AND {v} = trunc({v})"
        return f"CASE WHEN {is_whole} THEN CAST(CAST({v} AS HUGEINT) AS VARCHAR) ELSE {sql} END"
    return sql
