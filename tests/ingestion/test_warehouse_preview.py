"""A few rows for people to look at, as values that JSON takes. Run over DuckDB and Postgres."""

import json

import pytest

from ingestion.errors import ConfigFault
from ingestion.warehouse.base import Mode, Span, Target, Warehouse, WithdrawRequest
from tests.ingestion.warehouse_kit import PLAIN, SURVEYS, Bare, Load, columns, part

TYPES = columns(
    flag="boolean", whole="integer", exact="numeric(38,9)", rough="double", day="date", at="timestamp", doc="json",
    text="text",
)  # fmt: skip
NAMES = [column.name for column in TYPES]
ROW = (
    True,
    2**62,
    Bare("12345678901234567890123456789.5"),
    0.1,
    Bare("2026-01-02"),
    Bare("2026-01-02T03:04:05.678901Z"),
    '{"a": [1, null, "ü"]}',
    'say "hi"',
)


def test_values_are_exact_and_fit_json(warehouse: Warehouse):
    Load(1, [ROW], TYPES, target=PLAIN).run(warehouse)

    (row,) = warehouse.rows(PLAIN)

    assert row == {
        "flag": True,
        "whole": 2**62,
        "exact": "12345678901234567890123456789.5",
        "rough": 0.1,
        "day": "2026-01-02",
        "at": "2026-01-02T03:04:05.678901Z",
        "doc": {"a": [1, None, "ü"]},
        "text": 'say "hi"',
    }
    assert json.loads(json.dumps(row, allow_nan=False)) == row


def test_nulls_stay_apart_from_empty_texts_and_odd_numbers_are_words(warehouse: Warehouse):
    rows = [[None] * 8, [None, None, None, Bare("nan"), None, None, "null", ""]]
    Load(1, rows, TYPES, target=PLAIN).run(warehouse)

    found = warehouse.rows(PLAIN, columns=["rough", "doc", "text"])

    assert found[0] == {"rough": None, "doc": None, "text": None}
    assert found[1] == {"rough": "nan", "doc": None, "text": ""}


def test_a_document_too_deep_to_decode_is_shown_as_it_stands(warehouse: Warehouse):
    deep = "[" * 5_000 + "]" * 5_000
    Load(1, [(1, deep)], columns(id="integer", name="json"), target=PLAIN).run(warehouse)

    assert warehouse.rows(PLAIN) == [{"id": 1, "name": deep}]


def test_no_more_rows_than_asked_for_and_only_the_columns_asked_for(warehouse: Warehouse):
    Load(3, [(n, "x") for n in range(150)]).run(warehouse)

    assert len(warehouse.rows(SURVEYS)) == 100
    assert (
        warehouse.rows(SURVEYS, columns=["name", "_load_id", "_part"], limit=2)
        == [{"name": "x", "_load_id": 3, "_part": 1}] * 2
    )


def test_a_column_that_is_not_there_is_named(warehouse: Warehouse):
    Load(1, [(1, "x")]).run(warehouse)

    with pytest.raises(ConfigFault, match="has no column nmae") as raised:
        warehouse.rows(SURVEYS, columns=["nmae"])

    assert "id, name, _load_id, _part" in raised.value.advice


def test_odd_names_are_quoted(warehouse: Warehouse):
    target = Target(dataset=9, schema="live", name="select")
    Load(1, [(1, "a")], columns(order="integer", group="text"), target=target).run(warehouse)

    assert warehouse.rows(target) == [{"order": 1, "group": "a"}]


def test_an_unknown_table_has_no_rows(warehouse: Warehouse):
    assert warehouse.rows(SURVEYS) == []


def test_what_is_shown_is_what_is_live(warehouse: Warehouse):
    Load(1, [(1, "old")]).run(warehouse)
    Load(2, [(2, "new")]).run(warehouse)
    Load(3, [(3, "staged only")]).stage(warehouse)

    assert warehouse.rows(SURVEYS) == [{"id": 2, "name": "new"}]


def test_rows_of_a_batch_are_its_own_until_it_is_withdrawn(warehouse: Warehouse):
    both = (part(1, ["id", "name"], [(1, "a"), (2, "b")]), part(2, ["id", "name"], [(3, "c")]))
    Load(5, parts=both, mode=Mode.APPEND).run(warehouse)
    span = Span(batch=100, load_id=5, first=1, last=1)

    assert warehouse.rows_of(SURVEYS, span) == [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]
    assert len(warehouse.rows_of(SURVEYS, span, limit=1)) == 1

    warehouse.withdraw(WithdrawRequest(target=SURVEYS, spans=(span,)))

    assert warehouse.rows_of(SURVEYS, span) == []


def test_a_row_is_found_by_its_key_with_where_it_came_from(warehouse: Warehouse):
    Load(1, [(n, f"name {n}") for n in range(1, 40)], mode=Mode.MERGE).run(warehouse)
    Load(2, [(7, "changed")], mode=Mode.MERGE).run(warehouse)

    assert warehouse.rows_with(SURVEYS, {"id": " 7 "}) == [{"id": 7, "name": "changed", "_load_id": 2, "_part": 1}]
    assert warehouse.rows_with(SURVEYS, {"id": "8", "name": "name 8"})[0]["_load_id"] == 1
    assert warehouse.rows_with(SURVEYS, {"id": "8", "name": "name 9"}) == []
    assert warehouse.rows_with(SURVEYS, {"id": "99"}) == []
    assert len(warehouse.rows_with(SURVEYS, {}, limit=3)) == 3


def test_values_of_every_type_are_found_as_they_are_shown(warehouse: Warehouse):
    Load(1, [ROW], TYPES, target=PLAIN).run(warehouse)
    (shown,) = warehouse.rows(PLAIN)
    typed = {name: "true" if value is True else str(value) for name, value in shown.items() if name != "doc"}

    for name, text in typed.items():
        assert len(warehouse.rows_with(PLAIN, {name: text})) == 1, name
        assert warehouse.rows_with(PLAIN, {name: "17"}) == [], name


@pytest.mark.parametrize(("column", "text"), [("whole", "seven"), ("whole", str(2**63)), ("exact", "NaN"), ("nme", "")])
def test_what_a_column_cannot_hold_is_refused_in_words_without_the_value(warehouse: Warehouse, column: str, text: str):
    Load(1, [ROW], TYPES, target=PLAIN).run(warehouse)

    with pytest.raises(ConfigFault, match=column) as raised:
        warehouse.rows_with(PLAIN, {column: text})

    assert not text or text not in str(raised.value)
