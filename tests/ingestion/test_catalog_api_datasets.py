"""Datasets over the catalogue: made, found, changed, taken out of it."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from ingestion.models import Dataset, Origin
from tests.ingestion import catalog_kit as make

pytestmark = pytest.mark.django_db
SCHEMA = {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}, "at": {"type": "string"}}}


@pytest.fixture
def program():
    return make.asker()


def created(program, **members):
    """The id of a new dataset."""
    answer = program.send("post", "/dataSets", {"name": "Survey responses", **members})
    assert answer.status_code == 201, answer.content
    (reference,) = answer.json()
    assert reference.startswith("@/dataSets/")
    assert answer.headers["Location"] == make.CATALOG + reference[1:]
    return reference.rpartition("/")[2]


def refused(program, verb, path, body=None, *, code=400, **more):
    answer = program.send(verb, path, body, **more)
    assert answer.status_code == code, (answer.status_code, answer.content)
    return answer.json()["detail"]


def patched(program, public_id, patch, *, at="/dataSets/", **more):
    answer = program.send("patch", f"{at}{public_id}", patch, **more)
    assert answer.status_code == 200, answer.content
    assert answer.json() == [f"@/dataSets/{public_id}"]
    return program.one(f"/dataSets/{public_id}")


def test_a_dataset_is_made_as_adobes_clients_ask_for_it(program):
    body = {
        "schemaRef": {"id": "https://ns.adobe.com/x/schemas/1", "contentType": "application/vnd.adobe.xed+json"},
        "fileDescription": {"persisted": True, "containerFormat": "parquet", "format": "parquet"},
        "tags": {"unifiedProfile": ["enabled:true"]},
    }  # fmt: skip

    answer = program.http.post(
        f"{make.CATALOG}/dataSets?requestDataSource=False",
        {"name": "Surveys", **body},
        content_type="application/json",
        headers=program.headers,
    )

    shown = program.one(answer.json()[0][1:])
    assert answer.status_code == 201
    assert shown["schemaRef"] == body["schemaRef"]
    assert shown["tags"]["unifiedProfile"] == ["enabled:true"]
    assert shown["tags"]["adobe/pqs/table"] == ["surveys"]
    assert shown["createdUser"] == "reader@techacct"


def test_a_dataset_takes_a_schema_a_key_and_a_policy(program):
    public_id = created(program, schema=SCHEMA, key=["id"], schemaPolicy="freeze", enableErrorDiagnostics=True)

    dataset = Dataset.objects.get(public_id=public_id)

    assert (dataset.schema, dataset.key, dataset.schema_policy) == (SCHEMA, ["id"], "freeze")
    assert (dataset.error_diagnostics, dataset.origin) == (True, Origin.CLIENTS)
    assert program.one(f"/dataSets/{public_id}")["schema"] == SCHEMA


def test_the_key_may_stand_in_the_schema(program):
    public_id = created(program, schema={**SCHEMA, "x-headgate-key": ["id"]})

    assert Dataset.objects.get(public_id=public_id).key == ["id"]


def test_what_is_not_known_is_kept_and_shown(program):
    public_id = created(program, dataSourceId="abc", unifiedTags=["x"], id="mine", imsOrg="other", version="9.9.9")

    shown = program.one(f"/dataSets/{public_id}")

    assert (shown["dataSourceId"], shown["unifiedTags"]) == ("abc", ["x"])
    assert (shown["id"], shown["imsOrg"], shown["version"]) == (public_id, "default", "1.0.0")


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"name": ""}, "name"),
        ({"name": None}, "name"),
        ({"name": 7}, "name"),
        ({"name": "x" * 256}, "name"),
        ({"description": "x" * 10_001}, "description"),
        ({"tags": []}, "tags"),
        ({"tags": {"a": {}}}, "tags.a"),
        ({"tags": {'a"b': ["c"]}}, "tags"),
        ({"tags": {str(n): ["x"] for n in range(101)}}, "tags"),
        ({"schema": "text"}, "schema"),
        ({"schema": {"type": "array"}}, "schema/type"),
        ({"schema": {"type": "no such type"}}, "schema"),
        ({"schema": {"type": "object", "properties": {"a": {"type": "string", "pattern": "("}}}}, "schema"),
        ({"schema": SCHEMA, "key": ["nope"]}, "nope"),
        ({"key": "id"}, "key"),
        ({"key": ["a", "a"]}, "key"),
        ({"key": [1]}, "key"),
        ({"schemaPolicy": "chaos"}, "schemaPolicy"),
        ({"fileDescription": {"format": "xlsx"}}, "fileDescription"),
        ({"fileDescription": "csv"}, "fileDescription"),
        ({"enableErrorDiagnostics": "yes"}, "enableErrorDiagnostics"),
        ({"extensions": {"adobe_lakeHouse": {"rowExpiration": {"ttlValue": "soon"}}}}, "ttlValue"),
        ({"extensions": {"adobe_lakeHouse": {"rowExpiration": {"ttlValue": "P99999Y"}}}}, "days"),
        ({"others": "x" * 3_000_000}, "bytes"),
    ],
)
def test_what_cannot_be_taken_is_refused_by_name(program, members, said):
    assert said in refused(program, "post", "/dataSets", {"name": "Surveys", **members})
    assert not Dataset.objects.exists()


@pytest.mark.parametrize(
    "raw",
    [b"", b"[]", b"7", b"{", b'{"name": NaN}', b'{"name": 1e999}', b'{"name": "\\ud800"}', b"\xff", b"[" * 100_000,
     b'{"name": "a\\u0000"}', b'{"name": "a", "x": 1e999}'],
)  # fmt: skip
def test_a_body_that_is_no_document_is_refused(program, raw):
    assert refused(program, "post", "/dataSets", raw)
    assert not Dataset.objects.exists()


def test_tables_of_one_name_are_kept_apart(program):
    names = [created(program), created(program), created(program, name="Survey-responses")]

    tables = [program.one(f"/dataSets/{each}")["tags"]["adobe/pqs/table"] for each in names]

    assert tables == [["survey_responses"], ["survey_responses_2"], ["survey_responses_3"]]


def test_a_name_taken_at_the_same_moment_is_looked_for_again(program, monkeypatch):
    created(program)
    names = iter(["survey_responses", "survey_responses", "survey_responses_2"])  # as others' commits appear
    monkeypatch.setattr("ingestion.cataloguing.verbs.free_table", lambda *_: next(names))

    assert Dataset.objects.get(public_id=created(program)).name == "survey_responses_2"


def test_a_table_may_be_named_by_its_tag(program):
    public_id = created(program, tags={"adobe/pqs/table": ["Responses"]})

    assert Dataset.objects.get(public_id=public_id).name == "responses"


def test_the_name_of_a_deleted_dataset_is_not_used_again(program):
    program.send("delete", f"/dataSets/{created(program)}")

    assert Dataset.objects.get(public_id=created(program)).name == "survey_responses_2"


@pytest.mark.parametrize(
    ("organisation", "sandbox", "namespace"),
    [
        ("default", "prod", "lake"),
        ("default", "dev", "default_dev"),
        ("default", "a-b", "default_a_b_"),
        ("1234@AdobeOrg", "prod", "_1234_adobeorg_prod_"),
        ("pg", "catalog", "org_pg_catalog_"),
        ("headgate", "books", "org_headgate_books_"),
        ("x" * 64, "prod", "x" * 50),
    ],
)
def test_each_sandbox_has_a_namespace_of_its_own(organisation, sandbox, namespace):
    program = make.asker(organisation, sandbox=sandbox)
    dataset = Dataset.objects.get(public_id=created(program))

    assert dataset.namespace.startswith(namespace)
    assert len(dataset.namespace) <= 63
    assert (dataset.namespace == namespace) == (not namespace.endswith("_") and len(namespace) < 50)


def test_sandboxes_that_fold_alike_do_not_share_a_namespace():
    one, other = make.asker("a", name="1", sandbox="b-c"), make.asker("a-b", name="2", sandbox="c")

    found = {Dataset.objects.get(public_id=created(program)).namespace for program in (one, other)}

    assert len(found) == 2


def test_datasets_of_runs_are_listed_and_cannot_be_changed(program):
    dataset = make.dataset(origin=Origin.RUNS, title="", source_name="responses")

    assert program.one("/dataSets")["name"] == "responses"
    for verb, body in (("patch", {"description": "x"}), ("put", {"name": "x"}), ("delete", None)):
        assert "data source" in refused(program, verb, f"/dataSets/{dataset.public_id}", body, code=409)


def test_datasets_are_found_by_what_clients_ask_for(program):
    one = make.dataset(title="One", tags={"unifiedProfile": ["enabled: true"]}, error_diagnostics=True, version=2)
    other = make.dataset(title="Other", wire={"schemaRef": {"id": "urn:7"}}, description="the other")

    for query in (
        {"name": "One"},
        {"property": "name~^On"},
        {"tags": "unifiedProfile:*"},
        {"enableErrorDiagnostics": "true"},
        {"version": "1.0.2"},
        {"property": f"tags.adobe/pqs/table=={one.name}"},
        {"orderBy": "asc:name", "limit": "1"},
    ):
        assert program.ids("/dataSets", **query) == [one.public_id], query
    assert program.ids("/dataSets", property="schemaRef.id==urn:7") == [other.public_id]
    assert program.ids("/dataSets", description="the other") == [other.public_id]
    assert program.ids("/dataSets", name="!One") == [other.public_id]
    assert program.ids("/dataSets", limit=1, start=1) == [one.public_id]


def test_a_dataset_tells_of_its_newest_batches(program):
    dataset = make.dataset()
    failed, good = make.batch(dataset, status="failed"), make.batch(dataset)
    newest = make.batch(dataset, status="loading")

    shown = program.one(f"/dataSets/{dataset.public_id}")

    assert (shown["lastBatchId"], shown["lastBatchStatus"]) == (newest.public_id, "loading")
    assert (shown["lastSuccessfulBatch"], shown["lastFailedBatch"]) == (good.public_id, failed.public_id)


def test_the_columns_seen_so_far_are_told_when_asked_for(program):
    blueprint = [
        {"name": "id", "source": "id", "type": "integer"},
        {"name": "place", "source": "place", "type": "json"},
        {"name": "place__at", "source": "place.at", "type": "timestamp"},
    ]
    dataset = make.dataset(blueprint=blueprint)

    told = program.one(f"/dataSets/{dataset.public_id}", properties="observableSchema")

    fields = told["observableSchema"]["properties"]
    assert fields["id"] == {"type": "integer", "meta:xdmType": "long"}
    assert fields["place"]["properties"]["at"]["format"] == "date-time"
    assert program.one("/dataSets", properties="observableSchema") == told


def test_the_cost_of_a_list_does_not_grow(program):
    def cost():
        with CaptureQueriesContext(connection) as captured:
            assert program.get("/dataSets", limit=100).status_code == 200
        return len(captured)

    make.batch()
    few = cost()
    for _ in range(10):
        make.batch()

    assert cost() == few <= 5


def test_a_merge_patch_changes_what_it_names_and_null_takes_away(program):
    public_id = created(program, description="old", tags={"a": ["1"], "b": ["2"]})

    shown = patched(program, public_id, {"description": None, "tags": {"a": None, "c": ["3"]}})

    assert shown["description"] == ""
    assert {name: values for name, values in shown["tags"].items() if len(name) == 1} == {"b": ["2"], "c": ["3"]}
    assert (shown["version"], shown["name"]) == ("1.0.1", "Survey responses")


@pytest.mark.parametrize("kind", ["application/json-patch+json", "application/json"])
def test_operations_are_applied_whatever_the_content_type(program, kind):
    public_id = created(program)
    patch = [{"op": "add", "path": "/tags/unifiedProfile", "value": ["enabled:true", "isUpsert:true"]}]

    shown = patched(program, public_id, patch, content_type=kind)

    assert shown["tags"]["unifiedProfile"] == ["enabled:true", "isUpsert:true"]


def test_the_second_version_merges_deeply_and_makes_missing_parents(program):
    public_id = created(program)
    expiring = {"extensions": {"adobe_lakeHouse": {"rowExpiration": {"ttlValue": "P3M"}}}}

    assert patched(program, public_id, expiring, at="/v2/dataSets/")["extensions"] == {
        "adobe_lakeHouse": {"rowExpiration": {"ttlValue": "P90D"}}
    }
    assert Dataset.objects.get().retention_days == 90
    operation = {"op": "add", "path": "/extensions/mine/deep/value", "value": 1}
    assert refused(program, "patch", f"/dataSets/{public_id}", [operation])
    assert patched(program, public_id, [operation], at="/v2/dataSets/")["extensions"]["mine"] == {"deep": {"value": 1}}


def test_retention_goes_when_it_is_taken_away(program):
    public_id = created(program, extensions={"adobe_lakeHouse": {"rowExpiration": {"ttlValue": "P30D"}}})

    shown = patched(program, public_id, {"extensions": {"adobe_lakeHouse": {"rowExpiration": None}}})

    assert Dataset.objects.get().retention_days is None
    assert "rowExpiration" not in str(shown["extensions"])


@pytest.mark.parametrize(
    "patch",
    [
        {"id": "other"}, {"imsOrg": "other"}, {"version": "2.0.0"}, {"tags": {"adobe/pqs/table": ["other"]}},
        {"tags": 7}, {"schema": {"type": "array"}}, 7, "text", None, [7], [{}], [{"op": "add"}],
        [{"op": "fly", "path": "/a"}],
        [{"op": "replace", "path": "/nothing", "value": 1}], [{"op": "add", "path": "tags", "value": 1}],
        [{"op": "test", "path": "/name", "value": "Else"}], [{"op": "replace", "path": "", "value": []}],
        [{"op": "remove", "path": "/name"}], [{"op": "add", "path": 7, "value": 1}],
        [{"op": "copy", "path": "/x", "from": 3}],
        [{"op": "add", "path": "/tags/~2", "value": ["x"]}], [{"op": "add", "path": "/a", "value": 1}] * 201,
        [{"op": "add", "path": "/key/99999999999999999999", "value": "x"}],
    ],
)  # fmt: skip
def test_a_patch_that_cannot_be_taken_changes_nothing(program, patch):
    public_id = created(program)
    before = program.one(f"/dataSets/{public_id}")

    for at in ("/dataSets/", "/v2/dataSets/"):
        assert refused(program, "patch", f"{at}{public_id}", patch if patch is not None else b"null")

    assert program.one(f"/dataSets/{public_id}") == before


@pytest.mark.parametrize(
    "patch",
    [
        [{"op": "copy", "from": "/zz", "path": "/zz" + "/x" * 2**n} for n in range(8)],
        [{"op": "copy", "from": "/zz", "path": "/zz" + "/x" * 2**n} for n in range(14)],
        [{"op": "add", "path": "/zz" + "/x" * 200, "value": 1}],
        [{"op": "add", "path": "/zz" + "/x" * 3_000, "value": 1}],
    ],
)
def test_a_patch_cannot_make_a_document_deeper_than_one_may_be_sent(program, patch):
    public_id = created(program, zz={"x": {}})

    refused(program, "patch", f"/dataSets/{public_id}", patch)
    assert "nested more than 150 deep" in refused(program, "patch", f"/v2/dataSets/{public_id}", patch)

    assert program.one(f"/dataSets/{public_id}")["zz"] == {"x": {}}


def test_a_document_that_was_made_too_deep_before_can_be_mended(program):
    public_id, deep = created(program), {}
    for _ in range(600):
        deep = {"x": deep}
    Dataset.objects.filter(public_id=public_id).update(wire={"zz": deep})

    assert "zz" not in patched(program, public_id, [{"op": "remove", "path": "/zz"}])


def test_a_patch_cannot_make_a_document_grow_without_end(program):
    public_id = created(program)
    grow = [{"op": "add", "path": "/x", "value": ["x" * 1000]}]
    grow += [{"op": "copy", "from": "/x", "path": f"/x/{n}"} for n in range(40)]

    assert "too large" in refused(program, "patch", f"/dataSets/{public_id}", grow)


def test_putting_describes_a_dataset_anew(program):
    public_id = created(program, description="old", tags={"a": ["1"]}, schema=SCHEMA, key=["id"])
    shown = program.one(f"/dataSets/{public_id}")

    program.send("put", f"/dataSets/{public_id}", {**shown, "description": "new", "tags": {}})
    after = program.one(f"/dataSets/{public_id}")
    program.send("put", f"/dataSets/{public_id}", {"name": "Bare"})
    bare = program.one(f"/dataSets/{public_id}")

    assert (after["description"], after["key"], after["schema"]) == ("new", ["id"], SCHEMA)
    assert after["tags"].keys() == {"adobe/pqs/table", "adobe/siphon/table/format"}
    assert ("schema" in bare, bare["key"], bare["version"]) == (False, [], "1.0.2")
    assert bare["tags"]["adobe/pqs/table"] == ["survey_responses"]


def test_a_change_of_what_has_changed_meanwhile_is_refused(program):
    public_id = created(program)
    path, now = f"/dataSets/{public_id}", {"If-Match": '"1.0.0"'}

    assert program.send("patch", path, {"description": "a"}, **now).status_code == 200
    assert "1.0.1" in refused(program, "patch", path, {"description": "b"}, code=412, **now)
    assert refused(program, "delete", path, code=412, **{"If-None-Match": "1.0.1"})
    updated = program.one(path)["updated"]
    assert program.send("put", path, {"name": "x"}, **{"If-Match": str(updated)}).status_code == 200


def test_the_key_stays_once_rows_are_live(program):
    public_id = created(program, key=["id"])
    Dataset.objects.update(live_rows=1)

    assert "key" in refused(program, "patch", f"/dataSets/{public_id}", {"key": ["other"]}, code=409)
    assert patched(program, public_id, {"description": "x"})["key"] == ["id"]


def test_a_dataset_with_open_batches_is_not_deleted(program):
    public_id = created(program)
    batch = make.batch(Dataset.objects.get(), status="loading")

    assert batch.public_id in refused(program, "delete", f"/dataSets/{public_id}", code=409)
    assert Dataset.objects.get().deleted_at is None


def test_a_deleted_dataset_is_gone_for_clients_and_kept_for_its_batches(program):
    public_id = created(program)
    batch = make.batch(Dataset.objects.get())

    answer = program.send("delete", f"/dataSets/{public_id}")

    assert (answer.status_code, answer.json()) == (200, [f"@/dataSets/{public_id}"])
    assert program.ids("/dataSets") == []
    assert refused(program, "delete", f"/dataSets/{public_id}", code=404)
    assert program.ids() == [batch.public_id]


def test_a_foreign_dataset_is_not_there(program):
    dataset = make.dataset(organisation="other")
    path = f"/dataSets/{dataset.public_id}"

    assert program.ids("/dataSets") == []
    for verb, body in (("get", None), ("patch", {"description": "x"}), ("put", {"name": "x"}), ("delete", None)):
        assert refused(program, verb, path, body, code=404)
    for at in ("/dataSetView/", "/dataSetViews/", "/v2/dataSets/"):
        assert program.get(at + dataset.public_id).status_code in (404, 405)
    dataset.refresh_from_db()
    assert (dataset.description, dataset.deleted_at) == ("", None)


def test_files_and_views_are_found_as_older_clients_ask(program):
    file = make.file(make.batch(), "part/a.json", b"12345")
    make.file(make.batch(), "b.json")
    dataset, batch = file.batch.dataset.public_id, file.batch.public_id

    (shown,) = program.get("/dataSetFiles", dataSetId=dataset).json().values()

    assert shown | {"created": 0, "updated": 0} == {
        "id": f"{batch}-0", "name": "part/a.json", "batchId": batch, "dataSetId": dataset, "dataSetViewId": dataset,
        "imsOrg": "default", "sandboxId": "prod", "created": 0, "updated": 0, "createdClient": "nightly",
        "createdUser": "nightly@techacct", "version": "1.0.0", "isValid": True, "sizeInBytes": 5,
    }  # fmt: skip
    assert program.ids("/dataSetFiles", batchId=batch) == [f"{batch}-0"]
    assert len(program.ids("/dataSetFiles")) == 2
    assert len(program.ids("/dataSetFiles", limit=1)) == 1
    assert program.one(f"/dataSetFiles/{batch}-0") == shown
    assert program.ids(f"/dataSets/{dataset}/views/{dataset}/files") == [f"{batch}-0"]
    for path in ("/dataSetView/{}", "/dataSetViews/{}", "/dataSets/{}/views", "/dataSets/{0}/views/{0}"):
        assert program.ids(path.format(dataset)) == [dataset]
    assert len(program.ids("/dataSetViews")) == 2
    assert program.refused(f"/dataSets/{dataset}/views/other", 404)
    assert program.refused(f"/dataSetFiles/{batch}-7", 404)


def test_files_of_others_and_unfinished_ones_are_not_there(program):
    foreign = make.file(make.batch(make.dataset(organisation="other")))
    unfinished = make.file(make.batch(status="loading"))
    unfinished.is_complete = False
    unfinished.save()

    assert program.ids("/dataSetFiles") == []
    for file in (foreign, unfinished):
        assert program.refused(f"/dataSetFiles/{file.batch.public_id}-0", 404)
