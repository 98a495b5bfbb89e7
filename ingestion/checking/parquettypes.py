"""Columns of a Parquet file as columns of ours: nested structures flattened as those of JSON are, each type with the
SQL of its staged text. Texts are exact; what could not be is said.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb

from ingestion.blueprint.paths import join_path
from ingestion.blueprint.types import (
    BOOLEAN,
    DATE,
    JSON,
    NULL,
    TEXT,
    TIMESTAMP,
    Type,
)
from ingestion.checking.parquetschema import POSITION, Node
from ingestion.checking.parquetvalues import FINE_TIMES, TIMES, cut_instant, document
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
NOTHING: Final = "null"  # the type of a column that holds nothing but nulls
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
        if self.word in (*TIMES, *FINE_TIMES):
            return "date-time"
        return CAME.get(self.word, NUMBER if self.kind == NUMBER else STRING)

    @property
    def kind(self) -> str:
        """How the text of a value is read back: number, boolean, string or json."""
        if self.word in (*DIGITS, "ubigint", "hugeint", "uhugeint", "decimal", "float", "double"):
            return NUMBER
        return FLAG if self.word == "boolean" else DOCUMENT if self.word in NESTED else STRING

    def may_become(self, place: Place) -> bool:
        return self.word == NOTHING or place.type == "any" or place.type in TARGETS[self.came]


@dataclass(frozen=True)
class Reading:
    """A column of ours: the SQL of its text, its type, and what people should know of it."""

    source: Source
    sql: str
    type: Type
    note: str = ""  # the code of a warning


def rows_of(path: Path) -> str:
    """The SQL of a file's rows, with their place in it as `POSITION`."""
    return f"read_parquet({text(str(path))}, {POSITION} = true, hive_partitioning = false)"


def flattened(relation: duckdb.DuckDBPyRelation, nodes: Sequence[Node], depth: int) -> Iterator[Source]:
    """The columns of a file by the names that `nodes` give them; structures are followed to `depth` keys."""
    for column, kind, node in zip(relation.columns, relation.types, nodes, strict=True):
        yield from _followed(Source((node.name,), name(column), kind), node, depth)


def _followed(source: Source, node: Node, depth: int) -> Iterator[Source]:
    if source.word != "struct" or len(source.keys) >= depth:
        yield source
        return
    told = source.type.children
    inner = node.children if node.is_plain and len(node.children) == len(told) else [Node(key) for key, _ in told]
    for number, ((_, kind), child) in enumerate(zip(told, inner, strict=True), start=1):
        place = f"struct_extract_at({source.sql}, {number})"
        yield from _followed(Source((*source.keys, child.name), place, kind), child, depth)


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
    if word in (*TIMES, *FINE_TIMES):
        return cut_instant(v, word), TIMESTAMP, "fraction_cut" if word in FINE_TIMES else ""
    if word == "varchar":
        return v, TEXT, ""
    if word == "blob":
        return f"to_base64({v})", TEXT, "base64"
    if word in NESTED:
        return document(v, source.type), JSON, ""
    fixed = {
        NOTHING: NULL,
        "boolean": BOOLEAN,
        "date": DATE,
        "ubigint": UNSIGNED_LONG,
        "float": DOUBLE,
        "double": DOUBLE,
    }
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
        return f"CASE WHEN {is_whole} THEN coalesce(CAST(TRY_CAST({v} AS HUGEINT) AS VARCHAR), {sql}) ELSE {sql} END"
    return sql
