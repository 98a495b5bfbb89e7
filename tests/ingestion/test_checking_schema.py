"""Schemas: what is understood, what is refused and where, and the columns that follow."""

from typing import Any

import pytest

from ingestion.checking import SchemaProblem, compile_schema
from ingestion.checking.patterns import compile_pattern


def problems_of(schema: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(SchemaProblem) as caught:
        compile_schema(schema)
    return dict(caught.value.problems)


def types_of(schema: dict[str, Any], depth: int = 3) -> dict[str, str]:
    return {column.source: column.type.label for column in compile_schema(schema).columns(depth)}


def test_columns_have_the_types_that_the_schema_says() -> None:
    schema = {
        "type": "object",
        "properties": {
            "count": {"type": "integer"},
            "price": {"type": "number"},
            "day": {"type": "string", "format": "date"},
            "at": {"type": ["string", "null"], "format": "date-time"},
            "ok": {"type": "boolean"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "free": {},
            "where": {"properties": {"city": {"type": "string"}}},
        },
    }

    assert types_of(schema) == {
        "count": "integer",
        "price": "double",
        "day": "date",
        "at": "timestamp",
        "ok": "boolean",
        "tags": "json",
        "free": "null",
        "where.city": "text",
    }


def test_xdm_types_come_before_json_types() -> None:
    fields = {
        "b": {"type": "integer", "meta:xdmType": "byte"},
        "l": {"type": "integer", "meta:xdmType": "long"},
        "d": {"type": "string", "meta:xdmType": "date"},
        "m": {"type": "object", "meta:xdmType": "map", "additionalProperties": {"type": "string"}},
    }

    assert types_of({"type": "object", "properties": fields, "meta:class": "x", "title": "y"}) == {
        "b": "integer",
        "l": "integer",
        "d": "date",
        "m": "json",
    }


def test_references_and_all_of_become_one() -> None:
    schema = {
        "$defs": {"base": {"properties": {"id": {"type": "integer", "minimum": 1}}, "required": ["id"]}},
        "allOf": [{"$ref": "#/$defs/base"}, {"properties": {"id": {"maximum": 9}, "name": {"type": "string"}}}],
    }

    root = compile_schema(schema).root

    assert root.required == {"id"}
    assert (root.fields["id"].constraints.minimum, root.fields["id"].constraints.maximum) == (1, 9)
    assert set(root.fields) == {"id", "name"}


@pytest.mark.parametrize(
    "reference", ["#/allOf/0/properties/a", "#/$defs/a%20b", "#/$defs/a b", "#/$defs/x~1y", "#/$defs/50%"]
)
def test_a_reference_may_lead_through_lists_and_percent_signs(reference: str) -> None:
    whole = {"type": "integer"}
    schema = {
        "$defs": {"a b": whole, "x/y": whole, "50%": whole},
        "allOf": [{"properties": {"a": whole}}],
        "properties": {"z": {"$ref": reference}},
    }

    assert types_of(schema)["z"] == "integer"


@pytest.mark.parametrize("reference", ["#a", "#/allOf/1", "#/allOf/-1", "#/allOf/x", "other.json#/a"])
def test_a_reference_to_nothing_is_told_where_it_stands(reference: str) -> None:
    problems = problems_of({"$defs": {"a": {"$anchor": "a"}}, "allOf": [{}], "properties": {"z": {"$ref": reference}}})

    assert list(problems) == ["/properties/z"]


def test_or_null_is_understood() -> None:
    field = {"anyOf": [{"type": "integer"}, {"type": "null"}]}

    assert types_of({"properties": {"a": field}}) == {"a": "integer"}


def test_objects_beyond_the_depth_are_one_column() -> None:
    schema = {"properties": {"a": {"properties": {"b": {"properties": {"c": {"type": "string"}}}}}}}

    assert types_of(schema, 2) == {"a.b": "json"}
    assert types_of(schema, 3) == {"a.b.c": "text"}


def test_every_problem_is_told_with_its_path() -> None:
    found = problems_of(
        {
            "type": "object",
            "properties": {
                "a": {"type": "string", "pattern": "("},
                "b": {"not": {"type": "string"}},
                "c": {"$ref": "#/nowhere"},
                "d": {"$ref": "http://elsewhere/schema"},
                "e": {"meta:xdmType": "colour"},
                "f": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
            },
        }
    )

    assert set(found) == {
        "/properties/a/pattern",
        "/properties/b/not",
        "/properties/c",
        "/properties/d",
        "/properties/e/meta:xdmType",
        "/properties/f",
    }


def test_what_is_no_schema_is_told_by_the_meta_schema() -> None:
    assert "/properties/a/type" in problems_of({"properties": {"a": {"type": "colour"}}})


def test_records_must_be_objects() -> None:
    assert "/type" in problems_of({"type": "array"})


def test_a_schema_that_refers_to_itself_is_refused() -> None:
    found = problems_of({"properties": {"child": {"$ref": "#"}}})

    assert any("refers to itself" in text for text in found.values())


def test_a_circle_of_references_is_refused() -> None:
    assert problems_of({"$defs": {"a": {"$ref": "#/$defs/a"}}, "properties": {"x": {"$ref": "#/$defs/a"}}})


@pytest.mark.parametrize("pattern", ["^(a+)+$", "(a|a)*b", "^(([a-z])+.)+[A-Z]([a-z])+$"])
def test_a_pattern_that_would_never_end_elsewhere_is_answered_at_once(pattern: str) -> None:
    assert not compile_pattern(pattern).search("a" * 20_000 + "!")


@pytest.mark.parametrize("pattern", [r"(?=a)b", r"(a)\1", "(?<!a)b"])
def test_a_pattern_that_no_engine_answers_in_bounded_time_is_refused(pattern: str) -> None:
    told = problems_of({"type": "object", "properties": {"a": {"type": "string", "pattern": pattern}}})

    assert "look-around and references back are not available" in told["/properties/a/pattern"]


def test_the_end_of_a_pattern_is_the_end_of_the_text() -> None:
    assert compile_pattern("^[0-9]+$").search("12")
    assert not compile_pattern("^[0-9]+$").search("12\n")
    assert not compile_pattern(r"^\d$").search("٣")
