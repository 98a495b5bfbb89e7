"""Conditions with `property=` and tags, and whatever else a query string may hold."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.ingestion import catalog_kit as make

pytestmark = pytest.mark.django_db


@pytest.fixture
def program():
    return make.asker()


@pytest.fixture
def batches():
    """By name: `one` is tagged, has failed rows and a successor; `two` has none of it; `three` is loading."""
    successor = make.batch(created_user="successor")
    one = make.batch(
        created_user="anna.one",
        version=3,
        tags={"team": ["sales", "north"], "a.b": ["dotted"], "unifiedProfile": ["enabled:true"]},
        successor=successor,
        diagnostics=True,
        error_percent=5,
    )
    two = make.batch(created_user="bert+two", rejected_count=0, input_format={"format": "parquet"})
    three = make.batch(status="loading", created_user="", tags={"team": ["sales, north"]})
    return {"successor": successor, "one": one, "two": two, "three": three}


def found(program, batches, **query):
    names = {batch.public_id: name for name, batch in batches.items()}
    return " ".join(sorted(names[each] for each in program.ids(**query)))


@pytest.mark.parametrize(
    ("condition", "names"),
    [
        ("metrics", "one successor two"),
        ("!metrics", "three"),
        ("metrics.failedRecordCount>0", "one successor"),
        ("metrics.failedRecordCount==0", "two"),
        ("metrics.inputRecordCount>=10", "one successor two"),
        ("metrics.inputRecordCount<10", ""),
        ("metrics.failedRecordCount!=1", "three two"),
        ("createdUser~^anna", "one"),
        ("createdUser~r+w", ""),
        (r"createdUser~t\+two$", "two"),
        ("createdUser~^(a", None),
        ("createdUser~[", None),
        ("createdUser~(a+)+$", None),
        ("createdUser~a{1,1000}", None),
        ("createdUser~a*a*a*a*a*b", None),
        ("created~1", None),
        ("createdUser", "one successor two"),
        ("!createdUser", "three"),
        ("createdUser==anna.one", "one"),
        ('createdUser=="anna.one"', "one"),
        ("createdUser=anna.one", "one"),
        ("createdUser!=anna.one", "successor three two"),
        ("createdUser>b", "successor two"),
        ("version>1.0.2", "one"),
        ("version<1.0.3", "successor three two"),
        ("version>=0.9", "one successor three two"),
        ("version<2.0.0", "one successor three two"),
        ("version>2", ""),
        ("version==x", None),
        ("inputFormat.format==parquet", "two"),
        ("inputFormat.format!=parquet", "one successor three"),
        ("inputFormat.isMultiLineJson==false", "one successor three"),
        ("!inputFormat.isMultiLineJson", "two"),
        ("tags.team", "one three"),
        ("!tags.team", "successor two"),
        ("tags.team==sales", "one"),
        ("tags.team==north", "one"),
        ("tags.team==sal", ""),
        ("tags.a.b==dotted", "one"),
        ("tags.acp_successor", "one"),
        ("tags.acp_enableErrorDiagnostics==true", "one"),
        ("tags.acp_partialIngestionPercent==5", "one"),
        ("tags.7", ""),
        ("created*~x", ""),
        ("createdU*==anna.one", "one"),
        ("!createdU*", "three"),
        ("cre**ated", ""),
        ("status==active", "one successor two"),
        ("status>a", None),
        ("nothing", ""),
        ("!nothing", "one successor three two"),
        ("nothing==1", ""),
        ("nothing!=1", "one successor three two"),
        ("imsOrg==default", "one successor three two"),
        ("imsOrg!=default", ""),
        ("sandboxId==prod", "one successor three two"),
        ("", None),
        ("!", None),
        ("==x", None),
        ("errors.0.code==106", None),
    ],
)
def test_a_condition_finds_what_it_says(program, batches, condition, names):
    if names is None:
        assert program.refused("/batches", property=condition)
    else:
        assert found(program, batches, property=condition) == " ".join(sorted(names.split()))


@pytest.mark.parametrize(
    ("tags", "names"),
    [
        ("team:sales", "one"),
        ("team:sal*", "one three"),
        ("team:*", "one three"),
        ("team", "one three"),
        ("team:north,unifiedProfile:*", "one"),
        ("team:north,other:*", ""),
        ("unifiedProfile:enabled:true", "one"),
        ("team:nor.h", ""),
        ("a.b:dotted", "one"),
        ("7:x", ""),
        (":x", None),
        ('te"am:x', None),
    ],
)
def test_tags_are_found_with_wildcards_at_their_end(program, batches, tags, names):
    if names is None:
        assert program.refused("/batches", tags=tags)
    else:
        assert found(program, batches, tags=tags) == names


def test_the_dataset_is_found_as_a_related_object(program, batches):
    one = batches["one"].dataset.public_id

    assert found(program, batches, property=f"relatedObjects.*.id=={one}") == "one"


def test_two_conditions_must_both_hold(program, batches):
    query = {"property": ["metrics.failedRecordCount>0", "tags.team"]}

    assert found(program, batches, **query) == "one"


def test_texts_of_other_tongues_are_found(program):
    batch = make.batch(tags={"städt": ["Zürich", '"quoted"']}, created_user="zoë")

    assert program.ids(tags="städt:Zü*") == [batch.public_id]
    assert program.ids(tags='städt:"quoted"') == [batch.public_id]
    assert program.ids(createdUser="zoë") == [batch.public_id]


PAGING = ("limit", "start", "offset", "orderBy", "sort", "properties", "property")
TIMES = ("created", "createdAfter", "startAfter", "endBefore")
OTHERS = ("version", "status", "size", "tags", "recordCount", "batch", "dataSet", "externalId", "createdUser")
NAMES = st.sampled_from((*PAGING, *TIMES, *OTHERS))
NASTY = ("\0", "9" * 30, "-1", "\ud800", "!", ",", "a\0b", "%00", "∞", "1e400", "[", "*", "**", "{}", "\\")
TEXTS = st.one_of(
    st.text(max_size=30),
    st.sampled_from(NASTY),
    st.builds("{}{}{}".format, st.sampled_from(["created", "tags.a", "size", "x*", "version", "metrics.x", "replay.a"]),
              st.sampled_from(["==", "~", "<", ">=", "!=", "="]), st.text(max_size=12)),
)  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=st.dictionaries(NAMES, TEXTS, max_size=4), path=st.sampled_from(["/batches", "/dataSets", "/lastBatches"]))
def test_no_query_is_answered_with_a_fault_of_ours(program, query, path):
    safe = {name: value.encode("utf-8", "surrogatepass").decode("latin-1") for name, value in query.items()}

    answer = program.get(path, **safe)

    assert answer.status_code in (200, 400), (query, answer.content)
    assert answer.headers["Content-Type"] == "application/json"
    assert isinstance(answer.json(), dict)


@pytest.mark.parametrize(
    "raw", ["%00", "%ED%A0%80", "%FF", "a%00b", "../..", "%2e%2e", "9" * 300, "%F0%9F%98%80", "'--"]
)
@pytest.mark.parametrize("path", ["/batches/", "/dataSets/", "/dataSetFiles/", "/dataSetView/", "/batches/uniques/"])
def test_no_id_is_answered_with_a_fault_of_ours(program, path, raw):
    answer = program.http.get(f"{make.CATALOG}{path}{raw}", headers=program.headers)

    assert answer.status_code in (400, 404)
    assert answer.json()["detail"]


def test_an_address_that_is_too_long_is_refused(program):
    assert program.get("/batches", tags="x" * 2000).status_code == 414


def test_too_many_conditions_are_refused(program):
    assert program.refused("/batches", property=["a"] * 51)
