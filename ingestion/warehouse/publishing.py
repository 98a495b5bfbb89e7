"""How a load becomes live, the same for every engine: prepare each table out of sight, then one short transaction.

An engine supplies the few steps that differ (see `Engine`); the order of steps, the counts and the books are here.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from ingestion.warehouse import books, fencing, windows, withdrawing
from ingestion.warehouse.agreeing import agree, conform
from ingestion.warehouse.base import (
    CountMismatch,
    Effect,
    LoadFault,
    Mode,
    Published,
    PublishRequest,
    Span,
    TableChange,
    WarehouseUnavailable,
)
from ingestion.warehouse.books import Generation, Live, Session
from ingestion.warehouse.engine import Engine, S
from ingestion.warehouse.sql import LINEAGE, LOAD, PART, Dialect, Shape, names, quote, same_key, stored
from ingestion.warehouse.windows import Window


@dataclass(frozen=True, kw_only=True)
class Ready:
    """One table, prepared: all that is left is to show it."""

    change: TableChange
    staged: Generation
    shape: Shape
    before: Live
    into: Generation | None  # rows go into this live generation; None: the staged table becomes the live one
    carried: int = 0  # live rows that were copied into the staged table
    updated: int = 0  # staged rows whose key is live
    gone: tuple[Span, ...] = ()  # batches to be set aside in the same transaction
    window: Window | None = None

    @property
    def rows(self) -> int:
        return self.staged.rows - self.staged.superseded


def publish(engine: Engine[S], request: PublishRequest) -> Published:
    datasets = sorted(change.target.dataset for change in request.tables)
    if len(set(datasets)) != len(datasets):
        raise ValueError("a load may name a dataset once only")
    with engine.exclusive(datasets) as session:
        if known := books.published(session, request.load_id):
            return replace(known, already=True)
        with engine.transaction(session):
            for change in request.tables:
                books.enter_dataset(session, change.target)
            fencing.advance(session, engine.dialect, request)
        ready = [_prepare(engine, session, change) for change in request.tables]
        engine.settle(session, [table.change.target for table in ready if table.into is None])
        with engine.transaction(session):
            done = list(_go_live(engine, session, request, ready))
            books.write_load(session, request)
            books.write_effects(session, request, done)
        _clear(engine, session, ready)
    return Published(load_id=request.load_id, effects=tuple(effect for _, effect in done))


def _prepare(engine: Engine[S], session: S, change: TableChange) -> Ready:
    """Everything heavy, outside the publish. Safe to repeat after a crash at any step."""
    staged = _staged(session, change)
    shape = agree(engine, session, change, staged)
    engine.shape_store(session, change.target, shape)
    staged = engine.release(session, change.target, staged)
    conform(engine, session, change, staged, shape)
    staged = _supersede(engine, session, change, staged, shape)
    before = books.live(session, change.target.dataset)
    live = books.generation(session, before.generation) if change.mode is not Mode.REPLACE else None
    gone = _ready_to_withdraw(engine, session, change, before)
    window = windows.window_of(session, change, staged, shape) if live else None
    if live and window:
        staged = windows.leave_out_known(engine, session, staged, live, shape, window)
    ready = Ready(change=change, staged=staged, shape=shape, before=before, into=live, gone=gone, window=window)
    if live and engine.fits(session, live, shape):
        return _ready_to_insert(engine, session, ready, live)
    return _ready_to_switch(engine, session, ready, live)


def _ready_to_withdraw(engine: Engine[S], session: S, change: TableChange, before: Live) -> tuple[Span, ...]:
    gone = withdrawing.not_yet(session, change.target, change.withdraws)
    source = books.generation(session, before.generation) if gone else None
    if source:
        engine.ready_to_withdraw(session, source)
    return gone


def _staged(session: Session, change: TableChange) -> Generation:
    found = books.generation_of(session, change.staged.table)
    if found is None or found.rows == books.UNFINISHED or found.live:
        raise LoadFault(
            f"The staged rows of {change.target.name} are no longer in the warehouse, so they cannot be made live.",
            advice="Retry the run: its tables are loaded again from the staged files.",
            detail=change.staged.table,
        )
    if found.rows != change.staged.rows:
        raise _mismatch(change, change.staged.rows, found.rows)
    return found


def _supersede(engine: Engine[S], session: S, change: TableChange, staged: Generation, shape: Shape) -> Generation:
    """Of several staged rows with one key only the last stays: by the order column, then by part."""
    key = change.target.key
    if not key or change.mode not in (Mode.REPLACE, Mode.MERGE) or engine.distinct(session, staged.table, key):
        return staged
    order = [f"{quote(change.order)} DESC NULLS LAST"] if change.order in shape and change.order else []
    ranking = ", ".join([*order, f"{PART} DESC", f"{engine.row_id} DESC"])
    ranked = (
        f"SELECT {engine.row_id} AS place, row_number() OVER (PARTITION BY {names(key)} ORDER BY {ranking}) AS rank "
        f"FROM {stored(staged.table)}"
    )
    with engine.transaction(session):
        gone = session.run(
            f"DELETE FROM {stored(staged.table)} WHERE {engine.row_id} IN "
            f"(SELECT place FROM ({ranked}) AS ranked WHERE rank > 1)"
        )
        books.note_superseded(session, staged.number, gone)
    engine.distinct(session, staged.table, key)
    return replace(staged, superseded=staged.superseded + gone)


def _ready_to_insert(engine: Engine[S], session: S, ready: Ready, live: Generation) -> Ready:
    """Merge, append or window into the live generation; the rows move inside the publish."""
    if ready.change.mode is Mode.APPEND:
        engine.ready_to_append(session, live)
        return ready
    if ready.change.mode is Mode.WINDOW:
        engine.ready_for_duplicates(session, live.table)
        return ready
    key = ready.change.target.key
    engine.ready_for_merge(session, live, key)
    stays = f"(SELECT * FROM {stored(live.table)}{_but_gone(ready)})"
    return replace(ready, updated=_matching(session, key, stored(ready.staged.table), stays))


def _ready_to_switch(engine: Engine[S], session: S, ready: Ready, live: Generation | None) -> Ready:
    """The staged table becomes the next generation; live rows that stay are copied into it first."""
    if live:
        ready = _carry(engine, session, ready, live)
    found = session.rows(f"SELECT count(*) FROM {stored(ready.staged.table)} WHERE {LOAD} = ?", (ready.staged.load,))
    if found[0][0] != ready.rows:
        raise _mismatch(ready.change, ready.rows, found[0][0])
    engine.attach(session, ready.change.target, ready.staged)
    return replace(ready, into=None)


def _carry(engine: Engine[S], session: S, ready: Ready, live: Generation) -> Ready:
    """Copy the live rows that this load does not supersede, in the new shape. Old values keep their meaning."""
    staged, key, before = stored(ready.staged.table), ready.change.target.key, engine.columns(session, live.table)
    engine.ready_for_duplicates(session, ready.staged.table)
    casts = [
        f"{engine.dialect.cast(quote(name), before[name], after)} AS {quote(name)}"
        for name, after in ready.shape.items()
        if name in before
    ]
    old = f"(SELECT {', '.join([*LINEAGE, *casts])} FROM {stored(live.table)}{_but_gone(ready)})"
    into = names([*LINEAGE, *(name for name in ready.shape if name in before)])
    with engine.transaction(session):
        session.run(f"DELETE FROM {staged} WHERE {LOAD} <> ?", (ready.staged.load,))  # of an earlier try
        updated = _matching(session, key, staged, old) if ready.change.mode is Mode.MERGE else 0
        superseded = _superseded_rows(ready, "old", engine.dialect)
        stays = " AND ".join(rows.negated for rows in superseded) or "1 = 1"
        values = [value for rows in superseded for value in rows.values]
        carried = session.run(f"INSERT INTO {staged} ({into}) SELECT {into} FROM {old} AS old WHERE {stays}", values)
    return replace(ready, carried=carried, updated=updated)


def _but_gone(ready: Ready) -> str:
    return f" WHERE NOT {withdrawing.rows_in(ready.gone)}" if ready.gone else ""


def _matching(session: Session, key: Sequence[str], staged: str, live: str) -> int:
    exists = f"EXISTS (SELECT 1 FROM {live} AS live WHERE {same_key(key, 'live', 'staged')})"
    return int(session.rows(f"SELECT count(*) FROM {staged} AS staged WHERE {exists}")[0][0])


@dataclass(frozen=True, kw_only=True)
class _Rows:
    """A condition for live rows, and the one for all others."""

    condition: str
    negated: str
    values: tuple[str, ...] = ()


def _superseded_rows(ready: Ready, alias: str, dialect: Dialect) -> list[_Rows]:
    """The live rows, under `alias`, that this load replaces: all that meet one of the conditions. They come one by one,
    since not every engine joins what stands under an OR."""
    change = ready.change
    if change.mode is Mode.MERGE:
        matches = same_key(change.target.key, "staged", alias)
        sources = [f"SELECT 1 FROM {stored(ready.staged.table)} AS staged WHERE {matches}"]
        if change.parent:
            sources.append(_staged_parents(ready, alias, dialect.types["text"]))
        return [_Rows(condition=f"EXISTS ({source})", negated=f"NOT EXISTS ({source})") for source in sources]
    if ready.window:
        within = ready.window.within(f"{alias}.")
        return [_Rows(condition=within, negated=f"({within}) IS NOT TRUE", values=(ready.window.start,))]
    return []


def _staged_parents(ready: Ready, alias: str, text: str) -> str:
    """Children whose parent came again: those that came with it take their place, the others are gone at the source."""
    parent = ready.change.parent
    assert parent
    fields = [f"CAST({quote(name)} AS {text})" for name in parent.key]
    if len(fields) > 1:  # a backslash in a text constant is not the same everywhere
        fields = [f"replace(replace({field}, chr(92), chr(92) || chr(92)), '|', chr(92) || '|')" for field in fields]
    key = " || '|' || ".join(fields)
    ids = f"SELECT {key} AS id FROM {stored(parent.staged.table)} WHERE {LOAD} = {int(ready.staged.load)}"
    return f"SELECT 1 FROM ({ids}) AS parents WHERE parents.id = CAST({alias}.{quote(parent.child_column)} AS {text})"


def _go_live(
    engine: Engine[S], session: S, request: PublishRequest, ready: Sequence[Ready]
) -> Iterator[tuple[TableChange, Effect]]:
    """Inside the publish transaction: fence, rows, pointers, for every table."""
    fencing.check(session, request)
    for table in ready:
        withdrawn = _withdraw(engine, session, table) if table.gone else 0
        removed = _insert(session, table, table.into) if table.into else _switch(engine, session, table) - withdrawn
        effect = _effect(table, removed, withdrawn)
        after = Live(generation=effect.generation, rows=effect.live)
        books.point(session, effect.dataset, before=table.before, after=after)
        yield table.change, effect


def _withdraw(engine: Engine[S], session: S, ready: Ready) -> int:
    """Set aside what this load takes the place of. A table that is about to be retired keeps its rows."""
    source = books.generation(session, ready.before.generation)
    assert source, "a load that is in the ledger has a live generation"
    shape = engine.columns(session, source.table)
    moved = withdrawing.set_aside(session, source, shape, ready.gone, reason=withdrawing.REPLACED)
    if ready.into:
        withdrawing.take_out(session, ready.change.target, source, ready.gone, moved)
    return moved


def _insert(session: Session, ready: Ready, live: Generation) -> int:
    """Answers how many live rows were removed."""
    removed = _remove_superseded(session, ready, live)
    columns = names([*LINEAGE, *ready.shape])
    inserted = session.run(
        f"INSERT INTO {stored(live.table)} ({columns}) SELECT {columns} FROM {stored(ready.staged.table)}"
    )
    if inserted != ready.rows:
        raise _mismatch(ready.change, ready.rows, inserted)
    return removed


def _remove_superseded(session: Session, ready: Ready, live: Generation) -> int:
    superseded = _superseded_rows(ready, quote(live.table), session.dialect)  # not every engine takes an alias here
    table = stored(live.table)
    return sum(session.run(f"DELETE FROM {table} WHERE {rows.condition}", rows.values) for rows in superseded)


def _switch(engine: Engine[S], session: S, ready: Ready) -> int:
    if ready.before.generation is not None:
        books.retire(session, ready.before.generation, engine.transaction_number(session))
    books.enliven(session, ready.staged.number)
    engine.show(session, ready.change.target, ready.staged, ready.shape)
    return ready.before.rows - ready.carried


def _effect(ready: Ready, removed: int, withdrawn: int) -> Effect:
    return Effect(
        dataset=ready.change.target.dataset,
        generation=ready.into.number if ready.into else ready.staged.number,
        inserted=ready.rows - ready.updated,
        updated=ready.updated,
        deleted=removed - ready.updated,
        superseded=ready.staged.superseded,
        live=ready.before.rows - withdrawn - removed + ready.rows,
        withdrawn=withdrawn,
    )


def _clear(engine: Engine[S], session: S, ready: Sequence[Ready]) -> None:
    """The load is live; staged tables whose rows were copied are of no more use. `tidy` drops what stays behind."""
    with suppress(WarehouseUnavailable):
        for table in ready:
            if table.into:
                engine.drop(session, table.staged)


def _mismatch(change: TableChange, expected: int, found: int) -> CountMismatch:
    return CountMismatch(
        f"{change.target.name} was staged with {expected} rows, but {found} are there to be made live. "
        "Nothing became live.",
        advice="Retry the run: the table is loaded again from the staged files.",
        detail=change.staged.table,
    )
