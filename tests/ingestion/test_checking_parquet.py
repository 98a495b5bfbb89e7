"""Parquet files: their footer, their types, the schema they must be a subset of, and their rows."""

from pathlib import Path
from typing import Any

import duckdb
import pytest

from ingestion.checking import check, parquetfile, preview
from ingestion.checking.base import CheckReport, Limits
from tests.ingestion.checking_kit import problem_rows, put, reasons, request_of, sound, table_of
from tests.ingestion.parts_kit import Table

SCHEMA = {
    "type": "object",
    "required": ["id"],
    "properties": {
        "id": {"type": "integer", "minimum": 1},
        "name": {"type": "string", "pattern": "^[a-z]+$"},
        "price": {"type": "number"},
        "at": {"type": "string", "format": "date-time"},
        "who": {"type": "object", "properties": {"mail": {"type": "string", "format": "email"}}},
        "tags": {"type": "array", "items": {"type": "string"}},
        "map": {"type": "object", "meta:xdmType": "map", "additionalProperties": {"type": "integer"}},
    },
}


def parquet(folder: Path, select: str, options: str = "") -> Path:
    path = folder / "upload.parquet"
    with duckdb.connect() as duck:
        duck.execute("SET TimeZone = 'UTC'")
        duck.execute(f"COPY ({select}) TO '{path}' (FORMAT parquet{options})")
    return path


def checked(folder: Path, select: str, **told: Any) -> CheckReport:
    return sound(check(request_of(folder, parquet(folder, select), format="parquet", **told)))


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        ("9223372036854775807::BIGINT", "integer", "9223372036854775807"),
        ("18446744073709551615::UBIGINT", "numeric(38,0)", "18446744073709551615"),
        ("12345678901234567890123456.789::DECIMAL(38,3)", "numeric(38,3)", "12345678901234567890123456.789"),
        ("0.1::DOUBLE", "double", "0.1"),
        ("true", "boolean", "true"),
        ("DATE '2024-02-29'", "date", "2024-02-29"),
        ("TIMESTAMP '2024-01-31 10:00:00.123456'", "timestamp", "2024-01-31T10:00:00.123456Z"),
        ("TIMESTAMPTZ '2024-01-31 10:00:00+02'", "timestamp", "2024-01-31T08:00:00Z"),
        ("'\\xAA\\xBB'::BLOB", "text", "qrs="),
        ("'a'||chr(0)||'b'", "text", "ab"),
        ("[1, NULL, 3]", "json", "[1,null,3]"),
        ("MAP {'k': 1}", "json", '{"k":1}'),
        ("NULL::INTEGER", "integer", None),
    ],
)
def test_types_are_kept_exactly(tmp_path: Path, value: str, kind: str, text: str | None) -> None:
    table = table_of(checked(tmp_path, f"SELECT {value} AS v"))

    assert (table.types, table.only("v")) == ({"v": kind}, text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("[0.1::FLOAT, NULL, 16777216::FLOAT]", "[0.1,null,16777216.0]"),
        ("[[0.1::FLOAT]]", "[[0.1]]"),
        ("[{'f': 0.3::FLOAT, 'd': 0.1}]", '[{"f":0.3,"d":0.1}]'),
        ("MAP {'k': 0.1::FLOAT}", '{"k":0.1}'),
        ("MAP {0.1::FLOAT: 1.1::FLOAT}", '{"0.1":1.1}'),
        ("{'b': {'c': {'d': 3.4028235e38::FLOAT}}}", '{"d":3.4028235e38}'),
        ("[1.1754944e-38::FLOAT, -0.7::FLOAT]", "[1.1754944e-38,-0.7]"),
    ],
)
def test_single_precision_keeps_its_digits_within_lists_maps_and_structures(
    tmp_path: Path, value: str, text: str
) -> None:
    (found,) = [
        each for key, each in table_of(checked(tmp_path, f"SELECT {value} AS v")).rows[0].items() if key != "_part"
    ]

    assert found == text


@pytest.mark.parametrize("value", ["[1::FLOAT, 'nan'::FLOAT]", "[{'a': '-inf'::FLOAT}]"])
def test_single_precision_that_is_no_number_is_turned_down_within_lists(tmp_path: Path, value: str) -> None:
    assert reasons(checked(tmp_path, f"SELECT {value} AS v")) == {"INGEST-1403-400": 1}


def test_binary_says_what_became_of_it(tmp_path: Path) -> None:
    assert table_of(checked(tmp_path, "SELECT 'x'::BLOB AS v")).warnings == {("base64", "v"): 1}


def test_structures_are_flattened_as_those_of_json(tmp_path: Path) -> None:
    table = table_of(checked(tmp_path, "SELECT {'b': {'c': {'d': 1}}, 'e': 2} AS a"))

    assert table.names == {"a.b.c": "a__b__c", "a.e": "a__e"}
    assert (table.only("a.b.c"), table.only("a.e")) == ('{"d":1}', "2")


def test_rows_are_judged(tmp_path: Path) -> None:
    rows = """SELECT * FROM (VALUES
        (1, 'abc', 1.5, {'mail': 'a@b.c'}, ['x'], MAP {'k': 1}),
        (NULL, 'abc', 1, NULL, NULL, NULL),
        (0, 'abc', 1, NULL, NULL, NULL),
        (2, 'A', 1, {'mail': 'x'}, NULL, NULL),
        (3, 'abc', 'nan'::DOUBLE, NULL, [], MAP {})) t(id, name, price, who, tags, map)"""

    report = checked(tmp_path, rows, schema=SCHEMA)

    assert (report.read, report.bad) == (5, 4)
    assert reasons(report) == {
        "INGEST-1555-400": 1,
        "INGEST-1506-400": 1,
        "INGEST-1505-400": 1,
        "INGEST-1504-400": 1,
        "INGEST-1403-400": 1,
    }
    assert {error.rows for error in report.errors} == {("1",), ("2",), ("3",), ("4",)}
    assert problem_rows(report, "validation")[1]["id"] == "0"
    assert table_of(report).types["price"] == "double"


def test_values_are_converted_to_the_types_of_the_schema(tmp_path: Path) -> None:
    rows = """SELECT * FROM (VALUES ('007', 'abc', '1.5', 1531263959000), ('x', 'abc', '5', 1),
        ('8', 'abc', '1', 99999999999999999)) t(id, name, price, "at")"""

    report = checked(tmp_path, rows, schema=SCHEMA)

    assert (report.bad, reasons(report)) == (2, {"INGEST-1501-400": 1, "INGEST-1502-400": 1})
    assert table_of(report).rows == [
        {"id": "7", "name": "abc", "price": "1.5", "at": "2018-07-10T23:05:59.000Z", "_part": "7"}
    ]


MAP = {"type": "object", "meta:xdmType": "map", "properties": {"a": {"type": "integer", "maximum": 1}}}


def test_named_values_of_a_map_are_judged(tmp_path: Path) -> None:
    rows = "SELECT unnest([MAP {'a': 1, 'b': 5}, MAP {'a': 2}]) AS m"

    report = checked(tmp_path, rows, schema={"type": "object", "properties": {"m": MAP}})

    assert (report.bad, reasons(report)) == (1, {"INGEST-1506-400": 1})
    assert table_of(report).only("m") == '{"a":1,"b":5}'


def test_a_map_with_named_values_is_one_column_and_no_structure(tmp_path: Path) -> None:
    report = checked(tmp_path, "SELECT {'a': 1} AS m", schema={"type": "object", "properties": {"m": MAP}})

    assert report.problem
    assert report.problem.code == "INGEST-1417-400"


@pytest.mark.parametrize(
    ("select", "word"),
    [
        ("SELECT 1 AS other", "no field other"),
        ("SELECT {'phone': 1} AS who", "no field who.phone"),
        ("SELECT true AS name", "name should be string, but the file has boolean"),
        ("SELECT [1] AS id", "id should be long, but the file has list"),
        ("SELECT DATE '2024-01-01' AS \"at\"", "at should be date-time, but the file has date"),
    ],
)
def test_a_file_must_be_a_subset_of_the_schema(tmp_path: Path, select: str, word: str) -> None:
    report = checked(tmp_path, select, schema=SCHEMA)

    assert report.problem
    assert report.problem.code == "INGEST-1417-400"
    assert word in report.problem.text


def test_times_that_no_warehouse_holds_are_bad_rows(tmp_path: Path) -> None:
    rows = "SELECT DATE '10000-01-01' AS d UNION ALL SELECT DATE '0044-03-15 (BC)' UNION ALL SELECT DATE '2024-01-01'"

    report = checked(tmp_path, rows)

    assert (report.bad, reasons(report)) == (2, {"INGEST-1502-400": 2})


def test_files_are_read_in_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquetfile, "MOST_ROWS", 300)

    report = checked(tmp_path, "SELECT i AS id FROM range(1, 1001) t(i)", schema=SCHEMA)

    tables = [Table(part) for part in report.parts]
    assert [part.rows for part in report.parts] == [250, 250, 250, 250]
    assert sorted(int(value or 0) for table in tables for value in table.column("id")) == list(range(1, 1001))
    assert tables[1].rows[0]["_part"] == "8"


def test_a_key_must_be_there_and_of_several_the_last_stays(tmp_path: Path) -> None:
    rows = "SELECT * FROM (VALUES (1, 'a'), (NULL, 'b'), (1, 'c')) t(k, v)"

    report = checked(tmp_path, rows, key=("k",))

    assert (report.read, report.bad, report.parts[0].superseded) == (3, 1, 1)
    assert table_of(report).only("v") == "c"


def test_a_file_without_rows_is_empty(tmp_path: Path) -> None:
    report = checked(tmp_path, "SELECT 1 AS a WHERE false")

    assert report.problem
    assert report.problem.code == "106"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda data: data[:-100], "INGEST-1413-400"),
        (lambda data: data[: len(data) // 2], "INGEST-1413-400"),
        (lambda data: data[:-8] + b"\xff\xff\xff\x7fPAR1", "INGEST-1413-400"),
        (lambda data: data[:-300] + b"\xff" * 200 + data[-100:], "INGEST-1413-400"),
        (lambda data: data[:4] + b"\xff" * 3000 + data[3004:], "INGEST-1413-400"),
        (lambda data: b"PAR1" + b"x" * 100 + b"PAR1", "INGEST-1413-400"),
        (lambda data: b"PARE" + data[4:-4] + b"PARE", "INGEST-1414-400"),
        (lambda data: b'{"a": 1}\n', "INGEST-1411-400"),
        (lambda data: b"", "106"),
    ],
)
def test_damaged_files_are_refused_in_words(tmp_path: Path, change: Any, code: str) -> None:
    data = parquet(tmp_path, "SELECT i AS id, 'name' || i AS name FROM range(5000) t(i)").read_bytes()

    report = check(request_of(tmp_path, put(tmp_path, change(data)), format="parquet"))

    assert report.problem
    assert report.problem.code == code


def test_an_encrypted_file_is_named_so(tmp_path: Path) -> None:
    with duckdb.connect() as duck:
        duck.execute("SET force_mbedtls_unsafe = 'true'")
        duck.execute("PRAGMA add_parquet_key('k', '0123456789112345')")
        duck.execute(
            f"COPY (SELECT 1 AS a) TO '{tmp_path / 'upload'}' (FORMAT parquet, ENCRYPTION_CONFIG {{footer_key: 'k'}})"
        )

    report = check(request_of(tmp_path, tmp_path / "upload", format="parquet"))

    assert report.problem
    assert report.problem.code == "INGEST-1414-400"


def test_too_many_columns_are_refused_before_reading(tmp_path: Path) -> None:
    report = checked(tmp_path, "SELECT 1 AS a, 2 AS b, 3 AS c", limits=Limits(fields=2))

    assert report.problem
    assert "3 columns" in report.problem.text


def test_a_bomb_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquetfile, "ALWAYS_BEARABLE", 1 << 20)

    report = checked(tmp_path, "SELECT repeat('x', 10000) AS a FROM range(5000)")

    assert report.problem
    assert report.problem.code == "INGEST-1427-400"


def test_a_preview_shows_the_first_rows(tmp_path: Path) -> None:
    path = parquet(tmp_path, "SELECT i AS a, {'b': 'x'} AS s FROM range(5) t(i)")

    found = preview(request_of(tmp_path, path, format="parquet"), 2)

    assert (found.columns, found.rows) == (("a", "s.b"), (("0", "x"), ("1", "x")))
