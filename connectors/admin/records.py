"""The first records of an endpoint as a table for a person to look at: columns by name, with a simple type each."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from connectors.engines import Sample

RECORDS, LONGEST = 10, 200
DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
TIMESTAMP = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?")


@dataclass(frozen=True)
class Records:
    """Columns as (name, type), and rows of text in the same order."""

    columns: tuple[tuple[str, str], ...]
    rows: tuple[tuple[str, ...], ...]


def records_of(sample: Sample) -> Records:
    """The first ten records of a sample."""
    records = [json.loads(line, parse_float=Decimal) for line in sample.lines(RECORDS)]
    names = list(dict.fromkeys(name for record in records for name in record))
    columns = tuple((name, type_of(record.get(name) for record in records)) for name in names)
    return Records(columns, tuple(tuple(as_text(record.get(name)) for name in names) for record in records))


def type_of(values: Iterable[Any]) -> str:
    """One word for what a column holds."""
    kinds = {_kind(value) for value in values if value is not None}
    if not kinds:
        return "no value"
    if kinds <= {"integer", "number"}:
        return "number" if "number" in kinds else "integer"
    if kinds == {"date", "timestamp"}:
        return "timestamp"
    return kinds.pop() if len(kinds) == 1 else "text"


def _kind(value: Any) -> str:
    if isinstance(value, str):
        return "date" if DATE.fullmatch(value) else "timestamp" if TIMESTAMP.fullmatch(value) else "text"
    kinds = {bool: "boolean", int: "integer", Decimal: "number", dict: "object", list: "list"}
    return kinds[type(value)]


def as_text(value: Any) -> str:
    """A value as it came, cut where it is long."""
    text = (
        value if isinstance(value, str) else "" if value is None else json.dumps(value, default=str, ensure_ascii=False)
    )
    return text if len(text) <= LONGEST else text[:LONGEST] + " …"
