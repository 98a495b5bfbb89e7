"""Values of a Parquet file as SQL of their texts: those within lists, maps and deep structures are written as those of
columns are, so that a time or a binary value reads alike wherever it stands.
"""

from itertools import count
from typing import Any, Final

from ingestion.formats.duck import text

TIMES: Final = ("timestamp", "timestamp_s", "timestamp_ms", "timestamp with time zone")
FINE_TIMES: Final = ("timestamp_ns", "timestamptz_ns")
NANOSECONDS: Final = r"(\.[0-9]{6})[0-9]+$"
# Removes U+0000 from JSON text; a backslash that is escaped itself begins nothing.
NUL: Final = r"\\u0000|(\\.)"


def instant(value: str, word: str) -> str:
    """A time with every digit that it has; an infinite one by its name."""
    made = f"{_spelled(value, word)} || 'Z'"
    return made if word in FINE_TIMES else f"CASE WHEN isfinite({value}) THEN {made} ELSE CAST({value} AS VARCHAR) END"


def cut_instant(value: str, word: str) -> str:
    """A time with no more digits than a warehouse holds. A cast would round, maybe into the next day."""
    spelled = _spelled(value, word)
    if word in FINE_TIMES:
        spelled = f"regexp_replace({spelled}, '{NANOSECONDS}', '\\1')"
    return f"{spelled} || 'Z'"


def is_cut(value: str) -> str:
    """The test for times of which `cut_instant` leaves digits out."""
    return f"epoch_ns(CAST({value} AS TIMESTAMP_NS)) % 1000 <> 0"


def _spelled(value: str, word: str) -> str:
    plain = "TIMESTAMP_NS" if word in FINE_TIMES else "TIMESTAMP"
    return f"replace(CAST(CAST({value} AS {plain}) AS VARCHAR), ' ', 'T')"


def document(value: str, kind: Any) -> str:
    """The JSON text of a list, a map or a structure."""
    made = f"CAST(to_json({_Writer().written(value, kind) or value}) AS VARCHAR)"
    if not _has_texts(kind):
        return made
    return f"CASE WHEN contains({made}, '\\u0000') THEN regexp_replace({made}, '{NUL}', '\\1', 'g') ELSE {made} END"


def _has_texts(kind: Any) -> bool:
    return str(kind.id) == "varchar" or any(_has_texts(child) for child in _children(kind))


def _children(kind: Any) -> list[Any]:
    """The types within a type."""
    if str(kind.id) not in ("list", "array", "struct", "map"):
        return []
    return [child for name, child in kind.children if name != "size"]


class _Writer:
    """Writes the SQL of one column. Each level of lambdas has a name of its own."""

    def __init__(self) -> None:
        self._numbers = count()

    def written(self, value: str, kind: Any) -> str | None:
        """None where JSON as the engine makes it is right."""
        word = str(kind.id)
        if word in (*TIMES, *FINE_TIMES):
            return instant(value, word)
        if word == "float":  # by its own digits; as JSON the engine writes those of the double that it becomes
            return f"CAST(CAST({value} AS VARCHAR) AS DOUBLE)"
        if word == "blob":
            return f"to_base64({value})"
        if word == "struct":
            return self._struct(value, kind)
        if word in ("list", "array"):
            return self._list(value, kind.children[0][1])
        return self._map(value, kind) if word == "map" else None

    def _struct(self, value: str, kind: Any) -> str | None:
        places = [f"struct_extract_at({value}, {number})" for number in range(1, len(kind.children) + 1)]
        made = [self.written(place, child) for place, (_, child) in zip(places, kind.children, strict=True)]
        if not any(made):
            return None
        pairs = (
            f"{text(name)}, {sql or place}" for (name, _), sql, place in zip(kind.children, made, places, strict=True)
        )
        return f"CASE WHEN {value} IS NULL THEN NULL ELSE json_object({', '.join(pairs)}) END"

    def _list(self, value: str, kind: Any) -> str | None:
        item = f"x{next(self._numbers)}"
        made = self.written(item, kind)
        return f"list_transform({value}, lambda {item}: {made})" if made else None

    def _map(self, value: str, kind: Any) -> str:
        """Of a key that comes twice the last counts."""
        (_, key), (_, inner) = kind.children
        item, place = f"x{next(self._numbers)}", f"x{next(self._numbers)}"
        keys, entries = f"map_keys({value})", f"map_entries({value})"
        last = f"list_position(list_reverse({keys}), {item}.key) = len({keys}) - {place} + 1"
        unique = (
            f"CASE WHEN len(list_distinct({keys})) = len({keys}) THEN {entries} "
            f"ELSE list_filter({entries}, lambda {item}, {place}: {last}) END"
        )
        name = self.written(f"{item}.key", key) or f"{item}.key"
        pair = f"{{'k': {name}, 'v': {self.written(f'{item}.value', inner) or f'{item}.value'}}}"
        return f"map_from_entries(list_transform({unique}, lambda {item}: {pair}))"
