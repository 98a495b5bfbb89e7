"""What every warehouse promises about loads: what becomes live, once, all or none. Run over DuckDB and Postgres."""

import threading
from dataclasses import replace

import pytest

from ingestion.warehouse.base import (
    Effect,
    Mode,
    Published,
    PublishRequest,
    Target,
    Warehouse,
)
from tests.ingestion.warehouse_kit import (
    ID_NAME,
    PLAIN,
    SURVEYS,
    Bare,
    Load,
    columns,
    live,
    part,
    publish,
)

ROWS = [(1, "one"), (2, "two"), (3, "three")]
ORDERS = Target(dataset=8, schema="live", name="orders", key=("id",))


def effect(published: Published) -> tuple[int, int, int, int, int]:
    (only,) = published.effects
    return only.inserted, only.updated, only.deleted, only.superseded, only.live


def test_a_replace_shows_the_new_rows_and_nothing_else(warehouse: Warehouse):
    first = Load(1, ROWS).run(warehouse)
    second = Load(2, [(9, "nine")]).run(warehouse)

    assert live(warehouse) == [(9, "nine")]
    assert effect(first) == (3, 0, 0, 0, 3)
    assert effect(second) == (1, 0, 3, 0, 1)


def test_an_empty_replace_leaves_an_empty_table(warehouse: Warehouse):
    Load(1, ROWS).run(warehouse)

    published = Load(2, parts=()).run(warehouse)

    assert live(warehouse) == []
    assert effect(published) == (0, 0, 3, 0, 0)


def test_an_empty_first_load_makes_the_table(warehouse: Warehouse):
    Load(1, []).run(warehouse)

    assert live(warehouse) == []


def test_a_merge_supersedes_rows_by_key(warehouse: Warehouse):
    Load(1, ROWS).run(warehouse)

    published = Load(2, [(2, "zwei"), (4, "vier")], mode=Mode.MERGE).run(warehouse)

    assert live(warehouse) == [(1, "one"), (2, "zwei"), (3, "three"), (4, "vier")]
    assert effect(published) == (1, 1, 0, 0, 4)


def test_a_merge_into_nothing_is_the_first_load(warehouse: Warehouse):
    published = Load(1, ROWS, mode=Mode.MERGE).run(warehouse)

    assert live(warehouse) == ROWS
    assert effect(published) == (3, 0, 0, 0, 3)


def test_an_append_adds_rows_even_with_a_key_that_is_there(warehouse: Warehouse):
    Load(1, ROWS).run(warehouse)

    published = Load(2, [(3, "again")], mode=Mode.APPEND).run(warehouse)

    assert live(warehouse) == [(1, "one"), (2, "two"), (3, "again"), (3, "three")]
    assert effect(published) == (1, 0, 0, 0, 4)


def test_a_merge_after_an_append_replaces_every_row_of_the_key(warehouse: Warehouse):
    Load(1, ROWS).run(warehouse)
    Load(2, [(3, "again")], mode=Mode.APPEND).run(warehouse)

    published = Load(3, [(3, "last")], mode=Mode.MERGE).run(warehouse)

    assert live(warehouse) == [(1, "one"), (2, "two"), (3, "last")]
    assert effect(published) == (0, 1, 1, 0, 3)


def test_a_window_replaces_what_lies_at_or_after_its_start(warehouse: Warehouse):
    dated = columns(id="integer", day="date")
    first = [(1, Bare("2026-01-01")), (2, Bare("2026-01-02")), (3, Bare("2026-01-03")), (4, None)]
    Load(1, first, dated, target=PLAIN).run(warehouse)

    published = Load(
        2,
        [(5, Bare("2026-01-02"))],
        dated,
        Mode.WINDOW,
        PLAIN,
        window=("day", "2026-01-02"),
    ).run(warehouse)

    assert [row[0] for row in live(warehouse, "id, day")] == [1, 4, 5]
    assert effect(published) == (1, 0, 2, 0, 3)


def test_what_lies_at_the_very_start_of_a_window_stays_where_nothing_was_sent_for_it(warehouse: Warehouse):
    dated = columns(id="integer", day="date")
    Load(1, [(1, Bare("2026-01-01")), (2, Bare("2026-01-02")), (3, Bare("2026-01-03"))], dated, target=PLAIN).run(
        warehouse
    )

    later = Load(2, [(4, Bare("2026-01-03"))], dated, Mode.WINDOW, PLAIN, window=("day", "2026-01-02")).run(warehouse)
    nothing = Load(3, [], dated, Mode.WINDOW, PLAIN, window=("day", "2026-01-03")).run(warehouse)

    assert [row[0] for row in live(warehouse, "id, day")] == [1, 2, 4]
    assert (effect(later), effect(nothing)) == ((1, 0, 1, 0, 3), (0, 0, 0, 0, 3))


def test_of_texts_a_window_takes_only_those_as_long_as_its_start(warehouse: Warehouse):
    """What a source sends is later by its own order: "20" comes before "100" there, and "none" nowhere."""
    texts = columns(id="integer", mark="text")
    Load(1, [(1, "20"), (2, "100"), (3, "none"), (4, "105"), (5, None)], texts, target=PLAIN).run(warehouse)

    Load(2, [(2, "100"), (6, "101"), (7, "99")], texts, Mode.WINDOW, PLAIN, window=("mark", "100")).run(warehouse)

    assert [row[0] for row in live(warehouse, "id, mark")] == [1, 2, 3, 5, 6, 7]


@pytest.mark.parametrize("wider", [False, True], ids=["same columns", "a column of another type"])
def test_rows_before_a_window_that_are_live_already_do_not_stand_there_twice(warehouse: Warehouse, wider: bool):
    layout = columns(day="date", n="integer", name="text", more="json")
    known = [
        (Bare("2026-01-01"), 1, "", None),
        (Bare("2026-01-01"), 1, None, '{"a": [1]}'),
        (None, None, "x", "[]"),
        (Bare("2026-01-02"), 2, "kept", None),
    ]
    Load(1, known, layout, target=PLAIN).run(warehouse)
    fresh = [(Bare("2026-01-01"), 1, "new", None), (None, 7, "x", "[]"), (Bare("2026-01-03"), 3, None, None)]
    if wider:
        layout = columns(day="date", n="numeric(38,2)", name="text", more="json")
        fresh = [*fresh, (Bare("2026-01-03"), Bare("3.25"), "y", None)]

    published = Load(2, [*known, *fresh], layout, Mode.WINDOW, PLAIN, window=("day", "2026-01-02")).run(warehouse)

    assert len(live(warehouse, "day, n")) == len(known) + len(fresh)
    assert effect(published) == (1 + len(fresh), 0, 1, 3, len(known) + len(fresh))


def test_of_rows_with_one_key_the_last_by_order_stays(warehouse: Warehouse):
    layout = columns(id="integer", name="text", seen="integer")
    both = (
        part(1, ["id", "name", "seen"], [(1, "newest", 9), (1, "oldest", 3), (2, "only", 1)]),
        part(2, ["id", "name", "seen"], [(1, "later part, older", 5), (1, "without order", None)]),
    )

    published = Load(1, columns=layout, parts=both, order="seen").run(warehouse)

    assert live(warehouse) == [(1, "newest"), (2, "only")]
    assert effect(published) == (2, 0, 0, 3, 2)


def test_of_rows_with_equal_order_the_later_part_stays(warehouse: Warehouse):
    both = (part(1, ["id", "name"], [(1, "early"), (2, "x")]), part(2, ["id", "name"], [(1, "late")]))
    Load(1, [(1, "live")]).run(warehouse)

    published = Load(2, parts=both, mode=Mode.MERGE).run(warehouse)

    assert live(warehouse) == [(1, "late"), (2, "x")]
    assert effect(published) == (1, 1, 0, 1, 2)


def test_a_key_may_have_several_columns(warehouse: Warehouse):
    target = replace(SURVEYS, key=("id", "name"))
    Load(1, [(1, "a"), (1, "b")], target=target).run(warehouse)

    published = Load(2, [(1, "b"), (2, "a")], target=target, mode=Mode.MERGE).run(warehouse)

    assert live(warehouse) == [(1, "a"), (1, "b"), (2, "a")]
    assert effect(published) == (1, 1, 0, 0, 3)


def test_parts_with_other_columns_and_order_fill_with_null(warehouse: Warehouse):
    layout = columns(id="integer", name="text", size="integer")
    both = (part(1, ["name", "id"], [("one", 1)]), part(2, ["id", "size"], [(2, 20)]))

    Load(1, columns=layout, parts=both).run(warehouse)

    assert live(warehouse, "id, name, size") == [(1, "one", None), (2, None, 20)]


def test_every_row_says_which_load_and_part_brought_it(warehouse: Warehouse):
    staged = Load(5, parts=(part(11, ["id", "name"], [(1, "a")]), part(12, ["id", "name"], [(2, "b")]))).stage(
        warehouse
    )
    facts = {"number": 11, "dataset": 7, "task": "Surveys 2026-01", "uri": "s3://b/k", "rows": 1, "requests": ["r-1"]}
    request = PublishRequest(
        load_id=5, token=1, tables=(Load(5).change(staged),), facts={"run": 40}, parts=(facts, {"number": 12})
    )
    warehouse.publish(request)

    found = warehouse.query(
        "SELECT s.id, l.task, l.uri, CAST(l.part_facts AS text) LIKE '%r-1%', CAST(l.load_facts AS text) "
        'FROM live.surveys s JOIN headgate_books.lineage l USING ("_load_id", "_part") ORDER BY s.id'
    )

    assert found == [(1, "Surveys 2026-01", "s3://b/k", True, '{"run": 40}'), (2, None, None, False, '{"run": 40}')]


def test_two_loads_of_one_table_at_once_both_count(warehouse: Warehouse):
    Load(1, ROWS).run(warehouse)
    loads = [Load(n, [(n, "x"), (1, f"by {n}")], mode=Mode.MERGE) for n in range(11, 19)]
    changes = [(load.number, load.change(load.stage(warehouse))) for load in loads]
    done: list[Effect] = []
    threads = [
        threading.Thread(target=lambda n=n, c=c: done.extend(publish(warehouse, n, [c]).effects)) for n, c in changes
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(done) == 8
    assert max(e.live for e in done) == 11
    assert len(live(warehouse)) == 11


def test_tidying_keeps_the_newest_generations_and_the_ledger(warehouse: Warehouse):
    for number in range(1, 6):
        Load(number, [(number, "x")]).run(warehouse)

    assert warehouse.tidy(keep_generations=2) == 2
    assert warehouse.tidy(keep_generations=2) == 0
    assert warehouse.tidy(keep_generations=0) == 2
    assert live(warehouse) == [(5, "x")]
    assert [warehouse.published(number) is not None for number in range(1, 6)] == [True] * 5
    assert Load(6, [(6, "y")], mode=Mode.MERGE).run(warehouse).effects[0].live == 2


def test_tables_that_were_merged_leave_no_staged_table_behind(warehouse: Warehouse):
    Load(1, ROWS).run(warehouse)
    Load(2, [(4, "four")], mode=Mode.MERGE).run(warehouse)

    assert warehouse.discard(2) == 0
    tables = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'headgate_store' AND table_name LIKE"
    assert warehouse.query(f"{tables} 'd7_l%'") == [(1,)]


def test_a_table_may_be_named_like_a_keyword(warehouse: Warehouse):
    target = Target(dataset=9, schema="live", name="select", key=("order",))
    layout = columns(order="integer", group="text")

    Load(1, [(1, "a")], layout, target=target).run(warehouse)
    Load(2, [(1, "b")], layout, Mode.MERGE, target, order="group").run(warehouse)

    assert warehouse.query('SELECT "order", "group" FROM live."select"') == [(1, "b")]


def test_a_load_of_no_tables_is_in_the_ledger_too(warehouse: Warehouse):
    assert publish(warehouse, 1, []) == Published(load_id=1, effects=())

    assert publish(warehouse, 1, []).already


def test_checking_leaves_nothing_behind(warehouse: Warehouse):
    before = warehouse.query("SELECT table_schema, table_name FROM information_schema.tables ORDER BY 1, 2")

    probes = list(warehouse.check())

    assert all(probe.ok and probe.detail for probe in probes)
    assert warehouse.query("SELECT table_schema, table_name FROM information_schema.tables ORDER BY 1, 2") == before


def test_everything_is_there_after_closing_and_opening(warehouse: Warehouse):
    first = Load(1, ROWS).run(warehouse)

    warehouse.close()

    assert warehouse.published(1) == first
    assert live(warehouse) == ROWS
    assert columns(id="integer", name="text") == ID_NAME


def test_a_renamed_dataset_is_shown_under_both_names(warehouse: Warehouse):
    Load(1, ROWS).run(warehouse)
    renamed = replace(SURVEYS, name="answers")

    Load(2, [(9, "nine")], target=renamed).run(warehouse)
    Load(3, [(True, "text")], columns(id="text", name="text"), target=renamed).run(warehouse)
    warehouse.tidy(keep_generations=0)

    assert live(warehouse, target=renamed) == live(warehouse) == [("true", "text")]


def test_loads_of_many_tables_at_once_do_not_disturb_each_other(warehouse: Warehouse):
    def load_again_and_again(dataset: int) -> None:
        target = Target(dataset=dataset, schema="live", name=f"t{dataset}", key=("id",))
        for turn in range(4):
            both = [part(n, ["id", "name"], [(n * 100 + i, f"{turn}") for i in range(50)]) for n in (1, 2, 3)]
            mode = Mode.MERGE if turn % 2 else Mode.REPLACE
            done.append(Load(dataset * 100 + turn, parts=tuple(both), mode=mode, target=target).run(warehouse))

    done: list[Published] = []
    threads = [threading.Thread(target=load_again_and_again, args=(dataset,)) for dataset in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [one.effects[0].live for one in done] == [150] * 16


def test_many_tables_are_published_in_one_transaction(warehouse: Warehouse):
    loads = [Load(1, [(n, "x")], target=Target(dataset=n, schema="live", name=f"t{n}")) for n in range(1, 61)]

    published = publish(warehouse, 1, [load.change(load.stage(warehouse)) for load in loads])

    assert [one.dataset for one in published.effects] == list(range(1, 61))
    assert warehouse.query("SELECT count(DISTINCT published_at) FROM headgate_books._ledger") == [(1,)]
