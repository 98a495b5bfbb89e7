"""Types, names and agreements: pure values, so mostly laws."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.blueprint.columns import Blueprint, Column
from ingestion.blueprint.merge import MOST_COLUMNS, agree, relabel
from ingestion.blueprint.names import RESERVED, assign, fold
from ingestion.blueprint.paths import OURS, join_path, split_path
from ingestion.blueprint.types import BOOLEAN, DATE, DECLARED, JSON, NULL, TEXT, TIMESTAMP, Type, fits, join, number

INT = Type("integer", 3, 0, 3)
DEC = Type("numeric", 3, 2, 5)
NUMBERS = st.builds(
    lambda whole, scale, digits, small: number(
        whole=whole, scale=scale, digits=min(digits, whole + scale), fits_64_bits=small and whole < 19
    ),
    st.integers(0, 330),
    st.integers(0, 60),
    st.integers(1, 60),
    st.booleans(),
)
TYPES = st.one_of(st.sampled_from([NULL, BOOLEAN, DATE, TIMESTAMP, JSON, TEXT, *DECLARED.values()]), NUMBERS)


@given(TYPES, TYPES)
def test_joining_is_commutative(one: Type, other: Type) -> None:
    assert join(one, other) == join(other, one)


@given(TYPES, TYPES, TYPES)
def test_joining_is_associative(a: Type, b: Type, c: Type) -> None:
    assert join(join(a, b), c) == join(a, join(b, c))


@given(TYPES, TYPES)
def test_joining_is_idempotent_and_only_widens(one: Type, other: Type) -> None:
    joined = join(one, other)

    assert join(one, one) == one
    assert join(joined, one) == joined == join(joined, other)


@given(TYPES)
def test_a_type_survives_being_written_down(kind: Type) -> None:
    assert Type.parse(str(kind)) == kind


@pytest.mark.parametrize(
    "word", ["", "int", "numeric(39,1)", "numeric(4,5)", "numeric(a)", "integer(1)", "numeric(1,2,3,4)"]
)
def test_an_unknown_type_is_refused_with_advice(word: str) -> None:
    with pytest.raises(ValueError, match="type"):
        Type.parse(word)


def test_declared_numerics_have_their_precision_and_scale() -> None:
    assert Type.parse("numeric(10,2)") == Type("numeric", 8, 2, 10)
    assert Type.parse("numeric(10)").label == "numeric(38,0)"
    assert fits(DEC, Type.parse("numeric(10,2)"))
    assert not fits(DEC, Type.parse("numeric(4,2)"))
    assert fits(Type("numeric", 20, 18, 38), Type.parse("double"))
    assert not fits(TEXT, Type.parse("double"))


@given(st.lists(st.text(max_size=5), min_size=1, max_size=4))
def test_paths_are_read_back_as_the_keys_they_were(keys: list[str]) -> None:
    path = join_path(keys)

    assert split_path(path) == tuple(keys)
    assert path not in OURS


@given(st.lists(st.lists(st.text(max_size=70), min_size=1, max_size=3).map(join_path), max_size=12, unique=True))
def test_names_are_legal_unique_and_do_not_depend_on_order(sources: list[str]) -> None:
    names = assign(sources)

    assert assign(reversed(sources)) == names
    assert len(set(names.values())) == len(sources)
    for name in names.values():
        assert re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", name)
        assert name not in RESERVED


def test_plain_names_stay_plain_and_odd_ones_get_a_stable_tail() -> None:
    names = assign(
        ["id", "carrier.code", "First Name", "Id", "select", "日本", "x" * 70, "_parent_id", join_path(["_part"])]
    )

    assert names["id"] == "id"
    assert names["carrier.code"] == "carrier__code"
    assert names["First Name"] == "first_name"
    assert names["_parent_id"] == "_parent_id"
    assert re.fullmatch(r"id_[0-9a-f]{6}", names["Id"])
    assert re.fullmatch(r"select_[0-9a-f]{6}", names["select"])
    assert re.fullmatch(r"field_[0-9a-f]{6}", names["日本"])
    assert len(names["x" * 70]) == 63
    assert names["\\_part"] not in OURS


def test_columns_that_tables_have_unseen_are_no_ones_names() -> None:
    unseen = ["ctid", "xmin", "xmax", "cmin", "cmax", "tableoid", "rowid", "_staged_row"]

    assert not set(assign(unseen).values()) & set(unseen)


def test_tables_are_named_alike() -> None:
    assert fold("Survey Responses") == "survey_responses"
    assert fold("user") != "user"


def column(source: str, kind: Type) -> Column:
    return Column(name=assign([source])[source], source=source, type=kind)


def test_new_columns_follow_the_known_ones_in_order_of_appearance() -> None:
    current = Blueprint((column("b", INT), column("a", TEXT)))

    agreement = agree(
        current, [("t1", [column("c", TEXT), column("a", TEXT)]), ("t2", [column("d", INT), column("c", NULL)])]
    )

    assert agreement.blueprint.names == ("b", "a", "c", "d")
    assert [(change.kind, change.column, change.by) for change in agreement.changes] == [
        ("missing", "b", ()),
        ("added", "c", ("t1", "t2")),
        ("added", "d", ("t2",)),
    ]


def test_widening_names_the_tasks_that_asked_for_it() -> None:
    current = Blueprint((column("a", INT),))

    agreement = agree(current, [("t1", [column("a", INT)]), ("t2", [column("a", DEC)])])

    (change,) = agreement.changes
    assert (change.kind, change.before, change.after, change.by) == ("widened", "integer", "numeric(38,2)", ("t2",))


def test_a_field_keeps_its_name_over_runs() -> None:
    first = agree(Blueprint(), [("t", [column("Id", INT)])]).blueprint
    second = agree(first, [("t", [column("id", INT), column("Id", INT)])]).blueprint

    assert second.by_source()["Id"].name == "id"
    assert second.by_source()["id"].name != "id"
    assert [c.name for c in relabel([column("Id", INT)], second)] == ["id"]


def test_agreeing_again_changes_nothing() -> None:
    observed = [("t", [column("a", DEC), column("b", NULL)])]
    first = agree(Blueprint(), observed).blueprint

    assert agree(first, observed) == agree(first, [])
    assert agree(first, observed).changes == ()


def test_frozen_columns_make_changes_problems() -> None:
    current = Blueprint((column("a", INT),))

    agreement = agree(current, [("t1", [column("a", TEXT), column("b", INT), column("c", NULL)])], policy="freeze")

    assert agreement.blueprint == current
    assert agreement.problems == (
        "column a would change from integer to text (seen by t1)",
        "column b of type integer is new (seen by t1)",
    )


def test_unknown_columns_are_discarded_where_the_policy_says_so() -> None:
    current = Blueprint((column("a", INT),))

    agreement = agree(current, [("t1", [column("a", DEC), column("b", INT)])], policy="discard_columns")

    assert agreement.blueprint.names == ("a",)
    assert agreement.blueprint.columns[0].type.kind == "numeric"
    assert [(change.kind, change.column) for change in agreement.changes] == [("widened", "a"), ("discarded", "b")]
    assert agreement.problems == ()


def test_a_declared_type_stands_while_it_fits() -> None:
    fitting = agree(Blueprint(), [("t", [column("a", INT)])], declared={"a": "numeric(10,2)"})
    not_fitting = agree(Blueprint(), [("t", [column("a", TEXT)])], declared={"a": "numeric(10,2)"})

    assert fitting.blueprint.columns[0].type == Type("numeric", 8, 2, 10)
    assert not_fitting.blueprint.columns[0].type == TEXT


def test_too_many_columns_are_a_problem_before_the_load() -> None:
    columns = [column(f"c{n}", INT) for n in range(MOST_COLUMNS + 1)]

    assert agree(Blueprint(), [("t", columns[:-1])]).problems == ()
    assert "depth" in agree(Blueprint(), [("t", columns)]).problems[0]


def test_an_unknown_policy_is_refused() -> None:
    with pytest.raises(ValueError, match="policy"):
        agree(Blueprint(), [], policy="strict")
