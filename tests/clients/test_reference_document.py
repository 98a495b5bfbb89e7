"""The curl calls of the original service's own questions and answers, as they are printed there. Only the host and the
placeholders are put in, and the backslash that two of them lack at the end of a line."""

import json
import re
import subprocess

import pytest

pytestmark = [pytest.mark.django_db]
HOST = "https://platform.adobe.io"
CREATE = """
curl -X POST "https://platform.adobe.io/data/foundation/import/batches" \\
-H "accept: application/json" \\
-H "x-gw-ims-org-id: {ORG_ID}" \\
-H "Authorization: Bearer {ACCESS_TOKEN}" \\
-H "x-api-key: {API_KEY}" \\
-d '{
"datasetId": "{DATASET_ID}",
"inputFormat": {
"format": "json"
}
}'
"""
CREATE_MULTI_LINE = CREATE.replace('"format": "json"', '"format": "json",\n"isMultiLineJson": true')
COMPLETE = """
curl -X POST "https://platform.adobe.io/data/foundation/import/batches/{BATCH_ID}?action=COMPLETE" \\
-H 'Authorization: Bearer {ACCESS_TOKEN}' \\
-H 'x-gw-ims-org-id: {ORG_ID}' \\
-H 'x-api-key: {API_KEY}' \\
-H 'x-sandbox-name: {SANDBOX_NAME}'
"""
STATUS = """
curl -X GET "https://platform.adobe.io/data/foundation/catalog/batches/{BATCH_ID}" \\
-H "x-gw-ims-org-id: {ORG_ID}" \\
-H "Authorization: Bearer {ACCESS_TOKEN}" \\
-H "x-api-key: {API_KEY}"
"""
JSON_LINES = b"""{"string":"string1","int":1,"array":[1,2,3],"dict": {"key": "value1"}}
{"string":"string2","int":2,"array":[2,4,6],"dict": {"key": "value2"}}
{"string":"string3","int":3,"array":[3,6,9],"dict": {"key": "value3", "extra_key": "extra_value3"}}
"""
MULTI_LINE = b"""[
{"string":"string1","int":1,"array":[1,2,3],"dict": {"key": "value1"}},
{"string":"string2","int":2,"array":[2,4,6],"dict": {"key": "value2"}},
{
"string": "string3",
"int": 3,
"array": [
3,
6,
9
],
"dict": {
"key": "value3",
"extra_key": "extra_value3"
}
}
]
"""
SHOWN = {"imsOrg", "created", "createdClient", "createdUser", "updatedUser", "externalId", "status", "errors"}
METRICS = {"inputByteSize", "inputRecordSize", "outputByteSize", "outputRecordSize", "partitionCount"}


@pytest.fixture
def curl(program):
    """Runs a call in a shell; answers what it printed, with the status."""

    def run(call, **known):
        known |= {"ORG_ID": program.organisation, "ACCESS_TOKEN": program.token, "API_KEY": program.client_id}
        known |= {"SANDBOX_NAME": "prod"}
        filled = re.sub(r"\{([A-Z_]+)\}", lambda found: known[found[1]], call.strip())
        command = f"{filled.replace(HOST, program.service.address)} -s -w '\\n%{{http_code}}'"
        printed = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True, timeout=60)
        body, _, status = printed.stdout.rpartition("\n")
        return int(status), json.loads(body)

    return run


@pytest.mark.parametrize(
    ("create", "content"),
    [(CREATE, JSON_LINES), (CREATE_MULTI_LINE, MULTI_LINE)],
    ids=["single-line JSON", "multi-line JSON"],
)
def test_the_documented_calls_bring_the_documented_records_live(program, curl, create, content):
    dataset = program.dataset(schema=None)

    status, batch = curl(create, DATASET_ID=dataset)
    assert (status, batch["status"]) == (201, "loading")
    assert program.put(dataset, batch["id"], content).status_code == 200
    for _ in range(2):  # “it is safe to retry the API call”
        assert curl(COMPLETE, BATCH_ID=batch["id"])[0] == 200
    program.ended(batch["id"])
    status, shown = curl(STATUS, BATCH_ID=batch["id"])

    told = shown[batch["id"]]
    assert (status, told["status"]) == (200, "success")
    assert told.keys() >= SHOWN | {"completed"}
    assert told["metrics"].keys() >= METRICS
    assert told["metrics"]["outputRecordSize"] == 3
    assert [row["string"] for row in program.rows(dataset)] == ["string1", "string2", "string3"]


@pytest.mark.parametrize(
    ("written", "content", "expected"),
    [
        (
            "json",
            b"",
            {"code": "106", "description": "Dataset file is empty. Please upload file with data.", "rows": []},
        ),
        ("csv", b"\n1,2\n", {"code": "118", "description": "CSV file contains empty header row.", "rows": []}),
    ],
    ids=["106", "118"],
)
def test_the_documented_errors_are_told_in_their_own_words(program, written, content, expected):
    told = program.send(program.dataset(schema=None), content, written=written)

    assert (told["status"], told["errors"]) == ("failed", [expected])


def test_overlapping_and_missing_chunks_are_taken_and_told_when_the_file_is_completed(program):
    dataset = program.dataset()
    batch = program.batch(dataset)
    for name, second in (("gap.json", (12, 17)), ("overlap.json", (5, 14))):
        file = program.file(dataset, batch, name)
        assert program.call("POST", file, params={"action": "INITIALIZE"}).status_code == 201
        for first, last in ((0, 9), second):
            told = {"Content-Range": f"bytes {first}-{last}"}
            assert program.call("PATCH", file, content=bytes(last - first + 1), headers=told).status_code == 200
        refused = program.call("POST", file, params={"action": "COMPLETE"})
        assert refused.status_code == 400
        assert ("10-11 missing" if name == "gap.json" else "5-9 sent twice") in refused.json()["detail"]
