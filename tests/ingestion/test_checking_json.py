"""JSON files: what is read as a record, what is turned down and in which words, what refuses the whole file."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from ingestion.checking import check, jsonfile
from ingestion.checking.base import Limits
from tests.ingestion.checking_kit import (
    checked,
    checked_bytes,
    pieces_of,
    problem_rows,
    put,
    reasons,
    request_of,
    sound,
    table_of,
)
from tests.ingestion.parts_kit import Table

SCHEMA = {
    "type": "object",
    "required": ["id"],
    "properties": {
        "id": {"type": "integer"},
        "name": {"type": "string"},
        "kind": {"type": "string", "enum": ["a", "b"]},
        "at": {"type": "string", "format": "date-time"},
        "on": {"type": "boolean"},
        "who": {"type": "object", "properties": {"mail": {"type": "string", "format": "email"}}},
        "labels": {"type": "object", "meta:xdmType": "map", "additionalProperties": {"type": "string"}},
    },
}


@pytest.fixture(params=["small", "large"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every rule holds for small files and for large ones."""
    if request.param == "large":
        monkeypatch.setattr(jsonfile, "SMALL", 0)
    return str(request.param)


def test_records_become_rows_with_the_types_of_the_schema(tmp_path: Path) -> None:
    report = checked(
        tmp_path, [{"id": 1, "name": "x", "who": {"mail": "a@b.c"}}, {"id": "2", "on": True}], schema=SCHEMA
    )

    table = table_of(report)
    assert (report.read, report.bad) == (2, 0)
    assert table.types == {"id": "integer", "name": "text", "who.mail": "text", "on": "boolean"}
    assert sorted(table.column("id")) == ["1", "2"]
    assert report.parts[0].path.name == "part-7-0.csv.gz"


def test_a_column_of_nulls_has_the_type_of_the_schema(tmp_path: Path) -> None:
    report = checked(tmp_path, [{"id": 1, "at": None}], schema=SCHEMA)

    assert table_of(report).types["at"] == "timestamp"


def test_bad_records_are_told_by_field_and_type_and_never_by_value(tmp_path: Path) -> None:
    records = [{"id": 1}, {"id": "secret"}, {"name": "x"}, {"id": 2, "kind": "secret"}, {"id": 3, "on": "true"}]

    report = checked(tmp_path, records, schema=SCHEMA)

    assert (report.read, report.bad, reasons(report)) == (
        5,
        4,
        {"INGEST-1501-400": 2, "INGEST-1503-400": 1, "INGEST-1555-400": 1},
    )
    assert not [error for error in report.errors if "secret" in error.text]
    assert {error.rows for error in report.errors} == {("1",), ("2",), ("3",), ("4",)}
    assert problem_rows(report, "validation")[0]["name"] == "x"
    assert problem_rows(report, "conversion")[0]["id"] == "secret"
    assert len(problem_rows(report, "sample")) == 4


def test_lines_that_are_no_records_stop_nothing(tmp_path: Path) -> None:
    lines = [b'{"id": 1}', b"oops", b"3", b'{"id": NaN}', b'{"id": "\xff"}', b'{"id": 2}', b'{"id": 3} {"id": 4}']

    report = checked(tmp_path, lines, schema=SCHEMA)

    assert (report.read, report.bad) == (7, 5)
    assert reasons(report) == {"INGEST-1401-400": 4, "INGEST-1403-400": 1}
    rows = problem_rows(report, "parsing")
    assert [row["_corrupt_record"] for row in rows][:2] == ["oops", "3"]
    assert rows[0]["_errors"][0]["code"] == "1401"


def test_spans_of_rows_are_joined(tmp_path: Path) -> None:
    report = checked(tmp_path, [{"id": 1}, *[{"id": "x"}] * 3, {"id": 2}, {"id": "y"}], schema=SCHEMA)

    assert [error.rows for error in report.errors] == [("1-3", "5")]


def test_without_a_schema_whatever_comes_is_taken(tmp_path: Path) -> None:
    report = checked(tmp_path, [{"a": 1, "b": {"c": "x"}}, {"a": 2.5}])

    assert table_of(report).types == {"a": "numeric(38,1)", "b.c": "text"}


def test_fields_beyond_the_schema_pass_unless_it_is_sealed(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()

    report = checked(tmp_path, [{"id": 1, "more": "x"}], schema=SCHEMA)
    sealed = checked(tmp_path / "one", [{"id": 1, "more": "x"}], schema={**SCHEMA, "additionalProperties": False})

    assert table_of(report).types["more"] == "text"
    assert (sealed.bad, reasons(sealed)) == (1, {"INGEST-1509-400": 1})


@pytest.mark.parametrize(
    ("place", "good", "bad"),
    [
        ({"enum": ["x", "y"], "const": "x"}, "x", "y"),
        ({"allOf": [{"enum": [1, True]}, {"const": True}]}, True, 1),
        ({"type": ["array", "string"], "items": {"type": "integer"}}, "q", ["q"]),
        ({"type": ["array", "string"], "items": {"type": "integer"}}, [1], [{}]),
        ({"type": ["object", "string"], "required": ["k"]}, {"k": 1}, {"z": 1}),
        ({"required": ["k"]}, 5, {"z": 1}),
        (
            {"type": ["object", "string"], "properties": {"k": {}}, "additionalProperties": False},
            {"k": 1},
            {"k": 1, "z": 1},
        ),
        ({"type": "object", "required": ["k"], "additionalProperties": {"type": "integer"}}, {"k": 1}, {"z": 1}),
    ],
)
def test_what_a_schema_says_of_one_kind_of_value_holds_beside_others(
    tmp_path: Path, place: Any, good: Any, bad: Any
) -> None:
    schema = {"type": "object", "properties": {"a": place}}

    report = checked(tmp_path, [{"a": good}, {"a": bad}, {"a": good}], schema=schema)

    assert (report.bad, [error.rows for error in report.errors]) == (1, [("1",)])


def test_a_schema_that_permits_no_further_fields_needs_no_type_for_that(tmp_path: Path) -> None:
    schema = {"properties": {"a": {}}, "additionalProperties": False}

    assert checked(tmp_path, [{"a": 1}, {"b": 1}], schema=schema).bad == 1
    assert checked(tmp_path, [{"b": 1}, {"c": None}], schema={"additionalProperties": False}).bad == 1


def test_a_map_stays_one_column(tmp_path: Path) -> None:
    report = checked(
        tmp_path, [{"id": 1, "labels": {"x": "1", "y": "2"}}, {"id": 2, "labels": {"z": 5}}], schema=SCHEMA
    )

    table = table_of(report)
    assert table.types["labels"] == "json"
    assert sorted(json.loads(text or "")["z"] for text in table.column("labels") if "z" in (text or "")) == ["5"]


def map_of(**told: Any) -> dict[str, Any]:
    return {"properties": {"m": {"type": "object", "meta:xdmType": "map", **told}}}


def test_named_values_of_a_map_are_held_to_their_own_schema_and_the_others_to_that_of_the_map(tmp_path: Path) -> None:
    named = {"n": {"type": "integer", "minimum": 1}, "s": {"type": "string"}}
    schema = map_of(properties=named, additionalProperties={"type": "boolean"})
    good: list[Any] = [{"n": "7", "s": 1, "x": True}, {"x": None, "n": None}, {}]
    bad: list[Any] = [{"n": 0}, {"n": "x"}, {"s": True}, {"x": "y"}, {"n": True}]

    report = checked(tmp_path, [{"m": value} for value in [*good, *bad]], schema=schema)

    assert sorted(row for error in report.errors for row in error.rows) == ["3", "4", "5", "6", "7"]
    table = table_of(report)
    assert table.types == {"m": "json"}
    assert {"n": 7, "s": "1", "x": True} in [json.loads(text or "") for text in table.column("m")]


def test_a_map_that_permits_no_other_keys_turns_them_down(tmp_path: Path) -> None:
    closed, named = map_of(additionalProperties=False), map_of(additionalProperties=False, properties={"a": {}})
    records = [{"m": {}}, {"m": {"a": 1}}, {"m": {"a": 1, "b": 1}}, {"m": {"b": None}}]

    assert checked(tmp_path, records, schema=closed).bad == 2
    assert checked(tmp_path, records, schema=named).bad == 1


def test_a_key_must_be_there_and_of_several_the_last_stays(tmp_path: Path) -> None:
    report = checked(tmp_path, [{"k": 1, "v": "a"}, {"k": None}, {"v": "x"}, {"k": 1, "v": "b"}], key=("k",))

    assert (report.read, report.bad, report.parts[0].superseded) == (4, 2, 1)
    assert table_of(report).only("v") == "b"
    assert reasons(report) == {"INGEST-1510-400": 2}


def test_of_a_key_that_comes_twice_the_last_counts(tmp_path: Path) -> None:
    report = checked(tmp_path, [b'{"a": 1, "a": 2}'])

    assert table_of(report).only("a") == "2"
    assert table_of(report).warnings == {("duplicate_key", "a"): 1}


@pytest.mark.parametrize(
    ("data", "count"),
    [
        (b'\xef\xbb\xbf{"a": 1}\r\n\r\n{"a": 2}\r\n', 2),
        (b'\n\n{"a": 1}\n   \n{"a": 2}', 2),
        (b'[{"a": 1}, {"a": 2}]\n{"a": 3}\n', 3),
        (b'{"a": 0}\n  [{"a": 1}, {"a": 2}]\n[]\n', 3),
        (b'{"a": "\xe2\x80\xa8"}\n', 1),
    ],
)
def test_what_counts_as_a_line(tmp_path: Path, data: bytes, count: int) -> None:
    report = checked_bytes(tmp_path, data)

    assert (report.problem, report.read, report.bad) == (None, count, 0)


@pytest.mark.parametrize("data", [b"", b"\n\n", b"[]", b"\xef\xbb\xbf"])
def test_a_file_without_records_is_empty(tmp_path: Path, data: bytes) -> None:
    report = checked_bytes(tmp_path, data)

    assert report.problem
    assert (report.problem.code, report.problem.text) == (
        "106",
        "Dataset file is empty. Please upload file with data.",
    )


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (gzip.compress(b'{"a": 1}', mtime=0), "gzip"),
        (b"PAR1....PAR1", "Parquet"),
        (b"PK\x03\x04rest", "ZIP"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"\xff\xfe{\0", "UTF-16"),
    ],
)
def test_another_format_is_named(tmp_path: Path, data: bytes, word: str) -> None:
    report = checked_bytes(tmp_path, data)

    assert report.problem
    assert word in report.problem.text
    assert report.problem.code == "INGEST-1411-400"


PRETTY = [{"a": number, "b": {"c": [1, {"d": 'x,}{ ]\\"'}]}, "text": "line\nbreak"} for number in range(3000)]


@pytest.mark.parametrize("indent", [None, 2])
def test_one_array_over_many_lines(tmp_path: Path, indent: int | None) -> None:
    report = checked_bytes(tmp_path, b" " + json.dumps(PRETTY, indent=indent).encode(), multi_line=True)

    tables = [Table(part) for part in report.parts]
    assert (report.read, report.bad) == (3000, 0)
    assert sorted(int(value or 0) for table in tables for value in table.column("a")) == list(range(3000))
    assert {value for table in tables for value in table.column("text")} == {"line\nbreak"}


def test_a_broken_element_harms_no_other(tmp_path: Path) -> None:
    text = json.dumps(PRETTY, indent=2).replace('"a": 1500,', '"a": oops,')

    report = checked_bytes(tmp_path, text.encode(), multi_line=True)

    assert (report.read, report.bad) == (3000, 1)
    assert report.errors[0].rows == ("1500",)


def test_an_array_that_is_cut_short_refuses_the_file(tmp_path: Path) -> None:
    report = checked_bytes(tmp_path, json.dumps(PRETTY, indent=2).encode()[:-200], multi_line=True)

    assert report.problem
    assert report.problem.code == "INGEST-1419-400"
    assert "cut short" in report.problem.text


@pytest.mark.parametrize(
    "data",
    [
        b'{\n  "id": 1,\n  "name": "a"\n}\n',
        b'[\n  {"id": 1},\n  {"id": 2},\n]\n',
        b'[\n  {\n    "id": 1\n  }\n]\n',
    ],
)
def test_json_over_several_lines_that_was_not_declared_says_what_to_declare(tmp_path: Path, data: bytes) -> None:
    report = checked_bytes(tmp_path, data)

    assert report.bad == report.read > 0
    assert ["isMultiLineJson" in error.text for error in report.errors] == [True]


def test_a_line_that_is_cut_short_is_not_taken_for_a_part_of_several(tmp_path: Path) -> None:
    report = checked_bytes(tmp_path, b'{"id": 1, "name": "a\n{"id": 1]\n')

    assert [error.text for error in report.errors] == ["The record cannot be read: it is no valid JSON."]


def test_one_object_is_one_record_of_a_multi_line_file(tmp_path: Path) -> None:
    assert checked_bytes(tmp_path, b'{\n"a": 1\n}\n', multi_line=True).read == 1


def test_something_else_than_an_array_refuses_a_multi_line_file(tmp_path: Path) -> None:
    report = checked_bytes(tmp_path, b'"text"', multi_line=True)

    assert report.problem
    assert "array of objects" in report.problem.text


def test_pieces_are_one_file(tmp_path: Path) -> None:
    pieces = [put(tmp_path, data, name=name) for name, data in (("p1", b'{"a": 1}\n{"a"'), ("p2", b": 2}\n"))]

    report = sound(check(request_of(tmp_path, *pieces)))

    assert (report.read, report.bad) == (2, 0)


def test_a_line_beyond_the_limit_is_one_bad_record(tmp_path: Path) -> None:
    long = json.dumps({"a": "x" * (3 << 20)}).encode()

    report = checked(tmp_path, [{"a": "1"}, long, {"a": "2"}], limits=Limits(line=1 << 20))

    assert (report.read, report.bad) == (3, 1)
    assert "longer" in report.errors[0].text
    assert len(problem_rows(report, "parsing")[0]["_corrupt_record"]) <= 64 << 10


def test_a_long_line_that_is_an_array_is_read_by_its_elements(tmp_path: Path) -> None:
    lines: list[Any] = [{"a": 0}, PRETTY, {"a": 1}]

    report = checked(tmp_path, lines, limits=Limits(line=1 << 17))

    assert (report.read, report.bad) == (3002, 0)


def test_nesting_has_an_end(tmp_path: Path) -> None:
    deep = b'{"a":' + b"[" * 1000 + b"]" * 1000 + b"}"

    report = checked(tmp_path, [deep, {"a": [1]}])

    assert (report.read, report.bad) == (2, 1)
    assert "too deep" in report.errors[0].text


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b'{"id": 1, "v": nan}', "no valid JSON"),
        (b'{"id": 1, "v": -Inf}', "no valid JSON"),
        (b'{"id": 1, "v": [{"a": inf}]}', "no valid JSON"),
        (b'{"id": 1, "v": [1, INFINITY]}', "no valid JSON"),
        (b'{"id": 1, "v": [1,]}', "no valid JSON"),
        (b'{"id": 1,}', "no valid JSON"),
        (b'{"id": 1, "v": ' + b"[" * 100 + b"]" * 100 + b"}", "too deep"),
        (b'{"id": 1, "v": ' + b"[" * 5_000 + b"]" * 5_000 + b"}", "too deep"),
        (b'{"id": 1, "v": ' + b'{"a":' * 100 + b'"]]"' + b"}" * 100 + b"}", "too deep"),
    ],
)
def test_what_is_no_json_is_turned_down_behind_many_good_records_too(tmp_path: Path, line: bytes, why: str) -> None:
    report = checked(tmp_path, [*({"id": number, "v": [1.5]} for number in range(400)), line])

    assert (report.read, report.bad) == (401, 1)
    assert report.errors[0].rows == ("400",)
    assert why in report.errors[0].text


def test_words_and_brackets_in_strings_are_no_numbers_and_no_depth(tmp_path: Path) -> None:
    odd = {"id": 400, "v": ["nan, inf ]", " nan ", "[" * 150, ",}", ",]"], "w": "banana, inf, nan"}

    report = checked(tmp_path, [*({"id": number, "v": ["x"]} for number in range(400)), odd])

    assert report.bad == 0
    found = next(row for row in table_of(report).rows if row["id"] == "400")
    assert (json.loads(str(found["v"])), found["w"]) == (odd["v"], odd["w"])


def test_parts_are_numbered_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    monkeypatch.setattr(jsonfile, "SPOOL", 1000)
    monkeypatch.setattr("ingestion.checking.lines.BLOCK", 1000)

    report = checked(tmp_path, [{"id": number} for number in range(500)], schema=SCHEMA)

    assert report.read == 500
    if way == "large":
        assert [part.path.name for part in report.parts[:2]] == ["part-7-0.csv.gz", "part-8-0.csv.gz"]
        assert [row["_part"] for row in Table(report.parts[1]).rows][:1] == ["8"]


@pytest.mark.parametrize("cuts", [(), (1,), (2,), (1, 2), (1, 2, 3, 4)])
@pytest.mark.parametrize("multi_line", [False, True])
def test_a_byte_order_mark_goes_however_the_upload_is_cut(
    tmp_path: Path, cuts: tuple[int, ...], multi_line: bool
) -> None:
    data = b"\xef\xbb\xbf" + (b'[{"id": 1}]' if multi_line else b'{"id": 1}\n')

    report = sound(check(request_of(tmp_path, *pieces_of(tmp_path, data, *cuts), multi_line=multi_line)))

    assert (report.read, report.bad) == (1, 0)


@pytest.mark.parametrize("data", [b"\xef", b"\xef\xbb", b"{}"])
def test_an_upload_shorter_than_a_byte_order_mark_is_read(tmp_path: Path, data: bytes) -> None:
    report = checked_bytes(tmp_path, data)

    assert (report.read, report.bad) == (1, int(data != b"{}"))
