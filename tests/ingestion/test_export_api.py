"""Uploaded files over the export service: listed, described, downloaded whole and in ranges."""

import tracemalloc

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from ingestion.api.export.content import Stream, stored
from ingestion.rooms import store
from tests import factories
from tests.ingestion import catalog_kit as make

pytestmark = pytest.mark.django_db
WHOLE = b"0123456789abcdefghij"


@pytest.fixture
def program():
    return make.asker()


@pytest.fixture
def file():
    """Twenty bytes in three pieces."""
    return make.file(make.batch(), "part=1/größe.json", WHOLE[:5], WHOLE[5:6], WHOLE[6:])


def id_of(file):
    return f"{file.batch.public_id}-{file.ordinal}"


def test_the_files_of_a_batch_are_listed(program, file):
    make.file(file.batch, "b.json", ordinal=1)

    answer = program.export(f"/batches/{file.batch.public_id}/files").json()

    first = answer["data"][0]
    assert first | {"created": "", "updated": ""} == {
        "dataSetFileId": id_of(file),
        "dataSetViewId": file.batch.dataset.public_id,
        "version": "1.0.0",
        "created": "",
        "updated": "",
        "size": "20",
        "isValid": True,
        "_links": {"self": {"href": f"http://testserver/data/foundation/export/files/{id_of(file)}"}},
    }
    assert first["created"].isdigit()
    assert answer["_page"] == {"limit": 100, "count": 2}
    assert "next" not in answer["_links"]


def test_a_long_list_is_cut_into_pages_that_lead_on(program):
    batch = make.batch()
    for number in range(5):
        make.file(batch, f"{number}.json")
    href, seen = f"{make.EXPORT}/batches/{batch.public_id}/files?limit=2", []

    while href:
        answer = program.http.get(href, headers=program.headers).json()
        seen += [each["dataSetFileId"] for each in answer["data"]]
        href = answer["_links"].get("next", {}).get("href")

    assert seen == [f"{batch.public_id}-{number}" for number in range(5)]


@pytest.mark.parametrize("limit", ["0", "101", "x", "9" * 40])
def test_a_limit_beyond_the_range_is_refused(program, file, limit):
    assert "1-100" in program.refused(f"/batches/{file.batch.public_id}/files", at=make.EXPORT, limit=limit)


def test_one_file_is_described_in_the_same_envelope(program, file):
    answer = program.export(f"/files/{id_of(file)}").json()

    (entry,) = answer["data"]
    assert (entry["name"], entry["length"]) == ("part=1/größe.json", "20")
    assert make.body_of(program.http.get(entry["_links"]["self"]["href"], headers=program.headers)) == WHOLE
    assert program.export(f"/files/{id_of(file)}", start="zzz").json()["data"] == []
    assert len(program.export(f"/files/{id_of(file)}", start="part").json()["data"]) == 1


@pytest.mark.parametrize("path", ["part=1/größe.json", "größe.json"])
def test_a_file_is_downloaded_by_its_name(program, file, path):
    answer = program.export(f"/files/{id_of(file)}", path=path)

    assert make.body_of(answer) == WHOLE
    assert answer.status_code == 200
    assert answer.headers["Content-Length"] == "20"
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Disposition"] == "attachment; filename*=utf-8''gr%C3%B6%C3%9Fe.json"
    assert answer.headers["Accept-Ranges"] == "bytes"


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_each_format_has_its_media_type(program, form):
    file = make.file(make.batch(input_format={"format": form}), f"a.{form}")

    answer = program.head(f"/files/{id_of(file)}", path=f"a.{form}")

    assert answer.headers["Content-Type"] == {"parquet": "application/parquet", "csv": "text/csv"}[form]


@pytest.mark.parametrize(
    ("ranged", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=0-4", 0, 4),
        ("bytes=4-6", 4, 6),
        ("bytes=5-5", 5, 5),
        ("bytes=3-", 3, 19),
        ("bytes=19-19", 19, 19),
        ("bytes=0-99", 0, 19),
        ("bytes=-1", 19, 19),
        ("bytes=-15", 5, 19),
        ("bytes=-99", 0, 19),
        ("bytes=0-9999999999999999999", 0, 19),
        (" bytes= 7 - 9 ", 7, 9),
        ("Bytes=7-9", 7, 9),
    ],
)
def test_a_range_goes_over_pieces(program, file, ranged, first, last):
    answer = program.export(f"/files/{id_of(file)}", path=file.path, ranged=ranged)

    assert answer.status_code == 206
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/20"
    assert answer.headers["Content-Length"] == str(last - first + 1)
    assert make.body_of(answer) == WHOLE[first : last + 1]


@pytest.mark.parametrize("ranged", ["bytes=20-", "bytes=99-100", "bytes=-0", "bytes=9999999999999999999-"])
def test_a_range_beyond_the_end_is_416(program, file, ranged):
    answer = program.export(f"/files/{id_of(file)}", path=file.path, ranged=ranged)

    assert (answer.status_code, answer.json()["status"]) == (416, 416)
    assert answer.headers["Content-Range"] == "bytes */20"


@pytest.mark.parametrize(
    "ranged",
    [
        "bytes=5-2",
        "bytes=a-b",
        "bytes=-",
        "lines=0-1",
        "bytes=0-1,3-4",
        "bytes",
        "bytes=--1",
        "bytes=" + "9" * 40 + "-",
    ],
)
def test_what_is_no_single_range_is_answered_with_the_whole(program, file, ranged):
    answer = program.export(f"/files/{id_of(file)}", path=file.path, ranged=ranged)

    assert (answer.status_code, make.body_of(answer)) == (200, WHOLE)


def test_a_range_of_bytes_that_have_changed_is_answered_with_the_whole(program, file):
    tag = program.head(f"/files/{id_of(file)}", path=file.path).headers["ETag"]

    def asked(condition):
        headers = {**program.headers, "range": "bytes=0-1", "if-range": condition}
        return program.http.get(f"{make.EXPORT}/files/{id_of(file)}", {"path": file.path}, headers=headers).status_code

    assert (asked(tag), asked('"other"')) == (206, 200)


def test_the_head_of_a_file_tells_its_length_and_type(program, file):
    answer = program.head(f"/files/{id_of(file)}", path=file.path)

    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["Content-Length"] == "20"
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert program.head(f"/files/{id_of(file)}").status_code == 400
    assert program.head(f"/files/{id_of(file)}", path="other").status_code == 404


def test_an_empty_file_is_downloaded_and_has_no_ranges(program):
    file = make.file(make.batch(), "empty.json", b"")
    file.pieces.all().delete()

    assert make.body_of(program.export(f"/files/{id_of(file)}", path="empty.json")) == b""
    assert program.export(f"/files/{id_of(file)}", path="empty.json", ranged="bytes=0-0").status_code == 416


def test_bytes_that_were_deleted_after_their_time_are_said_to_be_gone(program, file):
    store().delete(file.pieces.first().key)

    assert "deleted" in program.refused(f"/files/{id_of(file)}", 404, at=make.EXPORT, path=file.path)


@pytest.mark.parametrize("left", [0, 1])
def test_a_file_whose_bytes_are_kept_no_more_is_not_an_empty_one(program, file, left, settings):
    for piece in file.pieces.order_by("first")[left:]:
        piece.delete()

    said = program.refused(f"/files/{id_of(file)}", 404, at=make.EXPORT, path=file.path)

    assert f"kept for {settings.KEEP_STAGED_DAYS} days" in said
    assert program.head(f"/files/{id_of(file)}", path=file.path).status_code == 404
    assert program.export(f"/files/{id_of(file)}").status_code == 200


def test_another_name_leads_nowhere(program, file):
    for path in ("other.json", "", "../größe.json", "a\0b", "x" * 500):
        assert program.refused(f"/files/{id_of(file)}", 404, at=make.EXPORT, path=path)


@pytest.mark.parametrize("public_id", ["x", "x-1", "-1", "01EQ1C48TR4GD4FE7NH2522TCQ-0", "a-" + "9" * 30, "é-1"])
def test_an_id_of_no_file_leads_nowhere(program, public_id):
    assert program.refused(f"/files/{public_id}", 404, at=make.EXPORT)


def test_an_unfinished_file_is_not_there(program, file):
    file.is_complete = False
    file.save()

    assert program.export(f"/batches/{file.batch.public_id}/files").json()["data"] == []
    assert program.refused(f"/files/{id_of(file)}", 404, at=make.EXPORT, path=file.path)


def test_files_of_another_organisation_or_sandbox_are_not_there(program):
    for dataset in (make.dataset(organisation="other"), make.dataset(sandbox="dev")):
        file = make.file(make.batch(dataset))
        batch = file.batch.public_id

        for path in ("/batches/{}/files", "/batches/{}/failed", "/batches/{}/meta", "/files/{}-0"):
            assert program.refused(path.format(batch), 404, at=make.EXPORT)
        assert program.refused(f"/files/{batch}-0", 404, at=make.EXPORT, path=file.path)
        assert program.refused(f"/datasets/{dataset.public_id}/preview", 404, at=make.EXPORT)


def test_the_cost_of_a_download_does_not_grow_with_its_pieces(program):
    few = make.file(make.batch(), "a", b"x")
    many = make.file(make.batch(), "a", *[b"x"] * 20)

    def cost(file):
        with CaptureQueriesContext(connection) as captured:
            make.body_of(program.export(f"/files/{id_of(file)}", path="a"))
        return len(captured)

    assert cost(few) == cost(many) <= 3


def test_memory_stays_flat_while_a_large_range_is_sent():
    piece = bytes(16 << 20)
    for number in range(3):
        store().put_bytes(f"test/large/{number}", piece)
    segments = [stored(f"test/large/{number}", len(piece)) for number in range(3)]

    tracemalloc.start()
    sent = sum(len(block) for block in Stream(segments, first=1, last=3 * len(piece) - 2))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert sent == 3 * len(piece) - 2
    assert peak < 2 << 20


def test_an_answer_that_cannot_be_completed_is_broken_off():
    store().put_bytes("test/short/0", b"abc")

    with pytest.raises(ConnectionAbortedError):
        list(Stream([stored("test/short/0", 5)], first=0, last=4))


def test_a_person_needs_the_right_to_see_records(file):
    http, path = Client(), f"{make.EXPORT}/batches/{file.batch.public_id}/files"
    http.force_login(factories.person("ingestion.view_batch"))
    refused = http.get(path)
    http.force_login(factories.person("ingestion.view_batch", "runs.view_raw_data", name="bert"))

    assert (refused.status_code, http.get(path).status_code) == (403, 200)
    assert "runs.view_raw_data" in refused.json()["detail"]
