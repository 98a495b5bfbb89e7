"""Parquet files as other programs write them (those under golden/parquet by Arrow, as data frames are saved): times in
nanoseconds, columns of nothing but nulls, names that differ by case, values within lists, maps and structures."""

import json
from pathlib import Path
from typing import Any

import pytest

from ingestion.checking import check
from ingestion.checking.base import CheckReport
from tests.ingestion.checking_kit import reasons, request_of, sound, table_of
from tests.ingestion.test_checking_parquet import checked

GOLDEN = Path(__file__).parent / "golden" / "parquet"
AT = {"type": "string", "format": "date-time"}


def taken(folder: Path, name: str, **told: Any) -> CheckReport:
    return sound(check(request_of(folder, GOLDEN / f"{name}.parquet", format="parquet", **told)))


def schema(**fields: Any) -> dict[str, Any]:
    return {"type": "object", "properties": fields}


@pytest.mark.parametrize("told", [None, schema(id={"type": "integer"}, at=AT, seen=AT)])
def test_nanoseconds_are_cut_and_never_rounded_into_the_next_day(tmp_path: Path, told: Any) -> None:
    table = table_of(taken(tmp_path, "fine_times", schema=told))

    assert (table.types["at"], table.types["seen"]) == ("timestamp", "timestamp")
    assert sorted(table.column("at"), key=str) == [
        "2023-11-14T22:13:20.123456Z", "2023-12-31T23:59:59.999999Z", None,
    ]  # fmt: skip
    assert sorted(table.column("seen")) == [
        "1970-01-01T00:00:00.000001Z", "1970-01-01T00:00:00.000001Z", "1970-01-01T00:00:00Z",
    ]  # fmt: skip


def test_a_cut_is_told_of_the_times_that_were_cut_alone(tmp_path: Path) -> None:
    warnings = table_of(taken(tmp_path, "fine_times")).warnings

    assert warnings == {("fraction_cut", "at"): 2, ("fraction_cut", "seen"): 1}


def test_times_in_nanoseconds_that_lose_nothing_are_not_told_of(tmp_path: Path) -> None:
    assert table_of(checked(tmp_path, "SELECT TIMESTAMP_NS '2024-01-31 10:00:00.123456' AS at")).warnings == {}


def test_a_column_of_nothing_but_nulls_fits_whatever_the_schema_says(tmp_path: Path) -> None:
    who = {"type": "object", "properties": {"mail": {"type": "string"}}}
    told = schema(id={"type": "integer"}, tags={"type": "array", "items": AT}, who=who, name={"type": "string"})

    table = table_of(taken(tmp_path, "nulls", schema=told))

    assert table.types == {"id": "integer", "tags": "json", "name": "text"}
    assert table.column("tags") == [None, None]


def test_a_required_object_of_nothing_but_nulls_is_missing(tmp_path: Path) -> None:
    who = {"type": "object", "properties": {"mail": {"type": "string"}}}
    told = {**schema(id={}, tags={}, who=who, name={}), "required": ["who"]}

    assert reasons(taken(tmp_path, "nulls", schema=told)) == {"INGEST-1555-400": 2}


def test_a_column_of_nothing_but_nulls_leaves_its_type_open(tmp_path: Path) -> None:
    assert table_of(taken(tmp_path, "nulls")).types["name"] == "null"


@pytest.mark.parametrize("told", [None, schema(Id={}, id={}, s={"type": "object", "properties": {"a": {}, "A": {}}})])
def test_names_that_differ_by_case_alone_are_kept(tmp_path: Path, told: Any) -> None:
    table = table_of(taken(tmp_path, "case", schema=told))

    assert [table.only(name) for name in ("Id", "id", "s.a", "s.A")] == ["1", "2", "3", "4"]


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("twice", "INGEST-1416-400", "the column a more than once"),
        ("decimals", "INGEST-1429-400", "column v has decimals of 50 digits"),
    ],
)
def test_what_would_be_changed_in_silence_is_refused_in_words(tmp_path: Path, name: str, code: str, words: str) -> None:
    problem = taken(tmp_path, name).problem

    assert problem
    assert (problem.code, problem.retry) == (code, False)
    assert words in problem.text


def test_a_name_that_the_reader_needs_itself_is_not_called_damage(tmp_path: Path) -> None:
    problem = checked(tmp_path, "SELECT 1 AS File_Row_Number").problem

    assert problem
    assert problem.code == "INGEST-1429-400"
    assert "File_Row_Number" in problem.text


def test_of_a_key_that_comes_twice_in_a_map_the_last_counts(tmp_path: Path) -> None:
    values = table_of(taken(tmp_path, "map")).column("v")

    assert sorted(map(str, values)) == ["None", '{"j":3,"k":2}', "{}"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("[TIMESTAMP '2024-01-31 10:00:00.5']", ["2024-01-31T10:00:00.5Z"]),
        ("[TIMESTAMPTZ '2024-01-31 10:00:00+02', NULL]", ["2024-01-31T08:00:00Z", None]),
        ("[TIMESTAMP_NS '2024-01-31 10:00:00.123456789']", ["2024-01-31T10:00:00.123456789Z"]),
        ("['infinity'::TIMESTAMP]", ["infinity"]),
        ("[[TIMESTAMP '2024-01-31 10:00:00']]", [["2024-01-31T10:00:00Z"]]),
        (
            "[{'at': TIMESTAMP '2024-01-31 10:00:00', 'n': 1.50}, NULL]",
            [{"at": "2024-01-31T10:00:00Z", "n": 1.5}, None],
        ),
        ("MAP {'k': TIMESTAMP '2024-01-31 10:00:00'}", {"k": "2024-01-31T10:00:00Z"}),
        ("MAP {DATE '2024-01-31': ['x'::BLOB]}", {"2024-01-31": ["eA=="]}),
        ("['\\xAA\\xBB'::BLOB]", ["qrs="]),
        ("['a' || chr(0) || '\\u0000']", ["a\\u0000"]),
    ],
)
def test_values_within_others_are_written_as_those_of_columns(tmp_path: Path, value: str, expected: Any) -> None:
    text = table_of(checked(tmp_path, f"SELECT {value} AS v")).only("v")

    assert json.loads(str(text)) == expected


def test_times_within_others_fit_the_schema(tmp_path: Path) -> None:
    item = {"type": "object", "properties": {"at": AT, "day": {"type": "string", "format": "date"}}}
    told = schema(
        seen={"type": "array", "items": AT},
        items={"type": "array", "items": item},
        by={"type": "object", "additionalProperties": AT},
    )
    time = "TIMESTAMP '2024-01-31 10:00:00'"
    rows = f"SELECT [{time}] AS seen, [{{'at': {time}, 'day': DATE '2024-01-31'}}] AS items, MAP {{'k': {time}}} AS by"

    report = checked(tmp_path, rows, schema=told)

    assert reasons(report) == {}
    assert table_of(report).only("by") == '{"k":"2024-01-31T10:00:00Z"}'


def test_a_number_beyond_all_integers_is_one_bad_row(tmp_path: Path) -> None:
    report = checked(tmp_path, "SELECT unnest([1e40, 5.0])::DOUBLE AS n", schema=schema(n={"type": "integer"}))

    assert (report.bad, reasons(report)) == (1, {"INGEST-1502-400": 1})
    assert table_of(report).only("n") == "5"
