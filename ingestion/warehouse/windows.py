"""Windows: which live rows a load without a key takes the place of, and which of its own rows are live already.

Without a key a row is known by its place in the window alone, so two habits of sources matter. Some send only what is
later than they were asked for: what lies at the very start is not sent again. And some send more than they were asked
for: records before the window, or without a cursor, come again in every run.
"""

from dataclasses import dataclass, replace

from ingestion.warehouse import books
from ingestion.warehouse.base import Mode, TableChange
from ingestion.warehouse.books import Generation, Session
from ingestion.warehouse.engine import Engine, S
from ingestion.warehouse.sql import Dialect, Shape, quote, stored


@dataclass(frozen=True, kw_only=True)
class Window:
    """Where a window begins. A condition of it takes `start` as its parameter."""

    column: str
    compare: str  # ">=", or ">" where no staged row lies at the very start: then the live ones there stay
    kind: str
    start: str
    is_text: bool

    def within(self, alias: str = "") -> str:
        """Texts of another length cannot be told to be later: "20" stands behind "100", and "none" behind any year."""
        column = f"{alias}{quote(self.column)}"
        alike = f"length({column}) = {len(self.start):d} AND " if self.is_text else ""
        return f"{alike}{column} {self.compare} CAST(? AS {self.kind})"

    def before(self) -> str:
        return f"({self.within()}) IS NOT TRUE"


def window_of(session: Session, change: TableChange, staged: Generation, shape: Shape) -> Window | None:
    """The window of a load; None where it has none."""
    if change.mode is not Mode.WINDOW or change.window is None:
        return None
    column, start = change.window
    at_start = f"SELECT 1 FROM {stored(staged.table)} WHERE {quote(column)} = CAST(? AS {shape[column]}) LIMIT 1"
    compare = ">=" if session.rows(at_start, (start,)) else ">"
    is_text = session.dialect.kind(shape[column]) == "text"
    return Window(column=column, compare=compare, kind=shape[column], start=start, is_text=is_text)


def leave_out_known(
    engine: Engine[S], session: S, staged: Generation, live: Generation, shape: Shape, window: Window
) -> Generation:
    """Drop the staged rows before the window that are live already, unchanged: they would stand there twice."""
    before, start = window.before(), (window.start,)
    if not session.rows(f"SELECT 1 FROM {stored(staged.table)} WHERE {before} LIMIT 1", start):
        return staged
    column, sent = quote(window.column), stored(staged.table)
    first = f"(SELECT {column} FROM {sent} WHERE {column} IS NOT NULL ORDER BY {column} LIMIT 1)"
    values, same = _values(engine.dialect, shape)
    known = _in_shape(engine.dialect, engine.columns(session, live.table), shape)
    there = (
        f"SELECT {values} FROM (SELECT {known} FROM {stored(live.table)}) AS old "
        f"WHERE {before} AND ({column} IS NULL OR {column} >= {first})"
    )
    mine = f"SELECT {engine.row_id} AS place, {values} FROM {sent} WHERE {before}"
    again = f"SELECT place FROM ({mine}) AS sent WHERE EXISTS (SELECT 1 FROM ({there}) AS known WHERE {same})"
    with engine.transaction(session):
        gone = session.run(f"DELETE FROM {sent} WHERE {engine.row_id} IN ({again})", start + start)
        books.note_superseded(session, staged.number, gone)
    return replace(staged, superseded=staged.superseded + gone)


def _values(dialect: Dialect, shape: Shape) -> tuple[str, str]:
    """Each column as text and as a mark of null, and the test that two rows agree in all of them: equalities alone,
    which every engine joins by."""
    values, tests = [], []
    for number, (name, kind) in enumerate(shape.items()):
        text = dialect.as_text.get(dialect.kind(kind), "{0}").format(quote(name))
        values += [
            f"coalesce({text}, '') AS v{number}",
            f"CASE WHEN {quote(name)} IS NULL THEN 1 ELSE 0 END AS n{number}",
        ]
        tests += [f"known.v{number} = sent.v{number}", f"known.n{number} = sent.n{number}"]
    return ", ".join(values), " AND ".join(tests)


def _in_shape(dialect: Dialect, present: Shape, shape: Shape) -> str:
    """The columns of a table as they are after this load."""
    values = {
        name: dialect.cast(quote(name), present[name], kind) if name in present else f"CAST(NULL AS {kind})"
        for name, kind in shape.items()
    }
    return ", ".join(f"{value} AS {quote(name)}" for name, value in values.items())
