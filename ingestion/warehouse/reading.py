"""Some rows of a live table for people to look at, as values that JSON takes. Never more than was asked for."""

import json
import math
from collections.abc import Sequence
from typing import Any, Final

from ingestion.errors import ConfigFault
from ingestion.warehouse import books
from ingestion.warehouse.base import Span, Target
from ingestion.warehouse.engine import Engine, S
from ingestion.warehouse.sql import LINEAGE, Dialect, Shape, quote, stored
from ingestion.warehouse.withdrawing import rows_in

AS_TEXT: Final = frozenset({"numeric", "date", "timestamp", "json"})  # kinds that JSON has no exact value for


def rows(
    engine: Engine[S], target: Target, *, columns: Sequence[str] = (), limit: int, span: Span | None = None
) -> list[dict[str, Any]]:
    """See `base.Warehouse.rows` and `rows_of`."""
    with engine.reading(f"reading rows of {target.name}") as session:
        live = books.generation(session, books.live(session, target.dataset).generation)
        if live is None:
            return []
        shape = engine.columns(session, live.table)
        chosen = known(target, shape, columns)
        values = ", ".join(expression(engine.dialect, shape, name) for name in chosen)
        where = f" WHERE {rows_in([span])}" if span else ""
        found = session.rows(f"SELECT {values} FROM {stored(live.table)}{where} LIMIT {limit:d}")
    return plainly(found, engine.dialect, shape, chosen)


def plainly(
    found: Sequence[Sequence[Any]], dialect: Dialect, shape: Shape, names: Sequence[str]
) -> list[dict[str, Any]]:
    """Rows of these columns, read as `value` says, with values that JSON takes."""
    kinds = [dialect.kind(shape[name]) if name in shape else "integer" for name in names]
    return [dict(zip(names, map(_plain, row, kinds), strict=True)) for row in found]


def known(target: Target, shape: Shape, columns: Sequence[str]) -> Sequence[str]:
    """These columns, or all. Raises ConfigFault for one that is not there."""
    if unknown := [name for name in columns if name not in shape and name not in LINEAGE]:
        raise ConfigFault(
            f"{target.schema}.{target.name} has no column {', '.join(unknown)}.",
            advice=f"Its columns are {', '.join([*shape, *LINEAGE])}.",
        )
    return columns or list(shape)


def expression(dialect: Dialect, shape: Shape, name: str) -> str:
    """The expression that reads a column."""
    kind = dialect.kind(shape[name]) if name in shape else "integer"
    return dialect.as_text[kind].format(quote(name)) if kind in AS_TEXT else quote(name)


def _plain(value: Any, kind: str) -> Any:
    if value is None:
        return None
    if kind == "json":
        return _decoded(value)
    if kind == "double" and not math.isfinite(value):
        return str(value)
    return value


def _decoded(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # too deep for Python, or digits beyond its limit: shown as it stands
        return text
