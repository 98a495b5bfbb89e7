"""Requests that mean harm, or come from programs with faults: each gets a clear 4xx, never a 5xx, and changes
nothing."""

import json
import socket
import time

import pytest

from tests.clients.raw import answered, asked, connected, head
from tests.clients.service import CATALOG, EXPORT, IMPORT

pytestmark = [pytest.mark.django_db]
BYTES = "Content-Type: application/octet-stream"
WRONG = [None, True, -1, 10**30, "", "x" * 5_000, [], [[None]], {"a": {"b": []}}]
CREATE = {
    "datasetId": "…",
    "externalId": "mine",
    "inputFormat": {
        "format": "csv", "isMultiLineJson": False, "delimiter": ",", "quote": '"', "escape": "\\", "nullMarker": "",
        "header": "true", "charset": "UTF-8",
    },
    "enableErrorDiagnostics": True,
    "partialIngestionPercent": 5,
    "replay": {"predecessors": ["$01EQ1C48TR4GD4FE7NH2522TCQ"], "predecessorsByExternalId": ["$a"], "reason": "why"},
    "tags": {"a": ["b"]},
}  # fmt: skip
DESCRIBE = {
    "name": "Visits",
    "description": "text",
    "schemaRef": {"id": "https://example.com/a", "contentType": "application/vnd.adobe.xed+json;version=1"},
    "fileDescription": {"persisted": True, "containerFormat": "parquet", "format": "parquet"},
    "tags": {"a": ["b"], "adobe/pqs/table": ["visits"]},
    "schema": {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]},
    "key": ["id"],
    "schemaPolicy": "evolve",
    "enableErrorDiagnostics": True,
    "extensions": {"adobe_lakeHouse": {"rowExpiration": {"ttlValue": "P30D"}}},
    "classification": {"dataBehavior": "adhoc"},
    "dataSourceId": "x",
    "observableSchema": {},
}


def variants(document, path=()):
    """The document with each of its members, at any depth, replaced by each wrong value."""
    for name, value in document.items():
        for wrong in WRONG:
            yield (*path, name), {**document, name: wrong}
        if isinstance(value, dict):
            for where, inner in variants(value, (*path, name)):
                yield where, {**document, name: inner}


def must_be_clear(answer, what):
    """A success, or a refusal in words."""
    assert answer.status_code < 500, (what, answer.text)
    if answer.status_code >= 400:
        problem = answer.json()
        assert problem["status"] == answer.status_code, what
        assert len(problem["detail"]) > 20, what
        assert "Traceback" not in problem["detail"]


@pytest.mark.parametrize("name", [
    "../../etc/passwd", "%2e%2e/x", "..%2f..%2fx", "a/../../b", "a/./b", "a//b", "%2e", "a%00b.json", "a%0ab",
    "a%0d%0aX-Injected:1", "con", "NUL.json", "x/COM1.txt", "a%5cb", ".hidden", "x" * 256, "a%7fb", "%2f",
])  # fmt: skip
def test_a_name_that_could_do_harm_is_refused(program, name):
    dataset = program.dataset()
    batch = program.batch(dataset)

    status, body = asked(program, "PUT", program.file(dataset, batch, name), BYTES, "Content-Length: 2", body=b"{}")

    assert status in (400, 404), body
    assert program.get(f"{EXPORT}/batches/{batch}/files")["data"] == []


def test_a_name_of_ten_kilobytes_is_refused(program):
    dataset = program.dataset()
    batch = program.batch(dataset)

    answer = program.put(dataset, batch, name="x/" * 5_000 + "y")

    assert (answer.status_code, answer.json()["title"]) == (414, "RequestUriTooLongError")


def test_of_a_name_that_is_no_utf_8_the_encoded_form_is_kept(program):
    dataset = program.dataset()
    batch = program.batch(dataset)
    for name in ("%ff%fe", "%ed%a0%80"):  # the second is a surrogate
        path = program.file(dataset, batch, name)

        status, told = asked(program, "PUT", path, BYTES, "Content-Length: 2", body=b"{}")

        assert (status, told["name"]) == (200, name.upper())


def test_wrong_types_in_a_batch_are_refused_in_words(program):
    dataset = program.dataset()

    for where, body in variants({**CREATE, "datasetId": dataset}):
        answer = program.call("POST", f"{IMPORT}/batches", json=body)
        must_be_clear(answer, (where, body))


def test_wrong_types_in_a_dataset_are_refused_in_words_and_what_is_taken_can_be_read(program):
    made = []
    for where, body in variants(DESCRIBE):
        answer = program.call("POST", f"{CATALOG}/dataSets", json=body)
        must_be_clear(answer, (where, body))
        made += answer.json() if answer.status_code == 201 else []

    assert made
    for start in range(0, len(made), 100):
        program.get(f"{CATALOG}/dataSets", limit=100, start=start)


def test_wrong_patches_are_refused_in_words(program):
    dataset = program.dataset()
    batch = program.batch(dataset)
    operations = [
        {"op": op, "path": path, "value": value}
        for op in ("add", "replace", "remove", "copy", None)
        for path in ("/name", "", "/tags/x/0", "id", 5)
        for value in (None, {"a": 1})
    ]
    for body in [*WRONG, *([operation] for operation in operations)]:
        for address in (f"/v2/dataSets/{dataset}", f"/batches/{batch}"):
            must_be_clear(program.call("PATCH", CATALOG + address, json=body), (address, body))
    assert program.get(f"{CATALOG}/dataSets/{dataset}")


BODIES = {
    "nothing": b"",
    "no JSON": b"{",
    "NaN": b'{"datasetId": NaN}',
    "infinity": b'{"partialIngestionPercent": 1e999}',
    "a lone surrogate": rb'{"externalId": "\ud800"}',
    "U+0000": rb'{"externalId": "a\u0000b"}',
    "nested 1,000 deep": b'{"a":' * 1_000 + b"1" + b"}" * 1_000,
    "nested 100,000 deep": b"[" * 100_000,
    "a number of 5,000 digits": b'{"partialIngestionPercent": ' + b"9" * 5_000 + b"}",
    "UTF-16": r'{"datasetId": "\u0000"}'.encode("utf-16"),
    "not UTF-8": b'{"datasetId": "\xff\xfe"}',
    "a list": b"[]",
    "gzip": b"\x1f\x8b\x08\x00",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("address", [f"{IMPORT}/batches", f"{CATALOG}/batches", f"{CATALOG}/dataSets"])
def test_a_body_that_is_no_document_is_refused(program, address, body):
    answer = program.call("POST", address, content=body, headers={"Content-Type": "application/json"})

    must_be_clear(answer, address)
    assert answer.status_code == 400


def test_of_a_member_that_comes_twice_the_last_counts(program):
    dataset = program.dataset()

    answer = program.call("POST", f"{IMPORT}/batches", content=f'{{"datasetId": 1, "datasetId": "{dataset}"}}'.encode())

    assert answer.status_code == 201


def test_a_document_of_more_than_five_megabytes_is_refused(program):
    body = b'{"datasetId": "' + b"x" * (5 << 20) + b'"}'

    assert program.call("POST", f"{IMPORT}/batches", content=body).status_code == 413


@pytest.mark.parametrize("depth", [100, 500, 900])
def test_a_dataset_with_deep_members_is_refused_or_can_be_read_and_changed(program, depth):
    deep = json.loads('{"a":' * depth + "1" + "}" * depth)

    for member in ("extensions", "schema", "mine", "classification"):
        answer = program.call("POST", f"{CATALOG}/dataSets", json={"name": "Deep", member: deep})
        must_be_clear(answer, member)
        if answer.status_code == 201:
            dataset = answer.json()[0].removeprefix("@/dataSets/")
            program.get(f"{CATALOG}/dataSets/{dataset}")
            for body in ({"description": "x"}, [{"op": "add", "path": "/description", "value": "y"}], {"mine": deep}):
                must_be_clear(program.call("PATCH", f"{CATALOG}/dataSets/{dataset}", json=body), (member, body))
    assert isinstance(program.get(f"{CATALOG}/dataSets"), dict)


@pytest.mark.parametrize(
    "headers",
    [
        ["Content-Length: -1"],
        ["Content-Length: ten"],
        ["Content-Length: 2, 3"],
        ["Content-Length: 2", "Content-Length: 30"],
        ["Content-Length: +2"],
        ["Content-Length: " + "9" * 30],
        ["Transfer-Encoding: gzip"],
        ["Transfer-Encoding: chunked, identity"],
    ],
    ids=", ".join,
)
def test_a_length_that_is_none_is_refused(program, headers):
    dataset = program.dataset()
    batch = program.batch(dataset)

    status, _ = asked(program, "PUT", program.file(dataset, batch), BYTES, *headers, body=b"{}")

    assert status in ((501,) if "Transfer-Encoding" in headers[0] else (400, 413))
    assert program.get(f"{EXPORT}/batches/{batch}/files")["data"] == []


def test_a_length_beside_chunks_smuggles_nothing(program):
    """The chunks count; what follows them is a request of its own, and is judged as one."""
    dataset = program.dataset()
    batch = program.batch(dataset)
    hidden = head(program, "POST", f"{IMPORT}/batches/{batch}?action=ABORT", "Content-Length: 0")
    path = program.file(dataset, batch)

    with connected(program) as line:
        told = head(program, "PUT", path, BYTES, f"Content-Length: {len(hidden) + 5}", "Transfer-Encoding: chunked")
        line.sendall(told + b"0\r\n\r\n" + hidden)
        status, _ = answered(line)

    time.sleep(0.3)
    assert (status, program.told(batch)["status"]) in ((400, "loading"), (200, "aborted"))


@pytest.mark.parametrize("chunks", [b"zz\r\n{}\r\n0\r\n\r\n", b"-2\r\n{}\r\n0\r\n\r\n", b"fffffffffffffffff\r\n{}"])
def test_chunks_that_do_not_add_up_leave_nothing(program, chunks):
    dataset = program.dataset()
    batch = program.batch(dataset)

    with connected(program) as line:
        line.sendall(head(program, "PUT", program.file(dataset, batch), BYTES, "Transfer-Encoding: chunked") + chunks)
        line.shutdown(socket.SHUT_WR)
        answer = line.recv(200)

    assert not answer or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4"))
    assert program.get(f"{EXPORT}/batches/{batch}/files")["data"] == []


@pytest.mark.parametrize("told", ["Content-Length: 100000", "Transfer-Encoding: chunked"])
def test_of_a_client_that_dies_midway_nothing_is_visible(program, told):
    dataset = program.dataset()
    batch = program.batch(dataset)
    path = program.file(dataset, batch)
    assert program.call("POST", f"{path}?action=INITIALIZE").status_code == 201

    for method, more in (("PUT", []), ("PATCH", ["Content-Range: bytes 0-99999"])):
        with connected(program) as line:
            line.sendall(head(program, method, path, BYTES, told, *more) + b"186a0\r\n" + b"x" * 50_000)
    time.sleep(0.3)

    assert "Range" not in program.call("HEAD", path).headers
    assert program.get(f"{EXPORT}/batches/{batch}/files")["data"] == []
    assert program.call("POST", f"{path}?action=COMPLETE").status_code == 400


def test_a_head_beyond_measure_is_refused(program):
    status, _ = asked(program, "GET", f"{CATALOG}/batches", "X-Much: " + "x" * 300_000)

    assert status in (400, 431)


def test_an_answer_to_head_has_no_body_and_leaves_the_connection_fit_for_the_next(program):
    dataset = program.dataset()
    batch = program.batch(dataset)
    program.put(dataset, batch)
    files = program.get(f"{EXPORT}/batches/{batch}/files")["data"]
    path = f"{EXPORT}/files/{files[0]['dataSetFileId']}"

    with connected(program) as line:
        for address in (program.file(dataset, batch), f"{path}?path=a.json", path, f"{CATALOG}/batches", "/admin/"):
            line.sendall(head(program, "HEAD", address) + head(program, "GET", f"{CATALOG}/batches?limit=1"))
            answer = line.recv(1 << 16)
            while answer.count(b"HTTP/1.1 ") < 2 or not answer.endswith(b"}"):
                answer += line.recv(1 << 16)
            first, _, second = answer.partition(b"\r\n\r\n")
            assert second.startswith(b"HTTP/1.1 200 OK"), address
            assert b"Content-Length: " in first


def test_slow_clients_keep_nobody_waiting(program):
    """A hundred and fifty requests that trickle in: each holds a connection, none a thread."""
    dataset = program.dataset()
    batch = program.batch(dataset)
    told = head(program, "PUT", program.file(dataset, batch), BYTES, "Content-Length: 100000")
    lines = []
    try:
        for number in range(150):
            line = socket.create_connection(("127.0.0.1", int(program.service.address.rpartition(":")[2])))
            lines.append(line)
            line.sendall(told[: 40 + number] if number % 2 else told + b"x" * number)
        longest = 0.0
        for _ in range(10):
            begun = time.monotonic()
            assert asked(program, "GET", f"{CATALOG}/batches?limit=1")[0] == 200  # by a connection of its own
            longest = max(longest, time.monotonic() - begun)
            for line in lines:
                line.sendall(b"x")
    finally:
        for line in lines:
            line.close()

    assert longest < 3
    assert program.get(f"{EXPORT}/batches/{batch}/files")["data"] == []


def test_what_belongs_to_others_is_not_there_and_stays_as_it_is(service, program):
    dataset = program.dataset()
    live = program.send(dataset)["id"]
    loading = program.batch(dataset)
    program.put(dataset, loading)
    (file,) = program.get(f"{EXPORT}/batches/{live}/files")["data"]
    stranger = service.program()
    own = stranger.dataset()
    before = [program.told(live), program.told(loading), program.get(f"{CATALOG}/dataSets/{dataset}")]
    path, big = program.file(dataset, loading), {"Content-Range": "bytes 0-1"}
    calls = [
        ("POST", f"{IMPORT}/batches", {"json": {"datasetId": dataset}}),
        *[("POST", f"{IMPORT}/batches/{live}?action={action}", {}) for action in ("COMPLETE", "REVERT", "FAIL")],
        *[("POST", f"{IMPORT}/batches/{loading}?action={action}", {}) for action in ("COMPLETE", "ABORT", "FAIL")],
        ("PUT", path, {"content": b"{}"}),
        ("PUT", path.replace(dataset, own), {"content": b"{}"}),
        ("POST", f"{path}?action=INITIALIZE", {}),
        ("POST", f"{path}?action=COMPLETE", {}),
        ("PATCH", path, {"content": b"{}", "headers": big}),
        ("HEAD", path, {}),
        ("GET", f"{IMPORT}/batches/{loading}/datasets/{dataset}/preview", {}),
        ("GET", f"{CATALOG}/batches/{live}", {}),
        ("PUT", f"{CATALOG}/batches/{live}", {"json": {"tags": {}}}),
        ("PATCH", f"{CATALOG}/batches/{live}", {"json": {"tags": {"a": ["b"]}}}),
        ("DELETE", f"{CATALOG}/batches/{live}", {}),
        ("GET", f"{CATALOG}/dataSets/{dataset}", {}),
        ("PUT", f"{CATALOG}/dataSets/{dataset}", {"json": {"name": "mine"}}),
        ("PATCH", f"{CATALOG}/dataSets/{dataset}", {"json": {"name": "mine"}}),
        ("PATCH", f"{CATALOG}/v2/dataSets/{dataset}", {"json": {"name": "mine"}}),
        ("DELETE", f"{CATALOG}/dataSets/{dataset}", {}),
        ("GET", f"{CATALOG}/dataSetFiles/{file['dataSetFileId']}", {}),
        ("GET", f"{CATALOG}/dataSetViews/{dataset}", {}),
        ("GET", f"{EXPORT}/batches/{live}/files", {}),
        ("GET", f"{EXPORT}/batches/{live}/meta", {}),
        ("GET", f"{EXPORT}/batches/{live}/failed", {}),
        ("GET", f"{EXPORT}/files/{file['dataSetFileId']}?path=a.json", {}),
        ("HEAD", f"{EXPORT}/files/{file['dataSetFileId']}?path=a.json", {}),
        ("GET", f"{EXPORT}/datasets/{dataset}/preview", {}),
    ]  # fmt: skip

    for method, address, more in calls:
        answer = stranger.call(method, address, **more)
        assert answer.status_code == 404, (method, address, answer.text)
    replay = {"datasetId": own, "replay": {"predecessors": [f"${live}"]}}
    refused = stranger.call("POST", f"{IMPORT}/batches", json=replay)

    assert refused.status_code == 400
    for query in ({"dataSet": dataset}, {"batch": live}):
        assert stranger.get(f"{CATALOG}/batches", **query) == {}
    assert stranger.get(f"{CATALOG}/dataSetFiles", batchId=live) == {}
    assert stranger.get(f"{CATALOG}/lastBatches", dataSetId=dataset) == {}
    assert [program.told(live), program.told(loading), program.get(f"{CATALOG}/dataSets/{dataset}")] == before
    assert len(program.rows(dataset)) == 2


def test_nothing_of_all_this_was_a_fault_of_ours(service):
    """Last in this module: the log of the service holds no stack trace."""
    assert "Traceback" not in service.log
