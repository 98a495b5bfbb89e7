"""Files sent in one request: what is kept, what is refused, and that nothing is kept in halves."""

import base64
import hashlib
import io

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from ingestion import lifecycle
from ingestion.models import BatchFile, Discarded, Piece
from ingestion.rooms import store
from tests.ingestion.import_kit import (
    LINES,
    bytes_of,
    dataset,
    dataset_of,
    file_path,
    kept,
    refused,
    sender,
    statements,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def staging(settings, tmp_path):
    settings.STAGING_URL = f"file://{tmp_path}/staging"
    settings.SCRATCH_DIR = tmp_path / "scratch"
    return tmp_path


@pytest.fixture
def send():
    return sender()


@pytest.fixture
def batch(send):
    return send.create(dataset())


def objects():
    return [item.key for item in store().list("")]


def the_file():
    return BatchFile.objects.get()


@pytest.mark.parametrize("size", [1, 65_536, 65_537, 3_000_000])
def test_a_file_is_kept_as_it_was_sent(send, batch, staging, size):
    data = (b"0123456789" * (size // 10 + 1))[:size]

    answer = send.put(batch, "a.json", data)

    assert (answer.status_code, answer.json()) == (200, {"name": "a.json", "sizeInBytes": size})
    assert bytes_of(the_file()) == data
    assert the_file().sha256 == hashlib.sha256(data).hexdigest()
    assert (kept(batch).files_left, kept(batch).input_size) == (1, size)
    assert [path for path in (staging / "scratch").rglob("*") if path.is_file()] == []


def test_an_empty_file_is_a_file(send, batch):
    answer = send.put(batch, "empty.json", b"")

    assert (answer.status_code, answer.json()["sizeInBytes"]) == (200, 0)
    assert bytes_of(the_file()) == b""
    assert kept(batch).files_left == 1


def test_a_put_costs_five_statements_at_most(send, batch):
    send.put(batch, "first.json")

    with CaptureQueriesContext(connection) as captured:
        send.put(batch, "second.json")

    assert len(statements(captured)) <= 1 + 5  # one for the gateway


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("part1=a/part2=b/x.json", "part1=a/part2=b/x.json"),
        ("part1%3Da%2Fx.json", "part1=a/x.json"),
        ("f%C3%BCr%20alle.json", "für alle.json"),
        ("fu%CC%88r.json", "für.json"),
        ("a.json/", "a.json"),
        ("100%25.json", "100%.json"),
        ("%F0%9F%8E%89.json", "🎉.json"),
    ],
)
def test_a_path_keeps_its_folders_and_its_letters(send, batch, name, path):
    assert send.put(batch, name).json()["name"] == path
    assert the_file().path == path


@pytest.mark.parametrize(
    "name",
    [
        "a//b.json", "%2Fa.json", "../a.json", "a/../b", "a/./b", ".hidden", "a/.b", "a%5Cb", "a%00b", "con",
        "a/NUL.json", "lpt1.txt", "x" * 256, "%E2%80%A8", "é" * 128,
    ],
)  # fmt: skip
def test_a_path_that_could_do_harm_elsewhere_is_refused(send, batch, name):
    refused(send.put(batch, name), 400, "file path")
    assert not BatchFile.objects.exists()
    assert objects() == []


def test_the_word_datasets_may_be_written_either_way(send, batch):
    assert send.call("PUT", file_path(batch, word="dataSets"), LINES).status_code == 200


def test_a_second_file_of_the_same_path_takes_the_first_ones_place(send, batch):
    send.put(batch, "a.json", b"first")
    (old,) = objects()

    answer = send.put(batch, "a.json", b"second one")

    assert answer.json() == {"name": "a.json", "sizeInBytes": 10}
    assert bytes_of(the_file()) == b"second one"
    assert Discarded.objects.get().key == old
    assert (kept(batch).files_left, kept(batch).input_size) == (1, 10)


def test_a_file_takes_the_place_of_a_large_one_that_was_begun(send, batch):
    send.begin(batch, "a.json")
    send.chunk(batch, 0, 9, name="a.json")

    send.put(batch, "a.json", b"whole")

    assert bytes_of(the_file()) == b"whole"
    assert (the_file().is_large, the_file().is_complete, kept(batch).input_size) == (False, True, 5)


def test_more_than_a_request_may_bring_is_refused(send, batch, settings):
    settings.UPLOAD_FILE_BYTES = 100_000

    refused(send.put(batch, data=bytes(100_001)), 413, "100,000 bytes")
    in_chunks = send.put(
        batch, CONTENT_LENGTH="", **{"wsgi.input": io.BytesIO(bytes(100_001)), "wsgi.input_terminated": True}
    )

    refused(in_chunks, 413)
    assert not BatchFile.objects.exists()
    assert objects() == []


def test_a_body_that_ends_early_leaves_nothing(send, batch):
    for size in (10, 200_000):
        cut = {"CONTENT_LENGTH": str(size + 1), "wsgi.input": io.BytesIO(bytes(size))}
        refused(send.put(batch, data=b"", **cut), 400, f"{size:,} bytes of {size + 1:,}")

    assert not BatchFile.objects.exists()
    assert objects() == []


def test_a_body_that_goes_on_beyond_its_length_leaves_nothing(send, batch):
    long = {"CONTENT_LENGTH": "5", "wsgi.input": io.BytesIO(b"0123456789"), "wsgi.input_terminated": True}

    refused(send.put(batch, data=b"", **long), 400, "longer than its Content-Length of 5")
    assert not BatchFile.objects.exists()


def test_a_connection_that_breaks_leaves_nothing(send, batch):
    class Broken(io.BytesIO):
        def read(self, size=-1):
            raise OSError("connection reset")

    for more in ({"CONTENT_LENGTH": "10"}, {"CONTENT_LENGTH": "", "wsgi.input_terminated": True}):
        refused(send.put(batch, data=b"", **{"wsgi.input": Broken(), **more}), 400, "did not arrive whole")
    assert not BatchFile.objects.exists()


@pytest.mark.parametrize("length", ["-1", "ten", "1e3", "9" * 30])
def test_a_length_that_is_no_number_is_refused(send, batch, length):
    refused(send.put(batch, CONTENT_LENGTH=length), 400, "Content-Length")


def digest(algorithm, data=LINES):
    return base64.b64encode(hashlib.new(algorithm, data).digest()).decode()


@pytest.mark.parametrize("data", [LINES, LINES * 10_000])
def test_checksums_that_agree_are_fine(send, batch, data):
    told = {
        "Content-MD5": digest("md5", data),
        "Content-Digest": f"sha-256=:{digest('sha256', data)}:, unixsum=:AAAA:",
        "x-amz-checksum-sha256": digest("sha256", data),
    }

    assert send.put(batch, data=data, headers=told).status_code == 200


@pytest.mark.parametrize("data", [b"other", b"other" * 20_000])
@pytest.mark.parametrize(
    "told",
    [
        {"Content-MD5": digest("md5")},
        {"Content-Digest": f"sha-256=:{digest('sha256')}:"},
        {"Content-Digest": f"sha-512=:{digest('sha512')}:"},
        {"x-amz-checksum-sha256": digest("sha256")},
    ],
)
def test_a_checksum_that_differs_leaves_nothing(send, batch, told, data):
    refused(send.put(batch, data=data, headers=told), 400, "checksum", next(iter(told)))
    assert not BatchFile.objects.exists()
    assert objects() == []


@pytest.mark.parametrize(
    "told",
    [
        {"Content-MD5": "no base64!"},
        {"Content-MD5": "AAAA"},
        {"Content-Digest": "sha-256"},
        {"Content-Digest": "sha-256=:AAAA:"},
        {"x-amz-checksum-sha256": "é"},
    ],
)
def test_a_checksum_that_is_none_is_a_bad_request(send, batch, told):
    refused(send.put(batch, headers=told), 400, next(iter(told)))


@pytest.mark.parametrize("value", ["bytes 0-19/40", "bytes 20-39/40", "bytes 0-19/*", "bytes 0-19"])
def test_a_part_of_a_file_is_not_taken_for_the_file(send, batch, value):
    answer = send.put(batch, data=LINES, headers={"Content-Range": value})

    refused(answer, 400, "whole file", "PATCH")
    assert not kept(batch).files.exists()


def test_a_range_that_is_the_whole_file_changes_nothing(send, batch):
    assert send.put(batch, data=LINES, headers={"Content-Range": "bytes 0-19/20"}).status_code == 200


@pytest.mark.parametrize("coding", ["gzip", "GZIP, identity", "aws-chunked", "x"])
def test_a_body_that_was_compressed_on_its_way_is_refused_at_once(send, batch, coding):
    refused(send.put(batch, headers={"Content-Encoding": coding}), 415, coding, "uncompressed")
    body = {"datasetId": dataset_of(batch)}
    refused(send.post(body, **{"Content-Encoding": coding}), 415, coding)
    assert not kept(batch).files.exists()


def test_a_body_may_say_that_it_is_as_it_is(send, batch):
    assert send.put(batch, headers={"Content-Encoding": "identity"}).status_code == 200


def test_a_form_is_not_a_file(send, batch):
    answer = send.put(batch, content_type="multipart/form-data; boundary=x")

    refused(answer, 415, "curl -F")


def test_a_batch_takes_so_many_files_and_no_more(send, batch, settings):
    settings.BATCH_FILES = 2
    for name in ("a", "b"):
        send.put(batch, name)

    refused(send.put(batch, "c"), 400, "2 files")
    refused(send.begin(batch, "c"), 400)
    assert send.put(batch, "a", b"again").status_code == 200
    assert BatchFile.objects.count() == 2


def test_a_batch_takes_so_many_bytes_and_no_more(send, batch, settings):
    settings.BATCH_BYTES = 100
    send.put(batch, "a", bytes(60))

    refused(send.put(batch, "b", bytes(41)), 413, "100 bytes")
    assert send.put(batch, "a", bytes(100)).status_code == 200
    assert (kept(batch).files_left, kept(batch).input_size) == (1, 100)
    assert len(objects()) == 3
    assert Discarded.objects.count() == 2  # the one refused, and the one replaced


@pytest.mark.parametrize(
    "end", [lifecycle.complete, lambda pk, actor: lifecycle.abort_by_hand(pk, actor=actor, reason="")]
)
def test_a_batch_that_is_not_loading_takes_no_files(send, batch, end):
    end(kept(batch).pk, actor="anna")

    refused(send.put(batch), 409, batch["id"])
    refused(send.begin(batch), 409)
    assert not Piece.objects.exists()
    assert objects() == []


def test_another_tenants_batch_is_not_there(send, batch):
    for stranger in (sender("else"), sender(name="Dev", sandbox="dev")):
        refused(stranger.put(batch), 404)
        refused(stranger.begin(batch), 404)
        refused(stranger.chunk(batch, 0, 9), 404)
        refused(stranger.finish(batch), 404)
        refused(stranger.act(batch, "ABORT"), 404)
        refused(stranger.call("GET", f"/batches/{batch['id']}/datasets/{dataset_of(batch)}/preview"), 404)
        assert stranger.head(batch).status_code == 404
    assert kept(batch).status == "loading"
    assert not BatchFile.objects.exists()


def test_a_batch_is_found_under_its_own_dataset_only(send, batch):
    other = {**batch, "relatedObjects": [{"id": dataset().public_id}]}

    refused(send.put(other), 404)
    refused(send.put({**batch, "id": "01EQ1C48TR4GD4FE7NH2522TCQ"}), 404)
    refused(send.put({**batch, "id": "%00"}), 404)


def test_a_file_can_only_be_sent_and_asked_after(send, batch):
    refused(send.call("GET", file_path(batch)), 405)
    refused(send.call("DELETE", file_path(batch)), 405)


def test_a_path_over_two_lines_leads_nowhere(send, batch):
    refused(send.put(batch, "a%0Ab"), 404)
