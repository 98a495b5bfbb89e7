"""CSV files: preliminary checks, casts to the schema's columns, rows that are none."""

from pathlib import Path
from typing import Any

import pytest

from ingestion.checking import check, preview
from ingestion.checking.base import CheckReport, CsvOptions, Limits
from tests.ingestion.checking_kit import (
    checked_bytes,
    pieces_of,
    problem_rows,
    put,
    reasons,
    request_of,
    sound,
    table_of,
)

SCHEMA = {
    "type": "object",
    "required": ["id"],
    "properties": {
        "id": {"type": "integer"},
        "price": {"type": "number"},
        "ok": {"type": "boolean"},
        "day": {"type": "string", "format": "date"},
        "at": {"type": "string", "format": "date-time"},
        "name": {"type": "string"},
    },
}


def checked(folder: Path, data: bytes, *, delimiter: str = ",", **told: Any) -> CheckReport:
    options = {key: told.pop(key) for key in ("header", "charset", "quote", "escape", "null_marker") if key in told}
    return checked_bytes(folder, data, format="csv", csv=CsvOptions(delimiter=delimiter, **options), **told)


def test_values_are_cast_to_the_columns_of_the_schema(tmp_path: Path) -> None:
    header = b"id,price,ok,day,at,name,more\n"
    rows = header + b'1,1.50,TRUE,2024-01-31,2024-01-31T10:00:00Z,"a ""b""",x\n+2,,,,1531263959000,,\n'

    table = table_of(checked(tmp_path, rows, schema=SCHEMA))

    assert table.types == {
        "id": "integer",
        "price": "double",
        "ok": "boolean",
        "day": "date",
        "at": "timestamp",
        "name": "text",
        "more": "text",
    }
    assert table.column("id") == ["1", "2"]
    assert table.column("ok") == ["true", None]
    assert table.column("at") == ["2024-01-31T10:00:00Z", "2018-07-10T23:05:59.000Z"]
    assert table.column("name") == ['a "b"', None]


def test_without_a_schema_all_columns_are_text(tmp_path: Path) -> None:
    assert table_of(checked(tmp_path, b"a,b\n1,2024-01-01\n")).types == {"a": "text", "b": "text"}


@pytest.mark.parametrize("cell", [b"x", b"1.5", b"9223372036854775808", b"1e3"])
def test_a_failing_cast_fails_the_file_and_says_where(tmp_path: Path, cell: bytes) -> None:
    report = checked(tmp_path, b"id,name\n1,x\nragged\n2,y\n" + cell + b",z\n" + cell + b",z\n", schema=SCHEMA)

    assert report.problem
    assert report.problem.code == "INGEST-1418-400"
    assert "column id should be long, but 2 values are not; the first in row 5, 6" in report.problem.text
    assert not report.parts


@pytest.mark.parametrize("column", ["day", "at"])
def test_digits_that_spell_a_day_are_not_taken_for_milliseconds_of_1970(tmp_path: Path, column: str) -> None:
    report = checked(tmp_path, f"id,{column}\n1,20240131\n".encode(), schema=SCHEMA)

    assert report.problem
    assert report.problem.code == "INGEST-1418-400"
    near = checked(tmp_path, f"id,{column}\n1,18991231\n2,1706659200000\n".encode(), schema=SCHEMA)
    assert not near.problem


def test_ragged_rows_are_turned_down_and_the_rest_loads(tmp_path: Path) -> None:
    report = checked(tmp_path, b'a,b\n1,2\n3\n4,5,6\n7,"x\ny"\n8,9\n')

    assert (report.read, report.bad, reasons(report)) == (5, 2, {"INGEST-1402-400": 2})
    assert report.errors[0].rows == ("1-2",)
    assert [row["_corrupt_record"] for row in problem_rows(report, "parsing")] == ["3", "4,5,6"]
    assert table_of(report).column("b") == ["2", "x\ny", "9"]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "106"),
        (b"a,b\n", "106"),
        (b"\n", "118"),
        (b",,\n1,2,3\n", "118"),
        (b"a,b,a\n1,2,3\n", "INGEST-1416-400"),
        (",".join(f"c{number}" for number in range(10_001)).encode() + b"\n", "INGEST-1415-400"),
        (b'a,b\n1,"x\n2,y\n', "INGEST-1413-400"),
        (b"PAR1xxxxPAR1", "INGEST-1411-400"),
    ],
)
def test_files_that_are_refused(tmp_path: Path, data: bytes, code: str) -> None:
    report = checked(tmp_path, data)

    assert report.problem
    assert report.problem.code == code


@pytest.mark.parametrize("ends", ["\n", "\r\n", "mixed"])
def test_line_ends_of_every_kind_keep_values_as_they_are(tmp_path: Path, ends: str) -> None:
    data = b'\xef\xbb\xbfa,b\n1,"x\r\ny"\n2,"x\ry"\n3,"x\ny"\n4,""\n5,\n'
    if ends != "\n":
        data = data.replace(b"a,b\n", b"a,b\r\n").replace(b'y"\n', b'y"\r\n')
    if ends == "\r\n":
        data = data.replace(b'""\n5,\n', b'""\r\n5,\r\n')

    report = checked(tmp_path, data)

    assert sorted(map(repr, table_of(report).column("b"))) == sorted(map(repr, ["x\r\ny", "x\ry", "x\ny", "", None]))


def test_options_are_obeyed(tmp_path: Path) -> None:
    data = "a;b\n1;'caf\u00e9 \\' x'\n2;NULL\n".encode("latin-1")

    report = checked(tmp_path, data, delimiter=";", quote="'", escape="\\", charset="ISO-8859-1", null_marker="NULL")

    assert table_of(report).column("b") == ["caf\u00e9 ' x", None]


def test_without_a_header_the_columns_are_those_of_the_schema(tmp_path: Path) -> None:
    schema = {"properties": {"x": {"type": "integer"}, "y": {"type": "string"}}}

    table = table_of(checked(tmp_path, b"1,a\n2,b\n", header=False, schema=schema))

    assert (table.types, table.column("x")) == ({"x": "integer", "y": "text"}, ["1", "2"])


@pytest.mark.parametrize(
    ("told", "word"),
    [
        ({"charset": "EBCDIC"}, "charset"),
        ({"delimiter": "||"}, "delimiter"),
        ({"delimiter": '"'}, "delimiter"),
        ({"header": False}, "no names"),
        ({"key": ("id",)}, "key"),
    ],
)
def test_options_that_cannot_be_are_named(tmp_path: Path, told: dict[str, Any], word: str) -> None:
    report = checked(tmp_path, b"a,b\n1,2\n", **told)

    assert report.problem
    assert word in report.problem.text


@pytest.mark.parametrize("ends", [b"\n", b"\r\n", b"\r"])
def test_all_signs_of_iso_8859_1_are_taken(tmp_path: Path, ends: bytes) -> None:
    signs = bytes(range(0x80, 0x100))
    rows = ends.join([b"id,name", b"1," + signs, b'2,"\x93\xe9"', b"3,x,y", b""])

    report = checked(tmp_path, rows, charset="ISO-8859-1", schema=SCHEMA)

    assert reasons(report) == {"INGEST-1402-400": 1}
    assert table_of(report).column("name") == [signs.decode("latin-1"), "\x93é"]


@pytest.mark.parametrize(
    ("field", "cell"),
    [
        ("price", "1e-400"),
        ("price", "-0.1e-330"),
        ("day", "-99999999999999"),
        ("at", "-62135596800001"),
        ("tags", "[NaN]"),
        ("tags", "[-inf]"),
        ("tags", "[1,]"),
    ],
)
def test_a_value_that_no_warehouse_holds_is_none_of_its_type(tmp_path: Path, field: str, cell: str) -> None:
    schema = {"type": "object", "properties": {**SCHEMA["properties"], "tags": {"type": "array"}}}  # type: ignore[dict-item]
    report = checked(tmp_path, f"id;{field}\n1;{cell}\n".encode(), delimiter=";", schema=schema)

    assert report.problem
    assert report.problem.code == "INGEST-1418-400"
    assert f"column {field} should be" in report.problem.text


def test_json_in_a_cell_loses_its_zero_characters_and_nothing_else(tmp_path: Path) -> None:
    cell = rb'["a\u0000b","\\u0000","NaN, inf ,]","\u0000\u0000"]'
    schema = {"type": "object", "properties": {"tags": {"type": "array"}}}

    table = table_of(
        checked(tmp_path, b"id;tags\n1;'" + cell + b"'\n", delimiter=";", quote="'", escape="'", schema=schema)
    )

    assert table.only("tags") == r'["ab","\\u0000","NaN, inf ,]",""]'


@pytest.mark.parametrize(
    ("header", "word"),
    [(b"id;name", "semicolons"), (b'"id"\t"name"', "tabs"), (b"id|price|more", "bars")],
)
def test_an_undeclared_delimiter_is_named(tmp_path: Path, header: bytes, word: str) -> None:
    problem = checked(tmp_path, header + b"\n1\n", schema=SCHEMA).problem

    assert problem
    assert (problem.code, word in problem.text) == ("INGEST-1426-400", True)


def test_bytes_beyond_the_charset_are_told(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()

    ascii_only = checked(tmp_path, b"a,b\n1,\xc3\xa9\n", charset="US-ASCII")
    broken = checked(tmp_path / "one", b"a,b\n1,\xe9\n2,x\n")

    assert ascii_only.problem
    assert ascii_only.problem.code == "INGEST-1412-400"
    assert (broken.bad, reasons(broken)) == (1, {"INGEST-1401-400": 1})


def test_a_key_must_be_there_and_of_several_the_last_stays(tmp_path: Path) -> None:
    report = checked(tmp_path, b"id,name\n1,a\n,b\n1,c\n2,d\n", schema=SCHEMA, key=("id",))

    assert (report.read, report.bad, report.parts[0].superseded) == (4, 1, 1)
    assert sorted(table_of(report).column("name")) == ["c", "d"]
    assert problem_rows(report, "validation")[0]["name"] == "b"


def test_zero_characters_are_removed_and_counted(tmp_path: Path) -> None:
    table = table_of(checked(tmp_path, b"a,b\n1,x\0y\n"))

    assert (table.only("b"), table.warnings) == ("xy", {("nul_removed", ""): 1})


def test_a_huge_cell_is_one_bad_row(tmp_path: Path) -> None:
    report = checked(tmp_path, b'a,b\n1,"' + b"x" * (5 << 20) + b'"\n2,y\n', limits=Limits(cell=1 << 20))

    assert (report.read, report.bad) == (2, 1)
    assert "longer" in report.errors[0].text


def test_more_columns_than_a_table_has_share_one(tmp_path: Path) -> None:
    names = ",".join(f"c{number}" for number in range(1_500))
    values = ",".join(str(number) if number != 1_450 else "" for number in range(1_500))

    table = table_of(checked(tmp_path, f"{names}\n{values}\n".encode()))

    assert len(table.types) == 1_401
    assert '"c1499":"1499"' in (table.only("_overflow") or "")
    assert "c1450" not in (table.only("_overflow") or "")


def test_pieces_are_one_file(tmp_path: Path) -> None:
    pieces = [put(tmp_path, data, name=name) for name, data in (("p1", b'a,b\n1,"x'), ("p2", b'y"\n'))]

    report = sound(check(request_of(tmp_path, *pieces, format="csv")))

    assert table_of(report).only("b") == "xy"


def test_a_preview_shows_the_first_rows(tmp_path: Path) -> None:
    path = put(tmp_path, b"a;b\n1;2\n3;\n5;6\n")

    found = preview(request_of(tmp_path, path, format="csv", csv=CsvOptions(delimiter=";")), 2)

    assert (found.columns, found.rows) == (("a", "b"), (("1", "2"), ("3", None)))


DOCUMENTS = {"type": "object", "properties": {"tags": {"type": "array"}, "more": {"type": "object"}}}


def documents(folder: Path, *cells: str, column: str = "more", **told: Any) -> CheckReport:
    """A file of one column of JSON, whose quotes are such that cells need none."""
    rows = "".join(f"'{cell}'\n" for cell in cells).encode("utf-8", "surrogatepass")
    return checked(folder, f"{column}\n".encode() + rows, quote="'", escape="'", schema=DOCUMENTS, **told)


def nested(deep: int) -> str:
    return "[" * deep + "]" * deep


@pytest.mark.parametrize(
    ("cell", "kept"),
    [
        ('{"a":1,"b":2,"a":3}', '{"a":3,"b":2}'),
        ('{"a":{"b":[{"c":1,"c":[2]}]}}', '{"a":{"b":[{"c":[2]}]}}'),
        ('{"a":1,"\\u0061":2}', '{"a":2}'),
        ('{"a":1,"a\\u0000":2}', '{"a":2}'),
        ('{"a":1.50,"a":1e400}', '{"a":1e400}'),
        ('{"a":"\\ud800","b":"\\ud83d\\ude00"}', '{"a":"\ufffd","b":"😀"}'),
        ('{"a":"\\\\ud800 \\\\u0000"}', '{"a":"\\\\ud800 \\\\u0000"}'),
        ('{"a": {"b": 1},  "b": 1.50}', '{"a": {"b": 1},  "b": 1.50}'),
        ('{ "a" : [{"a":1},{"a":2}] }', '{ "a" : [{"a":1},{"a":2}] }'),
    ],
)
def test_of_a_key_that_comes_twice_in_a_cell_the_last_counts_as_in_json(tmp_path: Path, cell: str, kept: str) -> None:
    table = table_of(documents(tmp_path, '{"x":0}', cell, '{"x":1}'))

    assert sorted(table.column("more")) == sorted(['{"x":0}', kept, '{"x":1}'])


def test_keys_that_come_twice_in_cells_are_counted(tmp_path: Path) -> None:
    (part,) = documents(tmp_path, *(f'{{"a":{n},"a":{n}}}' for n in range(6_000))).parts

    assert [(found.code, found.count, found.column) for found in part.warnings] == [("duplicate_key", 6_000, "a")]


def test_a_key_that_comes_twice_is_told_in_a_file_with_a_key(tmp_path: Path) -> None:
    data = b"""id,more\n1,'{"a":1,"a":2}'\n1,'{"a":3,"a":4}'\n2,'{}'\n"""
    schema = {"type": "object", "properties": {**SCHEMA["properties"], **DOCUMENTS["properties"]}}  # type: ignore[dict-item]

    table = table_of(checked(tmp_path, data, quote="'", escape="'", schema=schema, key=("id",)))

    assert sorted(table.column("more")) == ['{"a":4}', "{}"]


def test_a_cell_is_as_deep_as_a_record_of_json_may_be_and_no_deeper(tmp_path: Path) -> None:
    deepest = Limits().nesting - 1  # the record itself is one more
    wide, quoted = f"[{','.join(['[]'] * 300)}]", '["' + "[" * 500 + '"]'

    good = table_of(documents(tmp_path, nested(deepest), wide, quoted, column="tags"))
    assert sorted(good.column("tags")) == sorted([nested(deepest), wide, quoted])

    bad = documents(tmp_path, "[]", nested(deepest + 1), column="tags")
    assert bad.problem
    assert bad.problem.code == "INGEST-1418-400"
    assert f"column tags should be array (JSON, nested at most {deepest} deep), but 1 values" in bad.problem.text
    assert "in row 3" in bad.problem.text


@pytest.mark.parametrize("deep", [130, 2_000, 100_000])
def test_brackets_without_an_end_are_no_trouble(tmp_path: Path, deep: int) -> None:
    for cell in (nested(deep), '{"a":' * deep + "1" + "}" * deep):
        report = documents(tmp_path, cell, column="tags" if cell[0] == "[" else "more")
        assert report.problem
        assert report.problem.code == "INGEST-1418-400"


@pytest.mark.parametrize("cuts", [(), (1, 2, 3)])
@pytest.mark.parametrize("head", [b'"id","name"\n', b""])
@pytest.mark.parametrize("charset", ["UTF-8", "US-ASCII", "ISO-8859-1"])
def test_a_byte_order_mark_is_no_part_of_a_file_however_it_is_cut(
    tmp_path: Path, cuts: tuple[int, ...], head: bytes, charset: str
) -> None:
    data = b"\xef\xbb\xbf" + head + b"1,x\n"
    options = CsvOptions(header=bool(head), charset=charset)
    schema = {"type": "object", "properties": {"id": {"type": "string"}, "name": {"type": "string"}}}

    pieces = pieces_of(tmp_path, data, *cuts)
    table = table_of(sound(check(request_of(tmp_path, *pieces, format="csv", csv=options, schema=schema))))

    assert table.column("id") == ["1"]


def test_a_header_of_several_lines_behind_a_byte_order_mark_is_no_row(tmp_path: Path) -> None:
    table = table_of(checked(tmp_path, b'\xef\xbb\xbf"i\nd","name"\n1,x\n'))

    assert table.rows == [{"i\nd": "1", "name": "x", "_part": "7"}]


def test_a_second_byte_order_mark_is_a_value(tmp_path: Path) -> None:
    table = table_of(checked(tmp_path, b"\xef\xbb\xbfid\n\xef\xbb\xbfa\n", header=True))

    assert table.column("id") == ["\ufeffa"]


def test_a_line_feed_that_is_missing_at_the_end_is_no_damage(tmp_path: Path) -> None:
    assert table_of(checked(tmp_path, b"id,name\n1,x\r\n2,y\r")).column("name") == ["x", "y"]
