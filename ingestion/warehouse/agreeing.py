"""Which columns a table has after a load, and how the staged table, which nobody sees, is brought to them."""

from ingestion.errors import SchemaFault
from ingestion.warehouse import books
from ingestion.warehouse.base import TableChange
from ingestion.warehouse.books import Generation, Session
from ingestion.warehouse.engine import Engine, S
from ingestion.warehouse.sql import Shape, quote, stored


def agree(engine: Engine[S], session: S, change: TableChange, staged: Generation) -> Shape:
    """The columns after this load: what the store has, joined with what is staged and what was agreed."""
    shape = dict(engine.current_shape(session, change.target))
    wanted = dict(engine.columns(session, staged.table))
    empty = {column.name for column in change.columns if column.type.kind == "null"}  # any type suits them
    for column in change.columns:
        if column.name not in empty or column.name not in wanted:
            wanted[column.name] = engine.dialect.type_of(column.type)
    for name, after in wanted.items():
        before = shape.get(name, after)
        if name not in shape or (before != after and name not in empty):
            shape[name] = _common(engine, session, change, name, (before, after))
    return shape


def _common(engine: Engine[S], session: S, change: TableChange, name: str, types: tuple[str, str]) -> str:
    """The type for a column that is live as one and wanted as another. One that holds no values takes any."""
    before, after = types
    if before == after or engine.dialect.widens(before, after):
        return after
    live = books.generation(session, books.live(session, change.target.dataset).generation)
    if live is None or name not in engine.columns(session, live.table) or not _has_values(session, live.table, name):
        return after
    if engine.dialect.widens(after, before):
        return before
    raise _incompatible(change, name, types)


def _has_values(session: Session, table: str, name: str) -> bool:
    return bool(session.rows(f"SELECT 1 FROM {stored(table)} WHERE {quote(name)} IS NOT NULL LIMIT 1"))


def _incompatible(change: TableChange, name: str, types: tuple[str, str]) -> SchemaFault:
    return SchemaFault(
        f"The column {name} of {change.target.name} cannot become {types[1]}: it holds values of type {types[0]}.",
        advice="Reset the table's columns to what is live, or load it into a new table.",
    )


def conform(engine: Engine[S], session: S, change: TableChange, staged: Generation, shape: Shape) -> None:
    """Bring the staged table, which nobody sees, to the store's columns."""
    columns = engine.columns(session, staged.table)
    for name, after in shape.items():
        before = columns.get(name)
        if before is None:
            session.run(f"ALTER TABLE {stored(staged.table)} ADD COLUMN {quote(name)} {after}")
        elif before != after:
            if not engine.dialect.widens(before, after) and _has_values(session, staged.table, name):
                raise _incompatible(change, name, (before, after))
            value = engine.dialect.cast(quote(name), before, after)
            engine.retype(session, staged.table, name, after=after, value=value)
