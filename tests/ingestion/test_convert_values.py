"""Values: what a source says is what is staged, or a warning counts the loss."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from tests.ingestion.parts_kit import table

NASTY = [
    "",
    "\\N",
    "\\.",
    'say "hi"',
    "a,b",
    "line\nbreak",
    "carriage\rreturn",
    "both\r\n",
    "\u2028 and \u2029",
    "tab\there",
    "ends with \\",
    "\ufeffbyte order mark",
    "e\u0301 \u202e 😀 𝔘",
    "null",
    "x" * 70_000,
]


def test_text_is_kept_byte_for_byte(tmp_path: Path) -> None:
    staged = table(tmp_path, [{"id": n, "v": text} for n, text in enumerate(NASTY)])

    assert {int(row["id"]): row["v"] for row in staged.rows} == dict(enumerate(NASTY))
    assert staged.types == {"id": "integer", "v": "text"}
    assert not staged.part.exact


def test_text_is_always_quoted_and_null_never(tmp_path: Path) -> None:
    import gzip

    staged = table(tmp_path, [{"a": "x", "b": 1}, {"a": None, "b": None}, {"a": "", "b": 2}])

    lines = gzip.decompress(staged.part.path.read_bytes()).decode().splitlines()
    assert sorted(lines) == ['"",2,41', '"x",1,41', "\\N,\\N,41"]


def test_null_and_missing_are_null_and_an_empty_string_is_not(tmp_path: Path) -> None:
    staged = table(tmp_path, [{"a": None, "id": 1}, {"id": 2}, {"a": "", "id": 3}, {"a": "x", "id": 4}])

    assert {row["id"]: row["a"] for row in staged.rows} == {"1": None, "2": None, "3": "", "4": "x"}


@pytest.mark.parametrize(
    ("values", "label"),
    [
        (["1", "-7", "0"], "integer"),
        (["9223372036854775807", "-9223372036854775808"], "integer"),
        (["9223372036854775808"], "numeric(38,0)"),
        (["99999999999999999999999999999999999999"], "numeric(38,0)"),
        (["1", "2.5"], "numeric(38,1)"),
        (["0.1234567890123456789"], "numeric(38,19)"),
        (["12345678901234567890.123456789012345678"], "numeric(38,18)"),
        (["0.30000000000000004", "51.50735091234567"], "numeric(38,17)"),
        (["1.5e300", "2"], "double"),
        (["true", "false"], "boolean"),
    ],
)
def test_numbers_and_booleans_keep_every_digit(tmp_path: Path, values: list[str], label: str) -> None:
    staged = table(tmp_path, [f'{{"v": {value}}}'.encode() for value in values])

    assert sorted(staged.column("v")) == sorted(values)
    assert staged.types["v"] == label
    assert staged.warnings == {}


@pytest.mark.parametrize(
    "number",
    ["1" * 39, "-" + "7" * 60, "1e400", "1.5e-400", "1e-330", "1" * 25 + "." + "1" * 25, "4.9406564584124654e-324"],
)
def test_more_than_38_digits_become_text_and_are_counted(tmp_path: Path, number: str) -> None:
    staged = table(tmp_path, [f'{{"v": {number}}}'.encode(), b'{"v": 1}'])

    assert sorted(staged.column("v")) == sorted([number, "1"])
    assert staged.types["v"] == "text"
    assert staged.warnings == {("too_many_digits", "v"): 1}


@pytest.mark.parametrize(
    ("number", "plain"),
    [
        ("1e5", ["100000.0", "100000"]),
        ("1E+2", ["100.0", "100"]),
        ("1E-7", ["0.0000001"]),
        ("1.25e-7", ["0.000000125"]),
        ("1e22", ["10000000000000000000000"]),
        ("-2.5E10", ["-25000000000.0", "-25000000000"]),
        ("12345678901234567890e3", ["12345678901234567890000"]),
        ("4.2205881386377687e-22", ["0.00000000000000000000042205881386377687"]),
        ("-9.5e-37", ["-0.00000000000000000000000000000000000095"]),
        ("1e-38", ["0.00000000000000000000000000000000000001"]),
    ],
)
def test_powers_of_ten_are_written_out(tmp_path: Path, number: str, plain: list[str]) -> None:
    staged = table(tmp_path, [f'{{"v": {number}}}'.encode()])

    assert staged.only("v") in plain
    assert staged.types["v"].startswith("numeric")


SILENT = [
    "1e-400",
    "1E-400",
    "-1e-0400",
    "1.5e-320",
    "1e400",
    "-0.0",
    "0.0",
    "1234567890123456789e0",
    "1234567890123456789E2",
    "1000000000000000001e-15",
    "1000000000.00000001e-10",
    "12345678.12345678e-8",
    "0.10000000000000000001",
    "100000000000000000.1",
    "12345678901234567.5",
    "1234567.12345678901",
    "99999999.123456789",
    "-100000000000000000000000.5",
]


@pytest.mark.parametrize("number", SILENT)
@pytest.mark.parametrize(
    ("neighbour", "place"),
    [
        (b'{"v": 0.5, "id": 1}', "%s"),
        (b'{"v": "text", "id": 1}', "%s"),
        (b'{"v": [], "id": 1}', '[1,{"x":[ %s ]}]'),
        (b'{"id": 1}', '[{"x":%s ,"y":1}]'),
    ],
)
def test_no_number_changes_wherever_it_stands(tmp_path: Path, number: str, neighbour: bytes, place: str) -> None:
    line = f'{{"v": {place % number}, "id": 2}}'.encode()

    staged = table(tmp_path, [neighbour, line, neighbour])

    (value,) = (row["v"] for row in staged.rows if row["id"] == "2")
    assert _decimals(value or "") == _decimals(place % number)


def _decimals(text: str) -> object:
    return json.loads(text, parse_int=Decimal, parse_float=Decimal)


@pytest.mark.parametrize("text", ["3e4f-1e-412", "e-5", "5e3", "1e-400", "1e-400, 2e5,", "12345678.123456789, "])
def test_text_that_looks_like_a_number_needs_no_exact_path(tmp_path: Path, text: str) -> None:
    staged = table(tmp_path, [{"id": 1, "v": text, "n": 0.5}, {"id": 2, "v": "x", "n": 0.0}])

    assert set(staged.column("v")) == {text, "x"}
    assert set(staged.column("n")) == {"0.5", "0.0"}


@pytest.mark.parametrize(
    ("line", "value", "code", "count"),
    [
        (rb'{"id": 1, "v": "a\u0000b\u0000"}', "ab", "nul_removed", 2),
        (rb'{"id": 1, "v": "a\ud83d b"}', "a\ufffd b", "surrogate_replaced", 1),
        (rb'{"id": 1, "v": "\ude00\ud83d"}', "\ufffd\ufffd", "surrogate_replaced", 2),
        (rb'{"id": 1, "v": NaN}', None, "nan_to_null", 1),
        (rb'{"id": 1, "v": -Infinity}', None, "nan_to_null", 1),
        (rb'{"id": 1, "v": [1, NaN]}', "[1,null]", "nan_to_null", 1),
        (rb'{"id": 1, "v": 1, "v": "second"}', "second", "duplicate_key", 1),
    ],
)
def test_what_no_warehouse_can_hold_is_replaced_and_counted(
    tmp_path: Path, line: bytes, value: str | None, code: str, count: int
) -> None:
    staged = table(tmp_path, [line])

    assert staged.only("v") == value
    assert staged.warnings == {(code, "v"): count}
    assert staged.part.exact


def test_a_key_that_comes_twice_inside_of_json_text_is_counted(tmp_path: Path) -> None:
    staged = table(tmp_path, [b'{"v": [{"x": 1, "x": 2}]}', b'{"v": [{"x": 3}]}'])

    assert sorted(staged.column("v")) == ['[{"x":2}]', '[{"x":3}]']
    assert staged.warnings == {("duplicate_key", "x"): 1}


@pytest.mark.parametrize("value", [b"nan", b"[-inf]", b"[" * 200 + b"]" * 200, b"[1,]"])
def test_what_is_no_json_is_rejected_wherever_in_a_spool_it_stands(tmp_path: Path, value: bytes) -> None:
    staged = table(tmp_path, [*({"id": n, "v": [1]} for n in range(400)), b'{"id": 400, "v": ' + value + b"}"])

    assert (staged.part.rows, staged.part.rejected) == (400, 1)


@pytest.mark.parametrize("word", ["-Infinity", "-inf", "NaN", "Infinity"])
@pytest.mark.parametrize("ends", [("-5", "3"), ("-5.5", "-1"), ("0.5", "7"), ('"a"', '"z"'), ("false", "true")])
def test_what_is_no_number_is_seen_among_others(tmp_path: Path, word: str, ends: tuple[str, str]) -> None:
    staged = table(tmp_path, [f'{{"v": {value}}}'.encode() for value in (ends[0], word, ends[1])])

    kept = [json.loads(end) for end in ends]
    values = [value for value in staged.column("v") if value is not None]
    assert sorted(values) == sorted(end if isinstance(end, str) else json.dumps(end) for end in kept)
    assert staged.warnings in ({("nan_to_null", "v"): 1}, {("bad_json", ""): 1})


@pytest.mark.parametrize("odd", ['{"x": 1, "x": 2}', '[{"x": 1, "x": 2}]'])
@pytest.mark.parametrize("ends", [("a", "z"), ("", "~"), ("{", "|"), ("[", "{}")])
def test_an_object_among_strings_keeps_one_value_of_a_doubled_key(
    tmp_path: Path, odd: str, ends: tuple[str, str]
) -> None:
    lines = [json.dumps({"v": end}).encode() for end in ends]

    staged = table(tmp_path, [lines[0], f'{{"v": {odd}}}'.encode(), lines[1]])

    assert sorted(staged.column("v")) == sorted([*ends, odd.replace(" ", "").replace('"x":1,', "")])
    mixed = {("mixed_kinds", "v"): 2} if odd[0] == "{" else {}
    assert staged.warnings == {("duplicate_key", "x"): 1} | mixed


def test_escaped_emoji_and_long_ids_stay_on_the_fast_path(tmp_path: Path) -> None:
    records = [
        {"id": 123456789012345678 + n, "v": "😀", "at": 1700000000.123456, "where": 51.50735091234567, "n": "NaN"}
        for n in range(50)
    ]

    staged = table(tmp_path, [json.dumps(record).encode() for record in records])

    assert not staged.part.exact
    assert set(staged.column("v")) == {"😀"}
    assert set(staged.column("where")) == {"51.50735091234567"}
    assert set(staged.column("n")) == {"NaN"}


def test_strings_that_look_like_other_things_stay_as_given(tmp_path: Path) -> None:
    values = ["007", "true", "1", "Y", "1e5", " 5", "null", "2024-1-1"]

    staged = table(tmp_path, [{"v": value} for value in values])

    assert sorted(staged.column("v")) == sorted(values)
    assert staged.types["v"] == "text"


def test_mixed_kinds_become_text_with_nothing_lost(tmp_path: Path) -> None:
    staged = table(tmp_path, [{"v": value} for value in (1, 2.5, "x", True, [1, 2], {"a": 1}, None)])

    assert set(staged.column("v")) == {"1", "2.5", "x", "true", "[1,2]", '{"a":1}', None}
    assert staged.types == {"v": "text", "v.a": "integer"}
    assert staged.warnings == {("mixed_kinds", "v"): 5}


def test_a_string_that_comes_late_among_numbers_is_kept(tmp_path: Path) -> None:
    staged = table(tmp_path, [{"v": n} for n in range(2000)] + [{"v": "n/a"}])

    assert set(staged.column("v")) == {*map(str, range(2000)), "n/a"}
    assert staged.types["v"] == "text"


@pytest.mark.parametrize(
    ("values", "label"),
    [
        (["2024-01-31", "0001-01-01", "9999-12-31"], "date"),
        (["2024-02-30"], "text"),
        (["2024-01-31", "2024-01-31T10:00:00Z"], "timestamp"),
        (["2024-01-31T10:00:00", "2024-01-31 10:00:00.123456+05:30", "2024-01-31T23:59:59-0800"], "timestamp"),
        (["2024-01-31T24:00:00Z"], "text"),
        (["2024-01-31T10:00:60Z"], "text"),
        (["2024-01-31T10:00:00.1234567Z"], "text"),
        (["2024-01-31T10:00Z"], "text"),
        (["0000-01-31"], "text"),
        (["10000-01-31T00:00:00Z"], "text"),
        (["9999-12-31T23:00:00-05:00"], "text"),
        (["2024-01-31T10:00:00Z", "2024-06-31T10:00:00Z"], "text"),
        (["2024-01-01T10:00:00Z", "2024-01-31T24:00:00Z", "2024-12-31T10:00:00Z"], "text"),
        (["2024-01-01T10:00:00Z", "2024-01-31T23:59:60Z", "2024-12-31T10:00:00Z"], "text"),
        (["2024-01-01T10:00:00Z", "2024-02-30T10:00:00Z", "2024-12-31T10:00:00Z"], "text"),
        (["2024-01-01T10:00:00Z", "2024-01-31t10:00:00Z", "2024-12-31T10:00:00Z"], "text"),
        (["2024-01-01T10:00:00Z", "2024-01-31T10:00:1.Z", "2024-12-31T10:00:00Z"], "text"),
        (["1000-01-01T10:00:00Z", "10000-01-31T10:00:00Z", "2024-12-31T10:00:00Z"], "text"),
        (["2024-01-01T10:00:00Z", "2024-01-31T10:00:00.5+02:00", "2024-12-31T10:00:00Z"], "timestamp"),
        (["0001-01-01T00:00:00Z", "2024-02-29T10:00:00Z", "9999-12-31T23:59:59Z"], "timestamp"),
        (["2024-01-31", "", "2024-02-01"], "text"),
        (["2024-01-31", "today"], "text"),
        (["2024-01-31", 5], "text"),
    ],
)
def test_dates_and_times_are_strict_and_keep_their_spelling(tmp_path: Path, values: list[object], label: str) -> None:
    staged = table(tmp_path, [{"v": value} for value in [*values, None]])

    assert staged.types["v"] == label
    assert sorted(value for value in staged.column("v") if value is not None) == sorted(map(str, values))


@pytest.mark.parametrize(
    ("word", "values", "staged_as", "label"),
    [
        ("text", [1, 2], ["1", "2"], "text"),
        ("numeric(10,2)", ["12.50", "3"], ["12.50", "3"], "numeric(38,2)"),
        ("integer", ["007", "12"], ["007", "12"], "integer"),
        ("double", [0.1, 2.5], ["0.1", "2.5"], "double"),
        ("boolean", [1, 0], ["false", "true"], "boolean"),
        ("boolean", ["True", "false"], ["false", "true"], "boolean"),
        ("timestamp", [0, 1700000000], ["1970-01-01T00:00:00.000000Z", "2023-11-14T22:13:20.000000Z"], "timestamp"),
        ("timestamp", [1700000000123], ["2023-11-14T22:13:20.123000Z"], "timestamp"),
        ("json", ['{"a": 1}'], ['{"a": 1}'], "json"),
    ],
)
def test_a_declared_type_stands_where_all_values_fit(
    tmp_path: Path, word: str, values: list[object], staged_as: list[str], label: str
) -> None:
    staged = table(tmp_path, [{"v": value} for value in values], types={"v": word})

    assert sorted(staged.column("v")) == staged_as
    assert staged.types["v"] == label
    assert staged.warnings == {}


@pytest.mark.parametrize(
    ("word", "values", "label"),
    [
        ("integer", ["12", "x"], "text"),
        ("integer", [1, 2.5], "numeric(38,1)"),
        ("date", ["2024-01-01T00:00:00Z"], "timestamp"),
        ("boolean", [1, 2], "integer"),
        ("timestamp", [10**15], "integer"),
    ],
)
def test_a_declared_type_that_does_not_fit_gives_way_and_says_so(
    tmp_path: Path, word: str, values: list[object], label: str
) -> None:
    staged = table(tmp_path, [{"v": value} for value in values], types={"v": word})

    assert sorted(staged.column("v")) == sorted(map(str, values))
    assert staged.types["v"] == label
    assert staged.warnings == {("declared_type", "v"): 1}
