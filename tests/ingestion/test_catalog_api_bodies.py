"""Bodies of every shape, sent to whatever takes one: something is made, or refused with a reason; we never fail."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingestion.models import Dataset
from tests.ingestion import catalog_kit as make

pytestmark = pytest.mark.django_db
MEMBERS = (
    "name",
    "description",
    "tags",
    "schema",
    "key",
    "schemaRef",
    "fileDescription",
    "extensions",
    "status",
    "replay",
)
WORDS = (
    "type",
    "properties",
    "items",
    "required",
    "enum",
    "$ref",
    "allOf",
    "adobe_lakeHouse",
    "ttlValue",
    "format",
    "id",
)
VALUES = ("object", "string", "#", "#/properties/a", "P30D", "active", "parquet", "", "\0", "\ud800", "é", "9" * 40)
NAMES = st.one_of(st.sampled_from((*MEMBERS, *WORDS)), st.text(max_size=5))
PLAIN = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.sampled_from(VALUES), st.text(max_size=5))
JSON = st.recursive(
    PLAIN,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(NAMES, inner, max_size=4)),
    max_leaves=12,
)
DOCUMENTS = st.dictionaries(st.sampled_from((*MEMBERS, "datasetId", "inputFormat")), JSON, max_size=5)
POINTERS = st.one_of(
    st.text(max_size=6), st.sampled_from(("", "/", "/tags", "/tags/a", "/key/0", "/key/-", "/schema/type/x"))
)
OPERATIONS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "op": st.sampled_from(("add", "remove", "replace", "move", "copy", "test", "x")),
            "path": POINTERS,
            "from": POINTERS,
            "value": JSON,
        },
    ),
    max_size=4,
)
ODDLY = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def program():
    return make.asker()


def fine(answer):
    assert answer.status_code in (200, 201, 400, 404, 409, 422, 428), answer.content
    assert answer.headers["Content-Type"] == "application/json"


@ODDLY
@given(document=DOCUMENTS)
def test_any_document_makes_a_dataset_or_is_refused(program, document):
    fine(program.send("post", "/dataSets", {"name": "Any", **document}))
    assert program.get("/dataSets").status_code == 200


@ODDLY
@given(schema=JSON)
def test_any_schema_is_taken_or_refused(program, schema):
    document = {"name": "Any", "schema": {"type": "object", "properties": {"a": schema, "b": {"items": schema}}}}

    fine(program.send("post", "/dataSets", document))


@ODDLY
@given(patch=st.one_of(DOCUMENTS, OPERATIONS, JSON))
def test_any_patch_is_applied_or_refused(program, patch):
    dataset, batch = make.dataset(), make.batch(status="loading")

    for path in (f"/dataSets/{dataset.public_id}", f"/v2/dataSets/{dataset.public_id}", f"/batches/{batch.public_id}"):
        fine(program.send("patch", path, patch))
        assert program.get(path.removeprefix("/v2")).status_code == 200


@ODDLY
@given(document=DOCUMENTS)
def test_any_document_creates_a_batch_or_is_refused(program, document):
    dataset = Dataset.objects.first() or make.dataset()

    fine(program.send("post", "/batches", {"datasetId": dataset.public_id, "status": "loading", **document}))
    assert program.get("/batches").status_code == 200
