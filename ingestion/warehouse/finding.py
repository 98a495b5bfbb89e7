"""Live rows by the values of their key, as people type them: "where does this come from?" is asked of one row."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from ingestion.errors import ConfigFault
from ingestion.warehouse import books
from ingestion.warehouse.base import Target
from ingestion.warehouse.engine import Engine, S
from ingestion.warehouse.reading import expression, known, plainly
from ingestion.warehouse.sql import LINEAGE, Dialect, quote, stored

LARGEST: Final = 2**63


def rows_with(engine: Engine[S], target: Target, values: Mapping[str, str], *, limit: int) -> list[dict[str, Any]]:
    """See `base.Warehouse.rows_with`."""
    with engine.reading(f"finding a row of {target.name}") as session:
        live = books.generation(session, books.live(session, target.dataset).generation)
        if live is None:
            return []
        shape = engine.columns(session, live.table)
        known(target, shape, list(values))
        asked = [_equal(engine.dialect, name, engine.dialect.kind(shape[name]), text) for name, text in values.items()]
        names = [*shape, *LINEAGE]
        columns = ", ".join(expression(engine.dialect, shape, name) for name in names)
        where = " AND ".join(condition for condition, _ in asked) or "TRUE"
        sql = f"SELECT {columns} FROM {stored(live.table)} WHERE {where} LIMIT {limit:d}"
        found = session.rows(sql, [parameter for _, parameter in asked])
    return plainly(found, engine.dialect, shape, names)


def _equal(dialect: Dialect, name: str, kind: str, text: str) -> tuple[str, Any]:
    """A condition that an index of the column serves where the kind has an exact value; else its text is compared."""
    if kind == "text":
        return f"{quote(name)} = ?", text
    if kind == "integer":
        return f"{quote(name)} = ?", _integer(name, text)
    if kind == "numeric":
        return f"{quote(name)} = ?", _number(name, text)
    return f"{dialect.as_text[kind].format(quote(name))} = ?", text.strip()


def _integer(name: str, text: str) -> int:
    try:
        found = int(text)
    except ValueError:
        found = LARGEST
    if not -LARGEST <= found < LARGEST:
        raise ConfigFault(f"{name} holds whole numbers of at most 64 bits.", advice="Type the number as digits.")
    return found


def _number(name: str, text: str) -> Decimal:
    try:
        found = Decimal(text.strip())
    except InvalidOperation:
        found = Decimal("NaN")
    if not found.is_finite():
        raise ConfigFault(f"{name} holds numbers.", advice="Type the number as digits, with a point before decimals.")
    return found
