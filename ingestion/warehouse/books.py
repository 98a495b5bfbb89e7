"""The books in the warehouse: which generation of a dataset is live, which loads have been published, who may publish.

Plain statements that every engine understands; the engine's session runs them. Parameters are written `?`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from ingestion.warehouse.base import (
    Effect,
    Published,
    PublishRequest,
    StageRequest,
    TableChange,
    Target,
    WarehouseUnavailable,
)
from ingestion.warehouse.sql import BOOKS, STORE, Dialect, book

UNFINISHED: Final = -1
MANY: Final = 500
LEFT_OUT: Final = "left_out"


class Session(Protocol):
    """One connection to a warehouse, in an engine's own way. Statements take `?` for parameters."""

    @property
    def dialect(self) -> Dialect: ...

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run a statement; answers how many rows it touched."""
        ...

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]: ...


@dataclass(frozen=True, kw_only=True)
class Generation:
    """One table of rows, from staging until it is dropped. `version` is the store it is attached to, if it is."""

    number: int
    dataset: int
    version: int | None
    load: int
    table: str
    rows: int  # as staged; UNFINISHED while it is being filled
    superseded: int  # of those, replaced by a later row of the same key
    live: bool  # is, or was


@dataclass(frozen=True, kw_only=True)
class Live:
    """What a dataset shows now."""

    generation: int | None
    rows: int


GENERATION_COLUMNS: Final = (
    "generation, dataset, version, load_id, table_name, row_count, superseded, live_at IS NOT NULL"
)


def schemas() -> tuple[str, str]:
    return BOOKS, STORE


def next_generation(session: Session) -> int:
    """A number that no other has. In the caller's transaction."""
    *before, answer = session.dialect.next_number
    for statement in before:
        session.run(statement)
    return int(session.rows(answer)[0][0])


def new_generation(session: Session, request: StageRequest, table: str) -> Generation:
    """Write down a table that is about to be made and filled. In the caller's transaction."""
    number, dataset, load = next_generation(session), request.target.dataset, request.load_id
    session.run(
        f"INSERT INTO {book('_generations')} (generation, dataset, load_id, table_name, row_count, superseded) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        (number, dataset, load, table, UNFINISHED, 0),
    )
    return Generation(
        number=number,
        dataset=dataset,
        version=None,
        load=load,
        table=table,
        rows=UNFINISHED,
        superseded=0,
        live=False,
    )


def note_rows(session: Session, number: int, count: int) -> None:
    session.run(f"UPDATE {book('_generations')} SET row_count = ? WHERE generation = ?", (count, number))


def generations(session: Session, where: str, parameters: Sequence[Any]) -> list[Generation]:
    found = session.rows(
        f"SELECT {GENERATION_COLUMNS} FROM {book('_generations')} WHERE {where} ORDER BY generation", parameters
    )
    return [
        Generation(number=n, dataset=d, version=v, load=load, table=table, rows=rows, superseded=gone, live=live)
        for n, d, v, load, table, rows, gone, live in found
    ]


def generation(session: Session, number: int | None) -> Generation | None:
    found = generations(session, "generation = ?", (number,)) if number is not None else []
    return found[0] if found else None


def generation_of(session: Session, table: str) -> Generation | None:
    found = generations(session, "table_name = ?", (table,))
    return found[0] if found else None


def droppable(session: Session, dataset: int, keep: int) -> list[Generation]:
    """Generations that nothing needs: dead ones beyond the newest `keep`, and what a published load left staged."""
    dead = generations(
        session,
        f"dataset = ? AND live_at IS NOT NULL AND retired_at IS NOT NULL AND generation NOT IN (SELECT generation "
        f"FROM {book('_generations')} WHERE dataset = ? AND retired_at IS NOT NULL "
        "ORDER BY retired_at DESC, generation DESC LIMIT ?)",
        (dataset, dataset, keep),
    )
    published_loads = f"EXISTS (SELECT 1 FROM {book('_loads')} l WHERE l.load_id = {book('_generations')}.load_id)"
    return [*dead, *generations(session, f"dataset = ? AND live_at IS NULL AND {published_loads}", (dataset,))]


def forget_generation(session: Session, number: int) -> None:
    session.run(f"DELETE FROM {book('_generations')} WHERE generation = ?", (number,))


def note_superseded(session: Session, number: int, count: int) -> None:
    session.run(f"UPDATE {book('_generations')} SET superseded = superseded + ? WHERE generation = ?", (count, number))


def note_version(session: Session, number: int, version: int | None) -> None:
    session.run(f"UPDATE {book('_generations')} SET version = ? WHERE generation = ?", (version, number))


def enter_dataset(session: Session, target: Target) -> None:
    """Make a dataset known; nothing is live yet. The caller holds the dataset's lock."""
    if not session.rows(f"SELECT 1 FROM {book('_live')} WHERE dataset = ?", (target.dataset,)):
        session.run(f"INSERT INTO {book('_live')} (dataset, row_count) VALUES (?, 0)", (target.dataset,))


def enter_name(session: Session, target: Target, *, shown_as: str) -> None:
    """Write down under which name a dataset is shown. A dataset that was renamed keeps its former names."""
    session.run(
        f"DELETE FROM {book('_datasets')} WHERE dataset = ? AND schema_name = ? AND name = ?",
        (target.dataset, target.schema, target.name),
    )
    session.run(
        f"INSERT INTO {book('_datasets')} (dataset, schema_name, name, description, shown_as) VALUES (?, ?, ?, ?, ?)",
        (target.dataset, target.schema, target.name, target.description, shown_as),
    )


def public_names(session: Session, dataset: int) -> list[tuple[str, str]]:
    sql = f"SELECT schema_name, name FROM {book('_datasets')} WHERE dataset = ? ORDER BY schema_name, name"
    return [(schema, name) for schema, name in session.rows(sql, (dataset,))]


def live(session: Session, dataset: int) -> Live:
    found = session.rows(f"SELECT generation, row_count FROM {book('_live')} WHERE dataset = ?", (dataset,))
    return Live(generation=found[0][0], rows=found[0][1]) if found else Live(generation=None, rows=0)


def point(session: Session, dataset: int, *, before: Live, after: Live) -> None:
    """What a dataset shows from the commit of this transaction on. Raises when it does not show `before` any more."""
    touched = session.run(
        f"UPDATE {book('_live')} SET generation = ?, row_count = ? "
        f"WHERE dataset = ? AND {_is(before.generation)} AND row_count = ?",
        (after.generation, after.rows, dataset, before.rows),
    )
    if touched != 1:
        raise WarehouseUnavailable(
            "The live table was changed by another load while this one was being published. Nothing became live.",
            advice="Nothing needs to be done: it is tried again.",
        )


def _is(generation: int | None) -> str:
    return "generation IS NULL" if generation is None else f"generation = {generation:d}"


def retire(session: Session, number: int, by: int | None) -> None:
    session.run(
        f"UPDATE {book('_generations')} SET retired_at = {session.dialect.now}, retired_by = ? WHERE generation = ?",
        (by, number),
    )


def enliven(session: Session, number: int) -> None:
    session.run(
        f"UPDATE {book('_generations')} SET live_at = {session.dialect.now}, retired_at = NULL, retired_by = NULL "
        "WHERE generation = ?",
        (number,),
    )


def published(session: Session, load: int) -> Published | None:
    if not session.rows(f"SELECT 1 FROM {book('_loads')} WHERE load_id = ?", (load,)):
        return None
    found = session.rows(
        "SELECT dataset, generation, inserted, updated, deleted, superseded, live, withdrawn "
        f"FROM {book('_ledger')} WHERE load_id = ? ORDER BY position",
        (load,),
    )
    names = ("dataset", "generation", "inserted", "updated", "deleted", "superseded", "live", "withdrawn")
    return Published(load_id=load, effects=tuple(Effect(**dict(zip(names, row, strict=True))) for row in found))


def write_load(session: Session, request: PublishRequest) -> None:
    session.run(
        f"INSERT INTO {book('_loads')} (load_id, token, facts, published_at) VALUES (?, ?, ?, {session.dialect.now})",
        (request.load_id, request.token, _json(request.facts, session.dialect.longest)),
    )
    write = _write_parts if session.dialect.arrays else _write_parts_by_row
    for start in range(0, len(request.parts), MANY):
        write(session, request.load_id, request.parts[start : start + MANY])


def _write_parts(session: Session, load: int, parts: Sequence[Mapping[str, Any]]) -> None:
    """Many rows a statement: a run may have thousands of parts, and a publish should be short."""
    kinds = {"dataset": "bigint", "number": "bigint", "task": "text", "uri": "text", "rows": "bigint"}
    columns = ", ".join(f"unnest(CAST(? AS {kind}[]))" for kind in kinds.values())
    values = [[part.get(name) for part in parts] for name in kinds]
    session.run(
        f"INSERT INTO {book('_parts')} (load_id, dataset, part, task, uri, row_count, facts) "
        f"SELECT {load:d}, {columns}, CAST(unnest(CAST(? AS text[])) AS json)",
        [*values, [_json(part) for part in parts]],
    )


def _write_parts_by_row(session: Session, load: int, parts: Sequence[Mapping[str, Any]]) -> None:
    names = ("dataset", "number", "task", "uri", "rows")
    rows = ", ".join(f"({load:d}, ?, ?, ?, ?, ?, ?)" for _ in parts)
    values: list[Any] = []
    for part in parts:
        values += [*(part.get(name) for name in names), _json(part, session.dialect.longest)]
    columns = "load_id, dataset, part, task, uri, row_count, facts"
    session.run(f"INSERT INTO {book('_parts')} ({columns}) VALUES {rows}", values)


def write_effects(session: Session, request: PublishRequest, done: Sequence[tuple[TableChange, Effect]]) -> None:
    """Enter what became of each table into the ledger. In the caller's transaction."""
    for start in range(0, len(done), MANY):
        entries = [_entry(request, place, *one) for place, one in enumerate(done[start : start + MANY], start)]
        rows = [f"({', '.join('?' * len(entry))}, {session.dialect.now})" for entry in entries]
        session.run(
            f"INSERT INTO {book('_ledger')} (load_id, position, dataset, generation, mode, token, inserted, updated, "
            f"deleted, superseded, live, withdrawn, manifest_digest, published_at) VALUES {', '.join(rows)}",
            [value for entry in entries for value in entry],
        )


def _entry(request: PublishRequest, position: int, change: TableChange, effect: Effect) -> tuple[Any, ...]:
    counts = (effect.inserted, effect.updated, effect.deleted, effect.superseded, effect.live, effect.withdrawn)
    place = (request.load_id, position, effect.dataset, effect.generation)
    return (*place, change.mode.value, request.token, *counts, change.manifest_digest)


def _json(facts: Mapping[str, Any], longest: int | None = None) -> str:
    """As JSON; where an engine has a bound, without the longest facts, whose names are told instead."""
    kept, left_out = dict(facts), list[str]()
    text = _dumped(kept)
    while longest and len(text) > longest and kept:
        left_out.append(max(kept, key=lambda name: len(_dumped(kept[name]))))
        del kept[left_out[-1]]
        text = _dumped({**kept, LEFT_OUT: left_out})
    return text


def _dumped(value: Any) -> str:
    return json.dumps(value, default=str, ensure_ascii=True)
