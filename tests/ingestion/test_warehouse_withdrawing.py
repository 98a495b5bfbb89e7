"""Batches out of view and back never by half: reverted, replaced by a replay. Run over DuckDB and Postgres."""

import threading
from dataclasses import replace

import pytest

from ingestion.warehouse import books
from ingestion.warehouse.base import (
    CountMismatch,
    Effect,
    LoadFault,
    Mode,
    Span,
    Warehouse,
    WarehouseUnavailable,
    Withdrawn,
    WithdrawRequest,
)
from ingestion.warehouse.connect import _make
from tests.ingestion.warehouse_kit import ID_NAME, SURVEYS, Load, columns, live, part, publish, tamper

# Load 5 brings two batches: 100 in the parts 11 and 12, 101 in part 13.
FIRST = Span(batch=100, load_id=5, first=11, last=12)
SECOND = Span(batch=101, load_id=5, first=13, last=13)
BROUGHT = (
    part(11, ["id", "name"], [(1, "a"), (2, "b")]),
    part(12, ["id", "name"], [(3, "c")]),
    part(13, ["id", "name"], [(4, "d")]),
)


def two_batches(warehouse: Warehouse) -> None:
    Load(4, [(0, "older")], mode=Mode.APPEND).run(warehouse)
    Load(5, parts=BROUGHT, mode=Mode.APPEND).run(warehouse)


def withdraw(warehouse: Warehouse, *spans: Span) -> Withdrawn:
    return warehouse.withdraw(WithdrawRequest(target=SURVEYS, spans=spans, reason="reverted"))


def kept(warehouse: Warehouse, batch: int) -> list[tuple[object, ...]]:
    """What is set aside of a batch, as the books say where."""
    ((table, load, first, last),) = warehouse.query(
        "SELECT table_name, load_id, first_part, last_part FROM headgate_books._withdrawals WHERE batch = ?", (batch,)
    )
    return warehouse.query(
        f"SELECT id, name FROM headgate_store.{table} WHERE _load_id = ? AND _part BETWEEN ? AND ? ORDER BY 1",
        (load, first, last),
    )


def only(effects: tuple[Effect, ...]) -> Effect:
    (effect,) = effects
    return effect


def test_a_withdrawn_batch_is_out_of_view_and_kept(warehouse: Warehouse):
    two_batches(warehouse)

    answer = withdraw(warehouse, FIRST)

    assert answer == Withdrawn(rows={100: 3}, live=2)
    assert live(warehouse) == [(0, "older"), (4, "d")]
    assert kept(warehouse, 100) == [(1, "a"), (2, "b"), (3, "c")]
    assert warehouse.query("SELECT row_count FROM headgate_books._live") == [(2,)]


def test_withdrawing_again_changes_nothing_and_answers_the_same(warehouse: Warehouse):
    two_batches(warehouse)
    withdraw(warehouse, FIRST)

    assert withdraw(warehouse, FIRST) == Withdrawn(rows={100: 3}, live=2, already=True)
    assert withdraw(warehouse, FIRST, SECOND) == Withdrawn(rows={100: 3, 101: 1}, live=1)
    assert withdraw(warehouse, FIRST, SECOND) == Withdrawn(rows={100: 3, 101: 1}, live=1, already=True)


def test_a_batch_may_have_several_spans(warehouse: Warehouse):
    two_batches(warehouse)

    answer = withdraw(warehouse, replace(FIRST, last=11), replace(SECOND, batch=100))

    assert answer == Withdrawn(rows={100: 3}, live=2)
    assert live(warehouse) == [(0, "older"), (3, "c")]


def test_spans_of_several_loads_leave_at_once(warehouse: Warehouse):
    two_batches(warehouse)
    Load(6, parts=(part(21, ["id", "name"], [(9, "z")]),), mode=Mode.APPEND).run(warehouse)

    answer = withdraw(warehouse, SECOND, Span(batch=102, load_id=6, first=21, last=30))

    assert answer == Withdrawn(rows={101: 1, 102: 1}, live=4)


def test_spans_that_share_rows_are_refused(warehouse: Warehouse):
    two_batches(warehouse)

    with pytest.raises(ValueError, match="share rows"):
        withdraw(warehouse, FIRST, replace(SECOND, first=12))

    assert len(live(warehouse)) == 5


def test_a_load_that_was_never_live_is_refused_and_named(warehouse: Warehouse):
    two_batches(warehouse)

    with pytest.raises(LoadFault, match=r"Batch 7 cannot be taken out of surveys"):
        withdraw(warehouse, FIRST, Span(batch=7, load_id=99, first=1, last=2))

    assert len(live(warehouse)) == 5


def test_rows_that_a_merge_superseded_are_counted_as_gone_and_stay_gone(warehouse: Warehouse):
    two_batches(warehouse)
    Load(6, [(1, "new"), (4, "newer")], mode=Mode.MERGE).run(warehouse)

    assert withdraw(warehouse, FIRST, SECOND) == Withdrawn(rows={100: 2, 101: 0}, live=3)
    assert live(warehouse) == [(0, "older"), (1, "new"), (4, "newer")]


def test_a_table_goes_on_after_a_withdrawal(warehouse: Warehouse):
    two_batches(warehouse)
    withdraw(warehouse, FIRST)

    Load(6, [(5, "e")], mode=Mode.APPEND).run(warehouse)
    Load(7, [(2, 2.5)], columns(id="numeric(38,1)", name="text"), Mode.MERGE).run(warehouse)

    assert [row[1] for row in live(warehouse)] == ["older", "2.5", "d", "e"]
    assert withdraw(warehouse, SECOND) == Withdrawn(rows={101: 1}, live=3)
    assert kept(warehouse, 100) == [(1, "a"), (2, "b"), (3, "c")]


def test_a_withdrawal_that_fails_half_way_leaves_all_as_it_was(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch):
    two_batches(warehouse)
    tables = "SELECT count(*) FROM information_schema.tables"
    before, real = warehouse.query(tables), books.live
    monkeypatch.setattr(books, "live", lambda session, dataset: replace(real(session, dataset), rows=99))

    with pytest.raises(WarehouseUnavailable, match="changed by another load"):
        withdraw(warehouse, FIRST)

    assert len(live(warehouse)) == 5
    assert warehouse.query(tables) == before
    assert warehouse.query("SELECT count(*) FROM headgate_books._withdrawals") == [(0,)]


def test_a_replay_takes_the_place_of_its_predecessor(warehouse: Warehouse):
    two_batches(warehouse)

    published = Load(6, [(1, "again"), (7, "more")], mode=Mode.APPEND, withdraws=(FIRST,)).run(warehouse)

    assert only(published.effects) == replace(
        only(published.effects), inserted=2, updated=0, deleted=0, withdrawn=3, live=4
    )
    assert live(warehouse) == [(0, "older"), (1, "again"), (4, "d"), (7, "more")]
    assert kept(warehouse, 100) == [(1, "a"), (2, "b"), (3, "c")]
    assert warehouse.published(6) == published
    assert warehouse.query("SELECT reason FROM headgate_books._withdrawals") == [("replaced",)]


def test_a_replay_that_widens_a_column_counts_right_too(warehouse: Warehouse):
    two_batches(warehouse)

    wider = columns(id="text", name="text")
    published = Load(6, [("x", "again")], wider, Mode.APPEND, withdraws=(FIRST,)).run(warehouse)

    effect = only(published.effects)
    assert (effect.inserted, effect.deleted, effect.withdrawn, effect.live) == (1, 0, 3, 3)
    assert live(warehouse) == [("0", "older"), ("4", "d"), ("x", "again")]
    assert kept(warehouse, 100) == [(1, "a"), (2, "b"), (3, "c")]


@pytest.mark.parametrize("key", ["integer", "text"])
def test_a_replay_by_key_counts_what_it_replaces_once(warehouse: Warehouse, key: str):
    two_batches(warehouse)

    layout, spelt = columns(id=key, name="text"), {"integer": int, "text": str}[key]
    rows = [(spelt(1), "was in the batch"), (spelt(4), "was in the other")]
    published = Load(6, rows, layout, Mode.MERGE, withdraws=(FIRST,)).run(warehouse)

    effect = only(published.effects)
    assert (effect.inserted, effect.updated, effect.deleted, effect.withdrawn, effect.live) == (1, 1, 0, 3, 3)
    assert len(live(warehouse)) == 3


def test_a_replay_of_a_whole_table_keeps_the_batch_aside(warehouse: Warehouse):
    two_batches(warehouse)

    published = Load(6, [(1, "all new")], withdraws=(FIRST,)).run(warehouse)

    effect = only(published.effects)
    assert (effect.inserted, effect.deleted, effect.withdrawn, effect.live) == (1, 2, 3, 1)
    assert kept(warehouse, 100) == [(1, "a"), (2, "b"), (3, "c")]


def test_a_replay_of_what_was_reverted_withdraws_nothing_more(warehouse: Warehouse):
    two_batches(warehouse)
    withdraw(warehouse, FIRST)

    published = Load(6, [(1, "again")], mode=Mode.APPEND, withdraws=(FIRST,)).run(warehouse)

    assert (only(published.effects).withdrawn, only(published.effects).live) == (0, 3)


def test_a_replay_of_a_replay_sets_the_first_replay_aside(warehouse: Warehouse):
    two_batches(warehouse)
    Load(6, [(1, "again")], mode=Mode.APPEND, withdraws=(FIRST,)).run(warehouse)

    replay = Span(batch=102, load_id=6, first=1, last=1)
    published = Load(7, [(1, "last")], mode=Mode.APPEND, withdraws=(FIRST, replay)).run(warehouse)

    assert (only(published.effects).withdrawn, only(published.effects).live) == (1, 3)
    assert kept(warehouse, 102) == [(1, "again")]


def test_publishing_a_replay_twice_withdraws_once(warehouse: Warehouse):
    two_batches(warehouse)
    load = Load(6, [(1, "again")], mode=Mode.APPEND, withdraws=(FIRST,))
    change = load.change(load.stage(warehouse))
    first = publish(warehouse, 6, [change])

    assert publish(warehouse, 6, [change], token=2) == replace(first, already=True)
    assert len(live(warehouse)) == 3


def test_a_replay_that_fails_withdraws_nothing(warehouse: Warehouse):
    two_batches(warehouse)
    load = Load(6, [(1, "again"), (2, "more")], mode=Mode.APPEND, withdraws=(FIRST,))
    change = load.change(load.stage(warehouse))
    tamper(warehouse, f"DELETE FROM headgate_store.{change.staged.table} WHERE id = 2")

    with pytest.raises(CountMismatch):
        publish(warehouse, 6, [change])

    assert len(live(warehouse)) == 5
    assert warehouse.query("SELECT count(*) FROM headgate_books._withdrawals") == [(0,)]


def test_readers_see_the_batch_or_its_replay_never_both_or_neither(warehouse: Warehouse):
    Load(1, parts=(part(1, ["id", "name"], [(n, "0") for n in range(20)]),), mode=Mode.APPEND).run(warehouse)
    seen: list[list[tuple[object, ...]]] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.append(warehouse.query("SELECT count(*), count(DISTINCT name) FROM live.surveys"))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for number in range(2, 12):
            rows = [(n, str(number)) for n in range(20)]
            layout = ID_NAME if number < 8 else columns(id="numeric(38,0)", name="text")
            brought = (part(number, ["id", "name"], rows),)
            before = Span(batch=number - 1, load_id=number - 1, first=number - 1, last=number - 1)
            Load(number, columns=layout, parts=brought, mode=Mode.APPEND, withdraws=(before,)).run(warehouse)
    finally:
        done.set()
        reader.join()

    assert seen
    assert {tuple(found) for found in seen} == {((20, 1),)}


def test_many_batches_are_withdrawn_at_once(warehouse: Warehouse):
    brought = tuple(part(n, ["id", "name"], [(n, "x"), (n, "y")]) for n in range(1, 701))
    Load(1, parts=brought, mode=Mode.APPEND).run(warehouse)

    spans = [Span(batch=1000 + n, load_id=1, first=n, last=n) for n in range(1, 701) if n != 350]
    answer = withdraw(warehouse, *spans)

    assert answer.live == 2
    assert set(answer.rows.values()) == {2}
    assert len(answer.rows) == 699


@pytest.mark.parametrize("warehouse_url", ["duckdb", "postgres"], indirect=True)  # Redshift had no earlier one
def test_a_warehouse_of_an_earlier_release_is_brought_up_to_date(warehouse_url: str, warehouse: Warehouse):
    two_batches(warehouse)
    before = warehouse.published(5)
    tamper(warehouse, "DROP TABLE headgate_books._withdrawals")
    tamper(warehouse, "ALTER TABLE headgate_books._ledger DROP COLUMN withdrawn")
    warehouse.close()
    newer = _make(warehouse_url)

    try:
        assert newer.published(5) == before
        assert withdraw(newer, FIRST) == Withdrawn(rows={100: 3}, live=2)
    finally:
        newer.close()
