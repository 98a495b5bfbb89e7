"""What every warehouse promises when something is wrong: nothing becomes live, or once. Run over both of them."""

import gzip
from dataclasses import replace

import pytest

from ingestion.warehouse.base import (
    CountMismatch,
    LoadFault,
    Mode,
    Published,
    StaleToken,
    Target,
    Warehouse,
    WarehouseRefused,
)
from tests.ingestion.warehouse_kit import (
    Bare,
    Load,
    live,
    packed,
    part,
    publish,
    tamper,
)

ROWS = [(1, "one"), (2, "two"), (3, "three")]
ORDERS = Target(dataset=8, schema="live", name="orders", key=("id",))


def effect(published: Published) -> tuple[int, int, int, int, int]:
    (only,) = published.effects
    return only.inserted, only.updated, only.deleted, only.superseded, only.live


def test_publishing_twice_changes_nothing_and_answers_the_same(warehouse: Warehouse):
    Load(1, ROWS).run(warehouse)
    load = Load(2, [(1, "uno")], mode=Mode.MERGE)
    change = load.change(load.stage(warehouse))
    first = publish(warehouse, 2, [change])

    again = publish(warehouse, 2, [change], token=2)

    assert again == replace(first, already=True)
    assert warehouse.published(2) == first
    assert live(warehouse) == [(1, "uno"), (2, "two"), (3, "three")]


def test_the_ledger_knows_only_what_was_published(warehouse: Warehouse):
    assert warehouse.published(1) is None

    Load(1, ROWS).stage(warehouse)

    assert warehouse.published(1) is None


def test_a_repeat_after_a_crash_between_stage_and_publish_loads_once(warehouse: Warehouse):
    Load(1, ROWS).stage(warehouse)

    Load(1, ROWS, attempt=2).run(warehouse)

    assert live(warehouse) == ROWS
    assert warehouse.discard(1) == 1
    assert live(warehouse) == ROWS


def test_staging_again_under_the_same_attempt_starts_over(warehouse: Warehouse):
    Load(1, ROWS).stage(warehouse)

    published = Load(1, [(1, "one")]).run(warehouse)

    assert effect(published) == (1, 0, 0, 0, 1)


def test_staging_what_is_live_already_touches_nothing(warehouse: Warehouse):
    load = Load(1, ROWS)
    load.run(warehouse)

    again = load.run(warehouse)

    assert again.already
    assert live(warehouse) == ROWS


def test_an_older_attempt_is_fenced(warehouse: Warehouse):
    old, new = Load(1, ROWS), Load(1, ROWS, attempt=2)
    stale, fresh = old.change(old.stage(warehouse)), new.change(new.stage(warehouse))
    with pytest.raises(LoadFault):  # the newer attempt gets as far as the fence, then breaks off
        publish(warehouse, 1, [replace(fresh, staged=replace(fresh.staged, table="d7_l1_a99"))], token=2)

    with pytest.raises(StaleToken):
        publish(warehouse, 1, [stale], token=1)

    assert warehouse.published(1) is None
    assert not publish(warehouse, 1, [fresh], token=2).already


def test_all_tables_of_a_load_become_live_or_none(warehouse: Warehouse):
    Load(1, ROWS).run(warehouse)
    surveys, orders = Load(2, [(9, "nine")]), Load(2, [(1, "order")], target=ORDERS)
    good, bad = surveys.change(surveys.stage(warehouse)), orders.change(orders.stage(warehouse))

    with pytest.raises(CountMismatch):
        publish(warehouse, 2, [good, replace(bad, staged=replace(bad.staged, rows=2))])

    assert live(warehouse) == ROWS
    assert warehouse.published(2) is None

    both = publish(warehouse, 2, [good, bad], token=2)

    assert [(e.dataset, e.live) for e in both.effects] == [(7, 1), (8, 1)]
    assert live(warehouse, target=ORDERS) == [(1, "order")]


@pytest.mark.parametrize("mode", [Mode.REPLACE, Mode.MERGE, Mode.APPEND])
def test_a_row_lost_after_staging_is_found_and_nothing_becomes_live(warehouse: Warehouse, mode: Mode):
    Load(1, ROWS).run(warehouse)
    load = Load(2, [(4, "four"), (5, "five")], mode=mode)
    change = load.change(load.stage(warehouse))
    tamper(warehouse, f"DELETE FROM headgate_store.{change.staged.table} WHERE id = 5")

    with pytest.raises(CountMismatch):
        publish(warehouse, 2, [change])

    assert live(warehouse) == ROWS
    assert warehouse.published(2) is None


def test_a_part_with_fewer_rows_than_said_is_found(warehouse: Warehouse):
    short = replace(part(1, ["id", "name"], ROWS), rows=4)

    with pytest.raises(CountMismatch, match=r"part-1\.csv\.gz was staged with 4 rows, but 3"):
        Load(1, parts=(short,)).stage(warehouse)


def test_a_line_that_ends_a_copy_early_is_found(warehouse: Warehouse):
    text = b'1,"a",1\n\\.\n2,"b",1\n'

    with pytest.raises((CountMismatch, LoadFault)):
        Load(1, parts=(packed(1, ["id", "name"], gzip.compress(text), 2),)).stage(warehouse)


@pytest.mark.parametrize("cut", [30, 200])
def test_a_part_that_was_cut_off_is_found(warehouse: Warehouse, cut: int):
    text = "".join(f'{n},"name {n * n}",1\n' for n in range(500)).encode()
    whole = gzip.compress(text)

    with pytest.raises((CountMismatch, LoadFault)):
        Load(1, parts=(packed(1, ["id", "name"], whole[:-cut], 500),)).stage(warehouse)


def test_a_bad_value_is_named_by_row_and_column_but_not_shown(warehouse: Warehouse):
    bad = part(1, ["id", "name"], [(1, "a"), (2, "b"), (Bare("SECRET"), "c")])

    with pytest.raises(LoadFault) as raised:
        Load(1, parts=(bad,)).stage(warehouse)

    assert "Row 3" in raised.value.message
    assert "id" in raised.value.message
    assert "SECRET" not in raised.value.message + raised.value.advice
    assert ("SECRET" in raised.value.detail) is (warehouse.label != "Redshift")  # which tells one letter, and we none


def test_a_row_with_too_few_values_is_named(warehouse: Warehouse):
    bad = packed(1, ["id", "name"], gzip.compress(b'1,"a",1\n2,1\n'), 2)

    with pytest.raises(LoadFault, match="Row 2"):
        Load(1, parts=(bad,)).stage(warehouse)


def test_a_stop_from_the_heartbeat_ends_the_load(warehouse: Warehouse):
    class Cancelled(Exception):
        pass

    def stop() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        Load(1, ROWS, more={"heartbeat": stop}).stage(warehouse)

    assert Load(1, ROWS, attempt=2).run(warehouse).effects[0].live == 3


def test_discarding_drops_what_was_staged_and_nothing_live(warehouse: Warehouse):
    Load(1, ROWS).run(warehouse)
    Load(2, ROWS).stage(warehouse)
    Load(2, ROWS, attempt=2).stage(warehouse)

    assert warehouse.discard(2) == 2
    assert warehouse.discard(2) == 0
    assert warehouse.discard(1) == 0
    assert live(warehouse) == ROWS


def test_publishing_what_was_discarded_asks_for_another_load(warehouse: Warehouse):
    load = Load(1, ROWS)
    change = load.change(load.stage(warehouse))
    warehouse.discard(1)

    with pytest.raises(LoadFault, match="no longer in the warehouse"):
        publish(warehouse, 1, [change])


def test_a_name_that_is_taken_is_refused(warehouse: Warehouse):
    tamper(warehouse, "CREATE SCHEMA live")
    tamper(warehouse, "CREATE TABLE live.surveys (mine integer)")

    with pytest.raises(WarehouseRefused, match="belongs to something that was not made here"):
        Load(1, ROWS).run(warehouse)


def test_a_name_of_another_dataset_is_refused(warehouse: Warehouse):
    Load(1, ROWS).run(warehouse)

    with pytest.raises(WarehouseRefused, match="another dataset"):
        Load(2, [(1, "x")], target=replace(ORDERS, name="surveys")).run(warehouse)

    assert live(warehouse) == ROWS
