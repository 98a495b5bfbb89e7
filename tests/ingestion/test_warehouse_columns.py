"""What becomes of a live table when its columns change: values stay what they were. Run over DuckDB and Postgres."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from ingestion.errors import IngestionError, SchemaFault
from ingestion.warehouse.base import LoadFault, Mode, Warehouse
from tests.ingestion.warehouse_kit import ID_NAME, PLAIN, Bare, Load, columns, live, publish, tamper

ROWS = [(1, "one"), (2, "two")]
THREE = columns(id="integer", name="text", size="integer")


@pytest.mark.parametrize("mode", [Mode.REPLACE, Mode.MERGE, Mode.APPEND])
def test_a_new_column_is_null_for_old_rows(warehouse: Warehouse, mode: Mode):
    Load(1, ROWS).run(warehouse)

    Load(2, [(3, "three", 30)], THREE, mode).run(warehouse)

    old = [] if mode is Mode.REPLACE else [(1, "one", None), (2, "two", None)]
    assert live(warehouse, "id, name, size") == [*old, (3, "three", 30)]


def test_a_column_that_is_no_longer_sent_stays_and_is_null(warehouse: Warehouse):
    Load(1, [(1, "one", 10)], THREE).run(warehouse)

    Load(2, [(2, "two")], ID_NAME, Mode.MERGE).run(warehouse)

    assert live(warehouse, "id, name, size") == [(1, "one", 10), (2, "two", None)]


def test_a_column_that_comes_back_is_the_same_column(warehouse: Warehouse):
    Load(1, [(1, "one", 10)], THREE).run(warehouse)
    Load(2, [(2, "two")], ID_NAME).run(warehouse)

    Load(3, [(3, "three", 30)], THREE, Mode.MERGE).run(warehouse)

    assert live(warehouse, "id, name, size") == [(2, "two", None), (3, "three", 30)]


WIDENINGS = [
    ("boolean", "true", "text", "true"),
    ("integer", "9223372036854775807", "text", "9223372036854775807"),
    ("integer", "-7", "numeric(38,10)", Decimal(-7)),
    ("integer", "7", "double", 7.0),
    ("numeric(38,2)", "1234.5", "numeric(38,6)", Decimal("1234.5")),
    ("numeric(38,10)", "0.0000000001", "text", "0.0000000001"),
    ("numeric(38,2)", "-1200", "text", "-1200"),
    ("numeric(38,3)", "2.5", "double", 2.5),
    ("double", "1e300", "text", "1e+300"),
    ("date", "2024-02-29", "text", "2024-02-29"),
    ("date", "2024-02-29", "timestamp", datetime(2024, 2, 29, tzinfo=UTC)),
    ("timestamp", "2024-02-29T01:02:03.000004Z", "text", "2024-02-29T01:02:03.000004Z"),
    ("json", '"{""b"": 1, ""b"":  2.50}"', "text", '{"b": 1, "b":  2.50}'),
]


@pytest.mark.parametrize("mode", [Mode.MERGE, Mode.APPEND, Mode.REPLACE])
@pytest.mark.parametrize(("before", "written", "after", "read"), WIDENINGS)
def test_a_widened_column_keeps_its_old_values(
    warehouse: Warehouse, before: str, written: str, after: str, read: Any, mode: Mode
):
    Load(1, [(1, Bare(written)), (2, None)], columns(id="integer", v=before)).run(warehouse)
    wider = columns(id="integer", v=after)

    published = Load(2, [(3, None)], wider, mode).run(warehouse)

    old = [] if mode is Mode.REPLACE else [(1, read), (2, None)]
    assert live(warehouse, "id, v") == [*old, (3, None)]
    assert published.effects[0].live == len(old) + 1
    assert Load(3, [(4, None)], wider, Mode.MERGE).run(warehouse).effects[0].live == len(old) + 2


def test_a_merge_that_widens_supersedes_by_the_new_key(warehouse: Warehouse):
    Load(1, [(1, "one"), (2, "two")]).run(warehouse)

    published = Load(2, [("2", "zwei"), ("x", "new")], columns(id="text", name="text"), Mode.MERGE).run(warehouse)

    assert live(warehouse) == [("1", "one"), ("2", "zwei"), ("x", "new")]
    assert (published.effects[0].inserted, published.effects[0].updated, published.effects[0].live) == (1, 1, 3)


def test_a_window_that_widens_keeps_what_lies_before_it(warehouse: Warehouse):
    Load(1, [(1, Bare("2026-01-01")), (2, Bare("2026-01-02"))], columns(id="integer", t="date"), target=PLAIN).run(
        warehouse
    )

    Load(
        2,
        [(3, Bare("2026-01-02T00:00:00Z"))],
        columns(id="integer", t="timestamp"),
        Mode.WINDOW,
        PLAIN,
        window=("t", "2026-01-02T00:00:00Z"),
    ).run(warehouse)

    assert [row[0] for row in live(warehouse, "id, t")] == [1, 3]


def test_a_load_staged_before_the_table_was_widened_is_widened_too(warehouse: Warehouse):
    Load(1, [(1, 10)], columns(id="integer", v="integer")).run(warehouse)
    early = Load(2, [(2, 20)], columns(id="integer", v="integer"), Mode.MERGE)
    staged = early.stage(warehouse)
    Load(3, [(3, "text")], columns(id="integer", v="text"), Mode.MERGE).run(warehouse)

    publish(warehouse, 2, [early.change(staged)])

    assert live(warehouse, "id, v") == [(1, "10"), (2, "20"), (3, "text")]


def test_a_column_of_nulls_takes_the_type_that_comes_later(warehouse: Warehouse):
    Load(1, [(1, None)], columns(id="integer", v="null")).run(warehouse)

    Load(2, [(2, Bare("2026-01-02"))], columns(id="integer", v="date"), Mode.MERGE).run(warehouse)
    Load(3, [(3, None)], columns(id="integer", v="null"), Mode.MERGE).run(warehouse)

    assert live(warehouse, "id, v") == [(1, None), (2, date(2026, 1, 2)), (3, None)]


def test_a_column_with_values_is_never_narrowed(warehouse: Warehouse):
    Load(1, [(1, "{}")], columns(id="integer", v="json")).run(warehouse)

    with pytest.raises(SchemaFault, match="cannot become"):
        Load(2, [(2, True)], columns(id="integer", v="boolean"), Mode.MERGE).run(warehouse)

    assert live(warehouse, "id, CAST(v AS text)") == [(1, "{}")]


def test_a_narrower_load_fits_into_the_wider_table(warehouse: Warehouse):
    Load(1, [(1, "text")], columns(id="integer", v="text")).run(warehouse)

    Load(2, [(2, 5)], columns(id="integer", v="integer"), Mode.MERGE).run(warehouse)

    assert live(warehouse, "id, v") == [(1, "text"), (2, "5")]


def test_a_view_over_the_table_outlives_every_change(warehouse: Warehouse):
    Load(1, [(1, 10)], columns(id="integer", v="integer")).run(warehouse)
    tamper(warehouse, "CREATE VIEW live.big AS SELECT id, v FROM live.surveys WHERE id > 0")
    tamper(warehouse, "CREATE VIEW live.bigger AS SELECT id, v FROM live.big WHERE id > 1")
    if warehouse.label == "Redshift":  # which asks for views that are not bound; the stand-in knows no others
        with pytest.raises(SchemaFault, match="a view that is bound to it stands in the way"):
            Load(2, [(2, 20, "x")], columns(id="integer", v="integer", more="text"), Mode.MERGE).run(warehouse)
        assert warehouse.query("SELECT id, v FROM live.surveys") == [(1, 10)]
        return

    Load(2, [(2, 20, "x")], columns(id="integer", v="integer", more="text"), Mode.MERGE).run(warehouse)
    Load(3, [(3, "many")], columns(id="integer", v="text"), Mode.MERGE).run(warehouse)
    Load(4, [(4, "last")], columns(id="integer", v="text")).run(warehouse)
    warehouse.tidy(keep_generations=0)

    assert warehouse.query("SELECT id, v FROM live.bigger") == [(4, "last")]


def test_values_arrive_byte_by_byte(warehouse: Warehouse):
    texts = ["", r"\N", "\\.", "\\", 'say "so"', "a,b", "line\nfeed", "cr\r\nlf", "\r", "\t", " lead", "trail "]
    texts += ["\u2028", "ü", "e\u0301", "\U0001f600", "\u202eright to left", "\ufeffbom", "NULL", "null", '"', '""']
    rows = list(enumerate(texts))

    Load(1, [*rows, (len(texts), None)]).run(warehouse)

    assert dict(live(warehouse)) == {**dict(rows), len(texts): None}


def test_values_of_every_type_arrive_as_they_are(warehouse: Warehouse):
    layout = columns(
        id="integer",
        flag="boolean",
        exact="numeric(38,18)",
        wide="numeric(38,0)",
        real="double",
        day="date",
        seen="timestamp",
    )
    written = ["0.123456789012345678", "9" * 38, "1.5e-300", "0001-01-01", "0001-01-01T00:00:00Z"]
    others = ["-12345678901234567890.1", "-1", "2", "9999-12-31", "2026-06-30T23:59:59.999999+02:00"]
    given = [(-(2**63), True, *map(Bare, written)), (2**63 - 1, False, *map(Bare, others))]

    Load(1, given, layout).run(warehouse)

    early, late = datetime(1, 1, 1, tzinfo=UTC), datetime(2026, 6, 30, 21, 59, 59, 999999, tzinfo=UTC)
    exact, other = Decimal("0.123456789012345678"), Decimal("-12345678901234567890.1")
    assert live(warehouse, "id, flag, exact, wide, real, day, seen") == [
        (-(2**63), True, exact, Decimal("9" * 38), 1.5e-300, date(1, 1, 1), early),
        (2**63 - 1, False, other, Decimal(-1), 2.0, date(9999, 12, 31), late),
    ]


def test_json_arrives_as_it_was_written(warehouse: Warehouse):
    texts = ['{"b": 1,  "a": 1.50}', '{"a": "\\u0000"}', '{"a":1,"a":2}', "[1e400]", '"text"', "null"]
    layout = columns(id="integer", doc="json")

    Load(1, list(enumerate(texts)), layout).run(warehouse)

    assert live(warehouse, "id, CAST(doc AS text)") == list(enumerate(texts))


def test_what_is_no_json_is_refused(warehouse: Warehouse):
    refused = pytest.raises(LoadFault, match="Row 1")
    if warehouse.label == "Redshift":  # which parses JSON in a statement of its own, and names no row
        refused = pytest.raises(IngestionError, match="while loading surveys")
    with refused:
        Load(1, [(1, "{")], columns(id="integer", doc="json")).stage(warehouse)
    assert warehouse.query("SELECT count(*) FROM headgate_books._ledger") == [(0,)]


def test_a_large_value_arrives(warehouse: Warehouse):
    large = "x" * 9_000_000
    if warehouse.label == "Redshift":
        with pytest.raises(LoadFault, match=r"Row 1 .* the value of name does not fit"):
            Load(1, [(1, large)]).run(warehouse)
        return

    Load(1, [(1, large)]).run(warehouse)

    assert warehouse.query("SELECT length(name) FROM live.surveys") == [(9_000_000,)]


def test_a_wide_table_is_loaded(warehouse: Warehouse):
    layout = columns(id="integer", **{f"c{n}": "integer" for n in range(300)})

    Load(1, [(1, *range(300))], layout).run(warehouse)

    assert warehouse.query("SELECT c0, c299 FROM live.surveys") == [(0, 299)]
