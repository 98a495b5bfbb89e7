"""Shapes: nesting, odd keys, child tables, keys and counts."""

import errno
import json
import threading
from pathlib import Path

import pytest

from ingestion.formats import convert
from ingestion.formats.base import TableSpec
from ingestion.formats.duck import private_duck
from ingestion.formats.files import export
from tests.ingestion.parts_kit import Table, converted, spool_of, table


def test_nested_objects_become_columns_down_to_the_depth(tmp_path: Path) -> None:
    staged = table(tmp_path, [{"a": {"b": {"c": {"d": 1}}, "x": None}, "id": 1}], depth=3)

    assert staged.types == {"a.b.c": "json", "a.x": "null", "id": "integer"}
    assert staged.only("a.b.c") == '{"d":1}'
    assert staged.names["a.b.c"] == "a__b__c"


def test_rare_keys_late_objects_and_other_orders_lose_nothing(tmp_path: Path) -> None:
    records = [{"id": n, "a": None} for n in range(3000)]
    records += [{"a": {"x": 1}, "id": 3000}, {"late": "yes", "id": 3001, "a": {"y": "z"}}, {"id": 3002}]

    staged = table(tmp_path, records, key=("id",))

    by_id = {row["id"]: row for row in staged.rows}
    assert staged.part.rows == 3003
    assert by_id["3000"]["a.x"] == "1"
    assert (by_id["3001"]["a.y"], by_id["3001"]["late"]) == ("z", "yes")
    assert not staged.part.exact


@pytest.mark.parametrize(
    "record",
    [
        {"Id": 1, "id": 2},
        {"": 1, " ": 2},
        {"a.b": 1, "a": {"b": 2}, "a__b": 3},
        {"select": 1, 'q"uote;--': 2, "new\nline": 3, "😀": 4, "k" * 10_000: 5, "k" * 9_999: 6},
        {"_part": 1, "_load_id": 2, "_parent_id": 3},
    ],
)
def test_odd_keys_have_columns_of_their_own(tmp_path: Path, record: dict[str, object]) -> None:
    staged = table(tmp_path, [record])

    names = list(staged.names.values())
    assert len(set(names)) == len(names)
    assert sorted(value for source, value in staged.rows[0].items() if source != "_part") == sorted(
        map(str, range(1, len(names) + 1))
    )


def test_empty_objects_and_arrays_stay(tmp_path: Path) -> None:
    staged = table(tmp_path, [{"id": 1, "o": {}, "l": []}])

    assert (staged.only("o"), staged.only("l")) == ("{}", "[]")


def test_deep_nesting_stays_text_or_is_counted(tmp_path: Path) -> None:
    def deep(levels: int) -> bytes:
        return b'{"id": 1, "v": ' + b"[" * levels + b"]" * levels + b"}"

    staged = table(tmp_path, [deep(50), deep(1_000), deep(100_000)])

    assert staged.part.rows == 1
    assert staged.only("v") == "[" * 50 + "]" * 50
    assert staged.warnings == {("too_deep", ""): 2}


def test_long_arrays_and_lines_beyond_the_readers_own_limit(tmp_path: Path) -> None:
    staged = table(tmp_path, [{"id": 1, "v": list(range(100_000)), "t": "x" * 18_000_000}])

    assert staged.only("v") == json.dumps(list(range(100_000)), separators=(",", ":"))
    assert len(staged.only("t") or "") == 18_000_000


def test_fields_beyond_the_limit_share_one_json_column(tmp_path: Path) -> None:
    staged = table(tmp_path, [{f"k{n}": n for n in range(10_000)}, {"k1": 5, "k9999": "x"}])

    assert len(staged.types) == 1_401
    assert staged.types["_overflow"] == "json"
    row = next(row for row in staged.rows if row["k1"] == "1")
    spilled = json.loads(row["_overflow"] or "")
    assert spilled == {f"k{n}": n for n in range(1_400, 10_000)}


def test_lines_that_are_no_records_are_turned_down_with_a_reason(tmp_path: Path) -> None:
    staged = table(tmp_path, [{"id": 1}, b"[1]", b"null", b"5", b'{"id": 2', b"", {"id": 3}])

    assert staged.column("id") == ["1", "3"]
    assert (staged.part.extracted, staged.part.rejected) == (6, 4)
    assert staged.warnings == {("not_an_object", ""): 3, ("bad_json", ""): 1}


def test_rows_without_a_key_are_turned_down_and_the_last_of_a_key_stays(tmp_path: Path) -> None:
    records = [{"id": 1, "v": "old"}, {"id": None, "v": "x"}, {"v": "y"}, {"id": 1, "v": "new"}, {"id": 2, "v": "z"}]

    staged = table(tmp_path, records, key=("id",))

    assert [(row["id"], row["v"]) for row in staged.rows] == [("1", "new"), ("2", "z")]
    assert (staged.part.extracted, staged.part.rejected, staged.part.superseded) == (5, 2, 1)
    assert staged.warnings == {("null_key", "id"): 2}


def test_a_key_of_several_fields_and_one_that_is_never_there(tmp_path: Path) -> None:
    records = [{"a": {"x": 1}, "b": "p"}, {"a": {"x": 1}, "b": "q"}, {"a": {"x": 1}, "b": "p"}]

    assert table(tmp_path, records, key=("a.x", "b")).part.superseded == 1
    for path in tmp_path.glob("part-*"):
        path.unlink()
    assert table(tmp_path, records, key=("c",)).part.rejected == 3


@pytest.mark.parametrize(
    ("values", "greatest"),
    [
        ([9, 10, None], "10"),
        ([9.5, 10.25], "10.25"),
        (["2024-01-01T00:00:00+05:00", "2023-12-31T20:00:00Z"], "2023-12-31T20:00:00Z"),
        (["2024-01-02", "2024-01-10"], "2024-01-10"),
        (["b", "a"], "b"),
        ([None], None),
    ],
)
def test_the_greatest_cursor_is_found_by_its_type(tmp_path: Path, values: list[object], greatest: str | None) -> None:
    staged = table(tmp_path, [{"at": value} for value in values], cursor="at")

    assert staged.part.cursor_max == greatest


@pytest.mark.parametrize(
    ("values", "greatest"),
    [
        (["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "n/a"], "2026-01-02T00:00:00Z"),
        (["9", "10", "none"], "10"),
        (["b", "a", "10"], "b"),
        (["2026-01-01 10:00", "2026-01-02 09:00"], "2026-01-02 09:00"),
        (["1767225600", "2026-01-02", "x"], "x"),
    ],
)
def test_a_stray_word_among_texts_is_no_cursor_to_go_on_from(tmp_path: Path, values: list[str], greatest: str) -> None:
    staged = table(tmp_path, [{"at": value} for value in values], cursor="at")

    assert staged.part.cursor_max == greatest


ORDERS = TableSpec(name="orders", key=("id",))
ITEMS = TableSpec(name="items", array_path=("items",), parent_key=("id",))


def test_an_array_of_objects_fills_a_table_of_its_own(tmp_path: Path) -> None:
    records = [
        {"id": 7, "items": [{"sku": "a", "n": 1}, {"sku": "b", "n": None, "deep": {"x": "y"}}]},
        {"id": 8, "items": []},
        {"id": 9, "items": None},
    ]

    tables = converted(tmp_path, records, ORDERS, ITEMS)

    assert set(tables["orders"].types) == {"id"}
    rows = [[row[k] for k in ("_parent_id", "_index", "sku", "n", "deep.x", "_part")] for row in tables["items"].rows]
    assert rows == [["7", "0", "a", "1", None, "41"], ["7", "1", "b", None, "y", "41"]]
    assert tables["items"].names["_parent_id"] == "_parent_id"
    assert not tables["items"].part.exact


def test_elements_that_are_no_objects_are_turned_down(tmp_path: Path) -> None:
    records = [
        {"id": 7, "items": [{"sku": "a"}, 5, None]},
        {"id": None, "items": [{"sku": "b"}]},
        {"id": 8, "items": {}},
    ]

    tables = converted(tmp_path, records, ORDERS, ITEMS)

    assert tables["items"].column("sku") == ["a"]
    part = tables["items"].part
    assert (part.extracted, part.rejected) == (5, 4)
    assert tables["items"].warnings == {
        ("not_an_object", ""): 2,
        ("null_parent_key", ""): 1,
        ("not_an_array", ""): 1,
    }


def test_an_array_inside_of_what_is_not_always_an_object_fills_its_table_all_the_same(tmp_path: Path) -> None:
    items = TableSpec(name="items", array_path=("box", "inner", "items"), parent_key=("id",))
    records = [
        {"id": 1, "box": {"n": 5, "inner": {"items": [{"sku": "a"}, {"sku": "b"}]}}},
        {"id": 2, "box": "empty"},
        {"id": 3, "box": {"inner": None}},
        {"id": 4, "box": {"inner": {"items": [{"sku": "c"}]}}},
    ]

    tables = converted(tmp_path, records, ORDERS, items)

    rows = [(row["_parent_id"], row["_index"], row["sku"]) for row in tables["items"].rows]
    assert rows == [("1", "0", "a"), ("1", "1", "b"), ("4", "0", "c")]
    boxes = tables["orders"].column("box")
    assert boxes[1] == "empty"
    assert json.loads(boxes[0]) == records[0]["box"]


def test_the_children_of_a_replaced_record_go_with_it(tmp_path: Path) -> None:
    records = [{"id": 7, "items": [{"sku": "old"}, {"sku": "older"}]}, {"id": 7, "items": [{"sku": "new"}]}]

    tables = converted(tmp_path, records, ORDERS, ITEMS)

    assert tables["items"].column("sku") == ["new"]
    assert tables["items"].part.superseded == 2


def test_parents_with_several_key_fields_are_told_apart(tmp_path: Path) -> None:
    records = [{"a": "x|y", "b": "z", "items": [{"n": 1}]}, {"a": "x", "b": "y|z", "items": [{"n": 2}]}]
    items = TableSpec(name="items", array_path=("items",), parent_key=("a", "b"))

    staged = converted(tmp_path, records, TableSpec(name="t", key=("a", "b")), items)["items"]

    assert staged.column("_parent_id") == ["x\\|y|z", "x|y\\|z"]


def test_several_files_are_one_spool(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(b'{"id":1,"v":"a"}\n')
    two.write_bytes(b'{"id":1,"v":"b"}\n{"id":2,"v":"c"}')

    (part,) = convert([one, two], [TableSpec(name="t", key=("id",))], part_number=3, folder=tmp_path)

    assert [(row["id"], row["v"], row["_part"]) for row in Table(part).rows] == [("1", "b", "3"), ("2", "c", "3")]


def test_an_empty_spool_has_no_parts(tmp_path: Path) -> None:
    assert convert([spool_of(tmp_path, [])], [TableSpec(name="t")], part_number=1, folder=tmp_path) == []


def test_a_full_disk_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(OSError) as caught, private_duck(tmp_path, threads=1) as duck:
        export(duck, "SELECT range FROM range(1000000)", quoted=[], target=Path("/dev/full"))

    assert caught.value.errno == errno.ENOSPC


def test_threads_convert_side_by_side(tmp_path: Path) -> None:
    results: dict[int, int] = {}

    def work(number: int) -> None:
        folder = tmp_path / str(number)
        folder.mkdir()
        results[number] = table(folder, [{"id": n, "v": f"{number}"} for n in range(500)]).part.rows

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert results == {0: 500, 1: 500, 2: 500}


@pytest.mark.parametrize("odd", ["x", 5, True, [1], '{"city": "text"}'], ids=str)
@pytest.mark.parametrize("at", [0, 60, 4_000])
def test_one_value_that_is_no_object_empties_nobodys_columns(tmp_path: Path, odd: object, at: int) -> None:
    records: list[dict[str, object]] = [{"id": n, "address": {"city": f"c{n}", "geo": {"x": n}}} for n in range(5_000)]
    records[at]["address"] = odd

    staged = table(tmp_path, records)

    rows = {int(row["id"] or 0): row for row in staged.rows}
    assert all(row["address.city"] == f"c{n}" and row["address.geo.x"] == str(n) for n, row in rows.items() if n != at)
    assert (rows[at]["address.city"], rows[at]["address"]) == (None, odd if isinstance(odd, str) else json.dumps(odd))
    assert staged.warnings == {("mixed_kinds", "address"): 1}


@pytest.mark.parametrize("usual", ["x", 5, '{"z": 1}', [1]], ids=str)
def test_an_object_among_other_values_has_columns_however_late_it_comes(tmp_path: Path, usual: object) -> None:
    records: list[dict[str, object]] = [{"id": n, "v": usual} for n in range(3_000)]
    records[2_000]["v"] = {"city": "late"}

    staged = table(tmp_path, records)

    rows = {int(row["id"] or 0): row for row in staged.rows}
    assert (rows[2_000]["v.city"], rows[2_000]["v"]) == ("late", '{"city":"late"}')
    assert rows[0]["v"] == (usual if isinstance(usual, str) else json.dumps(usual))
    assert staged.warnings == {("mixed_kinds", "v"): 2_999}


def test_mixed_values_inside_of_child_tables_and_in_their_place(tmp_path: Path) -> None:
    items = TableSpec(name="items", array_path=("items",), parent_key=("id",))
    records: list[dict[str, object]] = [{"id": n, "items": [{"sku": "a", "w": "1"}]} for n in range(3_000)]
    records += [{"id": 3_000, "items": [{"sku": {"no": 7}}]}, {"id": 3_001, "items": {"sku": "single"}}]

    tables = converted(tmp_path, records, ORDERS, items)

    rows = {row["_parent_id"]: row for row in tables["items"].rows}
    assert (rows["3000"]["sku.no"], rows["0"]["sku"]) == ("7", "a")
    assert set(tables["orders"].types) == {"id"}
    assert (tables["items"].part.rows, tables["items"].part.rejected) == (3_001, 1)
    assert tables["orders"].warnings | tables["items"].warnings == {
        ("mixed_kinds", "sku"): 3_000,
        ("not_an_array", ""): 1,
    }
