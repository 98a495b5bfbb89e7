"""Withdrawn batches leave as Parquet with every value exact, and then are gone. Run over DuckDB and Postgres."""

import hashlib
import itertools
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingestion.errors import ConfigFault
from ingestion.warehouse.base import CountMismatch, LoadFault, Mode, Span, Warehouse, WithdrawRequest
from tests.ingestion.warehouse_kit import PLAIN, Bare, Load, columns, live, part, tamper

SPAN = Span(batch=100, load_id=5, first=11, last=11)
OTHER = Span(batch=101, load_id=5, first=12, last=12)
TYPES = columns(
    flag="boolean", whole="integer", exact="numeric(38,9)", rough="double", day="date", at="timestamp", doc="json",
    text="text",
)  # fmt: skip
NAMES = [column.name for column in TYPES]


@pytest.fixture
def withdrawn(warehouse: Warehouse) -> Warehouse:
    """Two batches of load 5, set aside together."""
    brought = (part(11, ["id", "name"], [(1, "a"), (2, "b")]), part(12, ["id", "name"], [(3, "c")]))
    Load(5, parts=brought, mode=Mode.APPEND, target=PLAIN).run(warehouse)
    warehouse.withdraw(WithdrawRequest(target=PLAIN, spans=(SPAN, OTHER), reason="reverted"))
    return warehouse


def read(path: Path, what: str = "*") -> list[tuple[Any, ...]]:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        return connection.execute(f"SELECT {what} FROM '{path}' ORDER BY 1, 2, 3").fetchall()


def aside_tables(warehouse: Warehouse) -> int:
    tables = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'headgate_store'"
    return int(warehouse.query(f"{tables} AND table_name LIKE 'd7_aside_%'")[0][0])


def test_a_batch_leaves_as_one_file_that_is_described(withdrawn: Warehouse, tmp_path: Path):
    exported = withdrawn.export(100, tmp_path)

    assert (exported.path, exported.rows) == (tmp_path / "batch-100.parquet", 2)
    assert exported.bytes == exported.path.stat().st_size
    assert exported.sha256 == hashlib.sha256(exported.path.read_bytes()).hexdigest()
    assert read(exported.path, "_load_id, _part, id, name") == [(5, 11, 1, "a"), (5, 11, 2, "b")]


def test_exporting_again_replaces_the_file_and_leaves_nothing_else(withdrawn: Warehouse, tmp_path: Path):
    place = tmp_path / "archive"
    place.mkdir()
    (place / "batch-100.parquet").write_text("half of an earlier try")

    withdrawn.export(100, place)
    exported = withdrawn.export(100, place)

    assert list(place.iterdir()) == [exported.path]
    assert len(read(exported.path)) == 2


def test_a_dropped_batch_is_really_gone_and_its_neighbour_is_not(withdrawn: Warehouse, tmp_path: Path):
    assert withdrawn.drop_withdrawn(100)
    assert not withdrawn.drop_withdrawn(100)

    with pytest.raises(LoadFault, match="its rows were removed for good"):
        withdrawn.export(100, tmp_path)
    assert withdrawn.export(101, tmp_path).rows == 1

    assert withdrawn.drop_withdrawn(101)
    assert aside_tables(withdrawn) == 0
    states = "SELECT batch, state, dropped_at IS NOT NULL FROM headgate_books._withdrawals ORDER BY 1"
    assert withdrawn.query(states) == [(100, "dropped", True), (101, "dropped", True)]


def test_withdrawing_a_dropped_batch_again_still_answers_its_count(withdrawn: Warehouse):
    withdrawn.drop_withdrawn(100)

    answer = withdrawn.withdraw(WithdrawRequest(target=PLAIN, spans=(SPAN,)))

    assert (answer.rows, answer.live, answer.already) == ({100: 2}, 0, True)


def test_a_batch_that_is_in_view_is_neither_exported_nor_dropped(warehouse: Warehouse, tmp_path: Path):
    Load(5, parts=(part(11, ["id", "name"], [(1, "a")]),), mode=Mode.APPEND, target=PLAIN).run(warehouse)

    with pytest.raises(LoadFault, match="it was not taken out of view"):
        warehouse.export(100, tmp_path)

    assert not warehouse.drop_withdrawn(100)
    assert live(warehouse) == [(1, "a")]


def test_a_batch_whose_rows_had_all_been_replaced_leaves_as_an_empty_file(warehouse: Warehouse, tmp_path: Path):
    Load(5, parts=(part(11, ["id", "name"], [(1, "a")]),)).run(warehouse)
    Load(6, [(1, "b")], mode=Mode.MERGE).run(warehouse)
    warehouse.withdraw(WithdrawRequest(target=PLAIN, spans=(SPAN,)))

    exported = warehouse.export(100, tmp_path)

    assert exported.rows == 0
    assert read(exported.path, "_load_id, _part, id, name") == []


def test_rows_lost_behind_our_back_are_found(withdrawn: Warehouse, tmp_path: Path):
    ((table,),) = withdrawn.query("SELECT DISTINCT table_name FROM headgate_books._withdrawals")
    tamper(withdrawn, f"DELETE FROM headgate_store.{table} WHERE id = 2")

    with pytest.raises(CountMismatch, match="2 rows of batch 100 were set aside, but 1"):
        withdrawn.export(100, tmp_path)

    assert list(tmp_path.glob("batch-*")) == []


def test_a_folder_that_is_not_there_is_named(withdrawn: Warehouse, tmp_path: Path):
    with pytest.raises(ConfigFault, match="nowhere"):
        withdrawn.export(100, tmp_path / "nowhere")


@pytest.mark.parametrize(
    "warehouse_url", ["duckdb", "postgres"], indirect=True
)  # Redshift keeps 65,535 bytes of a text
def test_a_very_long_value_leaves_whole(warehouse: Warehouse, tmp_path: Path):
    text = "0123456789" * 400_000
    Load(5, parts=(part(11, ["id", "name"], [(1, text)]),), mode=Mode.APPEND, target=PLAIN).run(warehouse)
    warehouse.withdraw(WithdrawRequest(target=PLAIN, spans=(SPAN,)))

    exported = warehouse.export(100, tmp_path)

    assert read(exported.path, "_load_id, _part, length(name)") == [(5, 11, 4_000_000)]


def test_numbers_that_fit_no_decimal_leave_as_their_text(postgres: Warehouse, tmp_path: Path):
    long = "9" * 38
    for load, value in ((5, long), (6, "0.000000001")):
        brought = (part(11, ["id", "name"], [(Bare(value), "x")]),)
        layout = columns(id="numeric(38,9)", name="text")
        Load(load, parts=brought, columns=layout, mode=Mode.APPEND, target=PLAIN).run(postgres)
    spans = (SPAN, Span(batch=100, load_id=6, first=11, last=11))
    postgres.withdraw(WithdrawRequest(target=PLAIN, spans=spans))

    exported = postgres.export(100, tmp_path)

    assert read(exported.path, "id, _part, name") == [("0.000000001", 11, "x"), (long, 11, "x")]


EXACT = Context(prec=60)


def some(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


WRITABLE = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"))
WORDS = WRITABLE | st.sampled_from(["", r"\N", r"\.", "NULL", '"', "a,b", "line\r\nline\rline\n", "'", "\ufeffbom"])
TIMES = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30))
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | WORDS, lambda inner: st.lists(inner) | st.dictionaries(WORDS, inner)
)
RECORDS = st.tuples(
    some(st.booleans()),
    some(st.integers(-(2**63), 2**63 - 1)),
    some(st.integers(-(10**38) + 1, 10**38 - 1).map(lambda digits: Decimal(digits).scaleb(-9, EXACT))),
    some(st.floats()),
    some(st.dates(date(1, 1, 1), date(9999, 12, 31))),
    some(TIMES),
    some(DOCUMENTS),
    some(WORDS),
)


def staged(value: Any, name: str) -> Any:
    if value is None or name == "text":
        return value
    if name == "doc":
        return json.dumps(value, ensure_ascii=False)
    if name == "at":
        return Bare(value.isoformat(timespec="microseconds") + "Z")
    if name == "exact":
        return Bare(format(value, "f"))
    return Bare(str(value).lower() if name in ("flag", "rough") else str(value))


def as_read(value: Any, name: str) -> Any:
    """What DuckDB answers for a value of a column, so that equal means the same."""
    if value is None:
        return None
    if name == "at":
        return (value.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    return json.dumps(value, ensure_ascii=False) if name == "doc" else value


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records=st.lists(RECORDS, min_size=1, max_size=8))
def test_every_value_leaves_as_it_came(
    warehouse: Warehouse, tmp_path: Path, numbers: Iterator[int], records: Sequence[tuple[Any, ...]]
):
    number = next(numbers)
    rows = [[staged(value, name) for value, name in zip(record, NAMES, strict=True)] for record in records]
    Load(number, parts=(part(1, NAMES, rows),), columns=TYPES, mode=Mode.APPEND, target=PLAIN).run(warehouse)
    span = Span(batch=number, load_id=number, first=1, last=1)
    warehouse.withdraw(WithdrawRequest(target=PLAIN, spans=(span,)))

    exported = warehouse.export(number, tmp_path)

    chosen = ", ".join('epoch_us("at")' if name == "at" else f'"{name}"' for name in NAMES)
    with duckdb.connect() as connection:
        found = connection.execute(f"SELECT {chosen} FROM '{exported.path}'").fetchall()
    wanted = [tuple(as_read(value, name) for value, name in zip(record, NAMES, strict=True)) for record in records]
    assert sorted(map(spelt, found)) == sorted(map(spelt, wanted))
    kinds = types_of(exported.path)
    assert [kinds[name] for name in ("flag", "whole", "rough", "day", "doc", "text")] == [
        "BOOLEAN",
        "BIGINT",
        "DOUBLE",
        "DATE",
        "JSON",
        "VARCHAR",
    ]


def spelt(row: tuple[Any, ...]) -> str:
    """NaN equals itself here, and 0.0 is not -0.0; 1.50 is 1.5."""
    return repr([value.normalize(EXACT) if isinstance(value, Decimal) else value for value in row])


def types_of(path: Path) -> dict[str, str]:
    with duckdb.connect() as connection:
        return {row[0]: row[1] for row in connection.execute(f"DESCRIBE SELECT * FROM '{path}'").fetchall()}


@pytest.fixture
def numbers() -> Iterator[int]:
    return itertools.count(1000)
