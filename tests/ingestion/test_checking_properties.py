"""Both ways through a file say the same: the judge alone for small ones, filter and judge for large ones."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingestion.checking import jsonfile, spools
from ingestion.checking.base import CheckReport
from tests.ingestion.checking_kit import checked
from tests.ingestion.parts_kit import Table
from tests.ingestion.test_convert_properties import RECORDS, _read_loosely, _same, _sorted

QUICK = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
SCHEMA = {
    "type": "object",
    "required": ["id"],
    "properties": {
        "id": {"type": "integer", "minimum": -5, "maximum": 10**12},
        "small": {"type": "integer", "meta:xdmType": "byte"},
        "number": {"type": "number", "exclusiveMinimum": -1.5, "maximum": 0.1},
        "flag": {"type": "boolean"},
        "name": {"type": "string", "minLength": 1, "maxLength": 5},
        "word": {"type": "string", "enum": ["one", "two", "true", "3"]},
        "code": {"type": "string", "pattern": "^[a-z]+[0-9]$"},
        "mail": {"type": "string", "format": "email"},
        "at": {"type": "string", "format": "date-time"},
        "day": {"type": "string", "format": "date"},
        "inner": {
            "type": "object",
            "required": ["a"],
            "additionalProperties": False,
            "properties": {"a": {"type": "string"}, "b": {"type": "integer"}},
        },
        "tags": {"type": "array", "maxItems": 3, "items": {"type": "string"}},
        "sizes": {"type": "array", "items": {"type": "integer"}},
        "map": {"type": "object", "meta:xdmType": "map", "additionalProperties": {"type": "integer"}},
        "named": {
            "type": "object",
            "meta:xdmType": "map",
            "additionalProperties": {"type": "integer"},
            "properties": {"a": {"type": "string", "maxLength": 1}},
        },
        "any": {"type": ["string", "integer", "null"]},
    },
}
TEXTS = st.one_of(
    st.sampled_from(
        [
            "",
            "a",
            "true",
            "false",
            "3",
            "007",
            "-1",
            "1.50",
            "1e3",
            "NaN",
            "[1]",
            '{"a":1}',
            "one",
            "a1",
            "a1\n",
            "x@y.z",
            "2024-01-31",
            "2024-02-30",
            "0000-01-01",
            "10000-01-01",
            "2024-01-31T10:00:00Z",
            "2024-01-31T24:00:00Z",
            "2024-01-31T10:00:00.123456789+02:00",
            "2024-01-31 10:00:00",
            "9999-12-31T23:00:00-05:00",
            "éé",
            "😀😀",
            "1531263959000",
            "\\N",
            '"',
            "0.1",
            "0.10000000000000000001",
            "abcdef",
        ]
    ),
    st.text(max_size=6),
)
NUMBERS = st.sampled_from(
    [
        "0",
        "-0",
        "1",
        "-6",
        "127",
        "128",
        "1.0",
        "1.5",
        "0.1",
        "0.10000000000000000001",
        "1e2",
        "1e400",
        "1e-400",
        "-1.5",
        "9223372036854775807",
        "9223372036854775808",
        "1531263959000",
        "1E3",
        "100000000000000000000",
    ]
)
SCALARS = st.one_of(st.just("null"), st.sampled_from(["true", "false"]), NUMBERS, TEXTS.map(json.dumps))
VALUES = st.one_of(
    SCALARS,
    st.lists(SCALARS, max_size=4).map(lambda items: "[" + ",".join(items) + "]"),
    st.dictionaries(st.sampled_from("abx"), SCALARS, max_size=2).map(
        lambda pairs: "{" + ",".join(f"{json.dumps(key)}:{value}" for key, value in pairs.items()) + "}"
    ),
)
GOOD: dict[str, Any] = {
    "id": NUMBERS,
    "small": st.sampled_from(["1", "-128", '"5"', "1.0"]),
    "number": st.sampled_from(["0.05", "0.1", "-1.4", '"0.01"', "1e-7"]),
    "flag": st.sampled_from(["true", "false"]),
    "name": st.sampled_from(['"abc"', "5", "1.50", '"😀😀"']),
    "word": st.sampled_from(['"one"', '"3"', '"true"', "true", "3"]),
    "code": st.sampled_from(['"a1"', '"a1\\n"', '"abc9"']),
    "mail": st.sampled_from(['"x@y.z"', '"x"', '"a@b"']),
    "at": st.sampled_from(['"2024-01-31T10:00:00Z"', "1531263959000", '"2024-01-31T10:00:00.123+02:00"']),
    "day": st.sampled_from(['"2024-01-31"', "1531263959000"]),
    "inner": st.sampled_from(['{"a":"x"}', '{"a":"x","b":1}', "{}", '{"b":1}', '{"a":1,"c":null}', '{"a":"x","c":1}']),
    "tags": st.sampled_from(["[]", '["a"]', '["a","b","c","d"]', '["a",1]', "[null]", '["\\"]"]', '"x"']),
    "sizes": st.sampled_from(["[1,2]", "[1.0]", '["1"]', "[]", "[9223372036854775808]"]),
    "map": st.sampled_from(["{}", '{"k":1}', '{"k":"x"}', "[]"]),
    "named": st.sampled_from(["{}", '{"k":1}', '{"a":"x"}', '{"a":1,"k":1}', '{"a":"xy"}', '{"k":"x"}', '{"a":null}']),
    "any": st.sampled_from(['"x"', "1", "true", "null", "1.5"]),
    "extra": st.sampled_from(['"x"', "1", "true", "1.5"]),
}
RECORD = st.one_of(
    st.fixed_dictionaries({}, optional=GOOD),
    st.dictionaries(st.sampled_from(sorted(GOOD)), VALUES, max_size=6),
    st.fixed_dictionaries({"id": st.just("1")}, optional={key: kind for key, kind in GOOD.items() if key != "id"}),
).map(lambda pairs: "{" + ",".join(f"{json.dumps(key)}:{value}" for key, value in pairs.items()) + "}")
LINES = st.lists(
    st.one_of(RECORD, RECORD, RECORD, st.sampled_from(["oops", "[1]", '{"id":NaN}', "3"])), min_size=1, max_size=8
)


def both(lines: list[str], **told: Any) -> tuple[CheckReport, CheckReport, list[Table], list[Table]]:
    """The reports and tables of the small and of the large way."""
    made = []
    for small in (1 << 30, 0):
        with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
            patch.setattr(jsonfile, "SMALL", small)
            patch.setattr(spools, "MOST_FLAGGED", 2)  # the filter is used however much it flags
            report = checked(Path(folder), [line.encode("utf-8", "replace") for line in lines], **told)
            made.append((report, [Table(part) for part in report.parts]))
    return made[0][0], made[1][0], made[0][1], made[1][1]


def _group(kind: str) -> str:
    """The engine writes some numbers with a point that have none at the source: 0E0 is 0.0 there."""
    return "number" if kind.startswith(("integer", "numeric")) else kind


def same_tables(one: list[Table], other: list[Table]) -> None:
    assert len(one) == len(other)
    for left, right in zip(one, other, strict=True):
        assert {source: _group(kind) for source, kind in left.types.items()} == {
            source: _group(kind) for source, kind in right.types.items()
        }
        for source in left.types:
            for a, b in zip(_sorted(left.column(source)), _sorted(right.column(source)), strict=True):
                assert a == b or _same(a, _read_loosely(b))


@QUICK
@given(LINES)
def test_judge_and_filter_agree(lines: list[str]) -> None:
    small, large, left, right = both(lines, schema=SCHEMA)

    assert [(e.code, e.text, e.count, e.rows) for e in small.errors] == [
        (e.code, e.text, e.count, e.rows) for e in large.errors
    ]
    assert (small.read, small.bad, small.problem) == (large.read, large.bad, large.problem)
    same_tables(left, right)


@QUICK
@given(RECORDS)
def test_without_a_schema_both_ways_stage_the_same(lines: list[str]) -> None:
    small, large, left, right = both(lines)

    assert (small.read, small.bad) == (large.read, large.bad)
    same_tables(left, right)
