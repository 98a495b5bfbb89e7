"""Batches out of view but kept: their rows move to a table of their own, in one transaction with the books.

Readers of the live table never pay for rows that are hidden, since these are not in it.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from ingestion.warehouse import books
from ingestion.warehouse.base import CountMismatch, LoadFault, Span, Target, Withdrawn, WithdrawRequest
from ingestion.warehouse.books import MANY, Generation, Live, Session
from ingestion.warehouse.engine import Engine, S
from ingestion.warehouse.sql import LINEAGE, LOAD, PART, Shape, book, names, stored

REPLACED: Final = "replaced"  # the reason of those whose place another batch took
SET_ASIDE: Final = "set aside"
DROPPED: Final = "dropped"


def withdraw(engine: Engine[S], request: WithdrawRequest) -> Withdrawn:
    """See `base.Warehouse.withdraw`."""
    dataset = request.target.dataset
    with engine.exclusive([dataset]) as session:
        spans = not_yet(session, request.target, request.spans)
        if spans:
            _withdraw(engine, session, request, spans)
        counts = _counts(session, {span.batch for span in request.spans})
        return Withdrawn(rows=counts, live=books.live(session, dataset).rows, already=not spans)


def _withdraw(engine: Engine[S], session: S, request: WithdrawRequest, spans: Sequence[Span]) -> None:
    before = books.live(session, request.target.dataset)
    live = books.generation(session, before.generation)
    assert live, "a load that is in the ledger has a live generation"
    engine.ready_to_withdraw(session, live)
    shape = engine.columns(session, live.table)
    with engine.transaction(session):
        moved = set_aside(session, live, shape, spans, reason=request.reason)
        take_out(session, request.target, live, spans, moved)
        after = Live(generation=before.generation, rows=before.rows - moved)
        books.point(session, request.target.dataset, before=before, after=after)


def not_yet(session: Session, target: Target, spans: Sequence[Span]) -> tuple[Span, ...]:
    """Those of the spans whose batches have not been withdrawn. Raises LoadFault for a load that was never live."""
    if not spans:
        return ()
    _refuse_shared_rows(spans)
    known = _counts(session, {span.batch for span in spans})
    fresh = tuple(span for span in spans if span.batch not in known)
    _refuse_unpublished(session, target, fresh)
    return fresh


def set_aside(session: Session, source: Generation, shape: Shape, spans: Sequence[Span], *, reason: str) -> int:
    """Inside a transaction: copy the spans' rows to a table of their own and write it down; answers how many."""
    table = f"d{source.dataset:d}_aside_{books.next_generation(session):d}"
    columns = names([*LINEAGE, *shape])
    session.run(f"CREATE TABLE {stored(table)} AS SELECT {columns} FROM {stored(source.table)} WHERE {rows_in(spans)}")
    counts = _count_each(session, table, spans)
    for start in range(0, len(spans), MANY):
        _enter(session, source.dataset, spans[start : start + MANY], counts[start : start + MANY], reason, table)
    return sum(counts)


def take_out(session: Session, target: Target, live: Generation, spans: Sequence[Span], moved: int) -> None:
    """Inside the same transaction, after `set_aside`: the rows leave the table that stays live."""
    removed = session.run(f"DELETE FROM {stored(live.table)} WHERE {rows_in(spans)}")
    if removed != moved:
        raise CountMismatch(
            f"{moved} rows of {target.name} were set aside, but {removed} taken out of view. Nothing was changed.",
            advice="Try again; if it comes again, ask whoever runs the warehouse what else writes into this table.",
            detail=live.table,
        )


def rows_in(spans: Iterable[Span]) -> str:
    """The condition for the rows of these spans."""
    by_load: dict[int, list[str]] = {}
    for span in spans:
        by_load.setdefault(span.load_id, []).append(f"{PART} BETWEEN {span.first:d} AND {span.last:d}")
    loads = [f"({LOAD} = {load:d} AND ({' OR '.join(parts)}))" for load, parts in by_load.items()]
    return f"({' OR '.join(loads)})"


def _count_each(session: Session, table: str, spans: Sequence[Span]) -> list[int]:
    """How many of the rows set aside are each span's."""
    found = session.rows(f"SELECT {LOAD}, {PART}, count(*) FROM {stored(table)} GROUP BY 1, 2")
    order = sorted(range(len(spans)), key=lambda place: (spans[place].load_id, spans[place].first))
    starts = [(spans[place].load_id, spans[place].first) for place in order]
    counts = [0] * len(spans)
    for load, part, count in found:  # no span shares rows with another, so the last that starts before is the one
        counts[order[bisect_right(starts, (load, part)) - 1]] += int(count)
    return counts


def _enter(
    session: Session, dataset: int, spans: Sequence[Span], counts: Sequence[int], reason: str, table: str
) -> None:
    values: list[Any] = []
    for span, count in zip(spans, counts, strict=True):
        values += [span.batch, span.load_id, span.first, span.last, dataset, count, reason, table, SET_ASIDE]
    rows = ", ".join(f"(?, ?, ?, ?, ?, ?, ?, ?, ?, {session.dialect.now})" for _ in spans)
    session.run(
        f"INSERT INTO {book('_withdrawals')} (batch, load_id, first_part, last_part, dataset, row_count, reason, "
        f"table_name, state, withdrawn_at) VALUES {rows}",
        values,
    )


def _counts(session: Session, batches: Iterable[int]) -> Mapping[int, int]:
    """The rows of each batch that is, or was, set aside."""
    wanted = ", ".join(f"{batch:d}" for batch in sorted(batches))
    if not wanted:
        return {}
    found = session.rows(
        f"SELECT batch, sum(row_count) FROM {book('_withdrawals')} WHERE batch IN ({wanted}) GROUP BY batch"
    )
    return {int(batch): int(count) for batch, count in found}


def _refuse_shared_rows(spans: Sequence[Span]) -> None:
    ordered = sorted(spans, key=lambda span: (span.load_id, span.first, span.last))
    for one, other in pairwise(ordered):
        if one.load_id == other.load_id and other.first <= one.last:
            raise ValueError(f"two spans share rows: {one} and {other}")


def _refuse_unpublished(session: Session, target: Target, spans: Sequence[Span]) -> None:
    loads = {span.load_id for span in spans}
    if not loads:
        return
    wanted = ", ".join(f"{load:d}" for load in sorted(loads))
    found = session.rows(
        f"SELECT load_id FROM {book('_ledger')} WHERE dataset = ? AND load_id IN ({wanted})", (target.dataset,)
    )
    if missing := loads - {int(load) for (load,) in found}:
        batches = ", ".join(str(span.batch) for span in spans if span.load_id in missing)
        raise LoadFault(
            f"Batch {batches} cannot be taken out of {target.name}: its rows were never made live there.",
            advice="Only a batch that was promoted can be reverted or replaced. Check which batch was meant.",
            detail=f"loads {sorted(missing)} are not in the ledger of dataset {target.dataset}",
        )
