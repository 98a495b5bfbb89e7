"""The other programs that speak this API, each with what is peculiar to its calls: written down here from their
sources, since their own addresses cannot be changed."""

import json
import time
from urllib.parse import quote

import httpx
import pytest

from tests.clients.service import CATALOG, EXPORT, IMPORT, LINES

pytestmark = [pytest.mark.django_db]


def polled(program, batch, going_on, *, at=f"{CATALOG}/batches"):
    """Ask until the status is none of those in which a client waits."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        answer = program.call("GET", f"{at}/{batch}")
        assert answer.status_code == 200
        status = answer.json()[batch]["status"]
        if status not in going_on:
            return status
        time.sleep(0.05)
    raise AssertionError(f"the client would still wait: {status}")


def test_the_python_sdk_of_2020(program):
    """Multi-line, no sandbox, anything but 200 for PUT and COMPLETE breaks it; it reads error_code or title."""
    dataset = program.dataset()
    create = {"datasetId": dataset, "inputFormat": {"format": "json", "isMultiLineJson": True}}
    batch = program.call("POST", f"{IMPORT}/batches", json=create).json()["id"]

    put = program.put(dataset, batch, b'[{"id": 1},\n {"id": 2}]', name="upload.json")
    done = program.act(batch, "COMPLETE")

    assert (put.status_code, done.status_code) == (200, 200)
    assert polled(program, batch, ("loaded", "loading", "staging")) == "success"
    unknown = program.call("GET", f"{CATALOG}/dataSets/5e8cb1b7a5d8e819d1a1b1c1").json()
    assert (unknown["title"], bool(unknown["detail"])) == ("NotFoundError", True)
    stranger = program.call("GET", f"{CATALOG}/batches", headers={"Authorization": "Bearer no"}).json()
    assert stranger == {"error_code": "401013", "message": "Oauth token is not valid"}


def test_adobes_own_java_client(program):
    """A slash at the end, the singular addresses, `offset` and `sort`, statuses by either of their names."""
    dataset = program.dataset()
    made = program.call("POST", f"{IMPORT}/batches/", json={"datasetId": dataset, "inputFormat": {"format": "json"}})
    batch = made.json()["id"]

    assert made.status_code == 201
    assert program.put(dataset, batch).status_code == 200
    assert program.act(batch, "COMPLETE").status_code == 200
    done = polled(program, batch, ("loading", "loaded", "staging", "processing"), at=f"{CATALOG}/batch")
    assert done in ("active", "success")
    listed = program.get(f"{CATALOG}/batch", dataSet=dataset, offset=0, sort="desc:created", limit=5)
    assert list(listed) == [batch]
    assert list(program.get(f"{CATALOG}/batch", status="active", dataSet=dataset)) == [batch]
    assert program.get(f"{CATALOG}/batch", status="failure", dataSet=dataset) == {}
    (file,) = program.get(f"{CATALOG}/dataSetFiles", dataSetId=dataset, batchId=batch).values()
    view = program.get(f"{CATALOG}/dataSetView/{file['dataSetViewId']}")[file["dataSetViewId"]]
    assert view["dataSetId"] == dataset


def test_adobes_command_line_plugin(program):
    """A body in chunks without a length, COMPLETE with a null body, a preview without any query, JSON from DELETE."""
    dataset = program.dataset()
    made = program.call("POST", f"{IMPORT}/batches/", json={"datasetId": dataset, "inputFormat": {"format": "json"}})
    batch = made.json()["id"]

    put = program.put(dataset, batch, iter([LINES[:20], LINES[20:]]))
    shown = program.get(f"{IMPORT}/batches/{batch}/datasets/{dataset}/preview")
    done = program.call("POST", f"{IMPORT}/batches/{batch}?action=COMPLETE", json=None)
    again = program.call("POST", f"{IMPORT}/batches/{batch}?action=COMPLETE", content=b"null")

    assert "content-length" not in put.request.headers
    assert (put.status_code, put.json()) == (200, {"name": "a.json", "sizeInBytes": len(LINES)})
    assert len(shown["preview"]["rows"]) == 2
    assert (done.status_code, again.status_code) == (200, 200)
    assert program.ended(batch)["status"] == "success"
    assert list(program.get(f"{CATALOG}/batches/", limit=1)) == [batch]
    assert program.get(f"{CATALOG}/batches/uniques/status") == ["success"]
    deleted = program.call("DELETE", f"{CATALOG}/batches/{batch}")
    assert (deleted.status_code, deleted.json()) == (200, [f"@/batches/{batch}"])
    assert program.told(batch)["status"] == "inactive"


def test_adobes_command_line_plugin_makes_batches_in_the_catalog(program):
    dataset = program.dataset()
    asked = {"datasetId": dataset, "status": "active", "inputFormat": {"format": "json"}}

    made = program.call("POST", f"{CATALOG}/batches/", json=asked)

    assert made.status_code == 201
    batch = made.json()[0].removeprefix("@/batches/")
    assert made.headers["Location"].endswith(batch)
    assert program.told(batch)["status"] == "loading"  # whatever was asked for


def test_the_mcp_server(program):
    """Encoded names, a token that has ended is renewed once, the status is read before REVERT."""
    dataset = program.dataset()
    batch = program.batch(dataset)
    name = quote("2026/visits of Ulm.json", safe="")

    ended = program.put(dataset, batch, name=name, headers={"Authorization": "Bearer ended"})
    put = program.put(dataset, batch, name=name)
    program.act(batch, "COMPLETE")

    assert ended.status_code == 401
    assert put.json()["name"] == "2026/visits of Ulm.json"
    going_on = ("loading", "loaded", "staging", "retrying", "failed")  # it does not know that failed is an end
    assert polled(program, batch, going_on) == "success"
    assert program.act(batch, "REVERT").status_code == 200
    assert program.told(batch)["status"] in ("inactive", "deleted")


def test_the_mcp_server_that_reverts_what_it_has_aborted(program):
    dataset = program.dataset()
    batch = program.batch(dataset)
    program.act(batch, "ABORT")

    refused = program.act(batch, "REVERT")

    assert (refused.status_code, refused.json()["code"]) == (428, "ERR-BI-104")
    assert batch_lists_are_refused(program)


def batch_lists_are_refused(program):
    """Skills and agents ask the import service for a list, which only the catalog has."""
    answer = program.call("GET", f"{IMPORT}/batches")
    return answer.status_code == 405 and answer.json()["detail"]


def test_the_command_line_tool_that_decodes_whatever_it_gets(program):
    """Every 2xx must be JSON, a batch must have these members, and a status beyond these raises."""
    dataset = program.dataset()
    known = ("loading", "staged", "processing", "success", "failed", "aborted", "retrying")
    created = program.call("POST", f"{IMPORT}/batches", json={"datasetId": dataset, "inputFormat": {"format": "json"}})
    batch = created.json()["id"]

    answers = [created, program.put(dataset, batch), program.act(batch, "COMPLETE")]

    assert all(isinstance(answer.json(), dict) for answer in answers)
    assert {"id", "imsOrg", "created", "updated"} <= created.json().keys()
    told = program.ended(batch)  # it waits longer than that between two looks
    assert {"id", "imsOrg", "created", "updated"} <= told.keys()
    assert told["status"] in known


def test_the_postman_collection(program):
    """Actions in small letters, every header at once, a chunk as a form: refused with the reason."""
    dataset = program.dataset()
    batch = program.batch(dataset)
    headers = {"x-sandbox-name": "prod", "x-sandbox-id": "1", "Content-Type": "application/json", "Cache-Control": "no"}
    file = program.file(dataset, batch, "big.json").replace("datasets", "dataSets")

    begun = program.call("POST", f"{file}?action=initialize", headers=headers)
    form = program.call(
        "PATCH", file, files={"file": ("big.json", LINES)}, headers={"Content-Range": f"bytes 0-{len(LINES) - 1}"}
    )
    sent = program.call("PATCH", file, content=LINES, headers={"Content-Range": f"bytes 0-{len(LINES) - 1}/*"})
    head = program.call("HEAD", file)
    ended = program.call("POST", f"{file}?action=complete", headers=headers)
    done = program.call("POST", f"{IMPORT}/batches/{batch}?action=complete", headers=headers)

    assert (begun.status_code, sent.status_code, ended.status_code, done.status_code) == (201, 200, 200, 200)
    assert (form.status_code, "octet-stream" in form.json()["detail"]) == (415, True)
    assert head.headers["Range"] == f"bytes=0-{len(LINES) - 1}"
    assert program.ended(batch)["status"] == "success"


def test_a_download_in_pieces(program):
    """What ETL tools do: list, read the first hundred bytes, then the rest."""
    dataset = program.dataset()
    batch = program.send(dataset)["id"]

    (file,) = program.get(f"{EXPORT}/batches/{batch}/files")["data"]
    (entry,) = program.get(f"{EXPORT}/files/{file['dataSetFileId']}")["data"]
    address = httpx.URL(entry["_links"]["self"]["href"])
    parts = [
        httpx.get(address, headers={**program.headers, "Range": told})
        for told in ("bytes=0-9", "bytes=10-", "bytes=-1")
    ]

    assert [part.status_code for part in parts] == [206, 206, 206]
    assert parts[0].headers["Content-Range"] == f"bytes 0-9/{len(LINES)}"
    assert parts[0].content + parts[1].content == LINES
    assert json.loads(LINES.splitlines()[0])["name"] == "Ada"
