"""Staging many files: together where they are small, apart where not, and a fault is named either way."""

import gzip
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from ingestion.warehouse import parallel
from ingestion.warehouse.base import CountMismatch, LoadFault, Part, Warehouse
from ingestion.warehouse.parallel import bundles
from tests.ingestion.warehouse_kit import Bare, Load, columns, live, packed, part

NAMES = ["id", "name"]


@pytest.fixture(params=["together", "apart"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    if request.param == "apart":
        monkeypatch.setattr(parallel, "SMALL", 0)
        monkeypatch.setattr(parallel, "BUNDLE", 0)
    return request.param


def many(count: int = 30) -> list[Part]:
    return [part(n, NAMES, [(n, f"{n}"), (n, 'say "hi",\nthen go')]) for n in range(1, count + 1)]


@pytest.mark.usefixtures("way")
def test_many_files_arrive_whole(warehouse: Warehouse):
    Load(1, parts=tuple(many())).run(warehouse)

    counts = warehouse.query("SELECT _part, count(*) FROM live.surveys GROUP BY 1 ORDER BY 1")

    assert counts == [(n, 1) for n in range(1, 31)]  # one of each key stays


@pytest.mark.usefixtures("way")
def test_files_of_several_layouts_arrive_whole(warehouse: Warehouse):
    layout = columns(id="integer", name="text", size="integer")
    mixed = (part(1, ["name", "id"], [("a", 1)]), part(2, ["id"], [(2,)]), part(3, ["name", "id"], [("c", 3)]))

    Load(1, parts=mixed, columns=layout).run(warehouse)

    assert live(warehouse) == [(1, "a"), (2, None), (3, "c")]


@pytest.mark.usefixtures("way")
def test_one_bad_value_among_many_files_is_named(warehouse: Warehouse):
    parts = many()
    parts[17] = part(18, NAMES, [(1, "a"), (Bare("SECRET"), "b")])

    with pytest.raises(LoadFault, match=r"Row 2 of \S+/part-18\.csv\.gz .*id") as raised:
        Load(1, parts=tuple(parts)).stage(warehouse)

    assert "SECRET" not in raised.value.message


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("said", [1, 3])
def test_one_file_with_another_count_is_named(warehouse: Warehouse, said: int):
    parts = many()
    parts[17] = replace(parts[17], rows=said)

    with pytest.raises(CountMismatch, match=rf"part-18\.csv\.gz was staged with {said} rows, but 2"):
        Load(1, parts=tuple(parts)).stage(warehouse)


@pytest.mark.usefixtures("way")
def test_one_file_that_is_cut_off_is_named(warehouse: Warehouse):
    parts, whole = many(), gzip.compress(b'1,"a",18\n' * 200)
    parts[17] = packed(18, NAMES, whole[:-6], 200)

    with pytest.raises((LoadFault, CountMismatch), match=r"part-18\.csv\.gz"):
        Load(1, parts=tuple(parts)).stage(warehouse)


@pytest.mark.usefixtures("way")
def test_a_file_without_a_last_line_end_does_not_run_into_the_next(warehouse: Warehouse):
    parts = (packed(1, NAMES, gzip.compress(b'1,"a",1'), 1), packed(2, NAMES, gzip.compress(b'2,"b",2'), 1))

    Load(1, parts=parts).run(warehouse)

    assert live(warehouse) == [(1, "a"), (2, "b")]


@pytest.mark.usefixtures("way")
def test_a_fault_leaves_a_table_that_the_next_attempt_fills(warehouse: Warehouse):
    parts = many(3)
    with pytest.raises(CountMismatch):
        Load(1, parts=(*parts, replace(part(9, NAMES, [(9, "z")]), rows=2))).stage(warehouse)

    Load(1, parts=tuple(parts)).run(warehouse)

    assert [row[0] for row in live(warehouse)] == [1, 2, 3]


@pytest.mark.usefixtures("way")
def test_a_stop_ends_it_and_leaves_no_thread(warehouse: Warehouse):
    class Cancelled(Exception):
        pass

    def stop() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        Load(1, parts=tuple(many()), more={"heartbeat": stop}).stage(warehouse)

    assert [thread for thread in threading.enumerate() if thread.name.startswith("stage")] == []


@pytest.mark.parametrize(
    "warehouse_url", ["duckdb", "postgres"], indirect=True
)  # Redshift keeps 65,535 bytes of a text
def test_a_long_line_among_small_files_is_loaded(warehouse: Warehouse):
    long = "0123456789" * 400_000  # packs to almost nothing, and is longer than DuckDB's buffers

    Load(1, parts=(part(1, NAMES, [(1, long)]), part(2, NAMES, [(2, "short")]))).run(warehouse)

    assert live(warehouse, "id, length(name)") == [(1, 4_000_000), (2, 5)]


def test_only_small_files_of_one_layout_travel_together():
    sizes = [10, parallel.SMALL + 1, 20, parallel.SMALL, 30]
    parts = [replace(part(n, NAMES, []), size=size) for n, size in enumerate(sizes)]
    other = replace(part(9, ["id"], []), size=10)

    grouped = [[one.size for one in bundle] for bundle in bundles([*parts, other])]

    assert grouped == [[parallel.SMALL + 1], [10, 20, parallel.SMALL, 30], [10]]


def test_a_bundle_is_bounded():
    parts = [replace(part(n, NAMES, []), size=parallel.SMALL) for n in range(40)]

    grouped = list(bundles(parts))

    assert [len(bundle) for bundle in grouped] == [16, 16, 8]
    assert [one for bundle in grouped for one in bundle] == parts
