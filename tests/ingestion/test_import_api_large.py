"""Large files: chunks in any order, judged when the file is completed."""

import pytest

from ingestion.models import BatchFile, Discarded
from tests.ingestion.import_kit import bytes_of, dataset, file_path, kept, refused, sender

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def staging(settings, tmp_path):
    settings.STAGING_URL = f"file://{tmp_path}/staging"
    settings.SCRATCH_DIR = tmp_path / "scratch"


@pytest.fixture
def send():
    return sender()


@pytest.fixture
def batch(send):
    return send.create(dataset())


@pytest.fixture
def begun(send, batch):
    assert send.begin(batch).status_code == 201
    return batch


def test_a_large_file_is_begun_sent_and_completed(send, batch):
    begun = send.begin(batch, "a/big.json")
    first = send.chunk(batch, 0, 4, data=b"hello", name="a/big.json", total="/11")
    second = send.chunk(batch, 5, 10, data=b" world", name="a/big.json", total="/*")
    done = send.finish(batch, "a/big.json")

    assert (begun.status_code, begun.json()) == (201, {"name": "a/big.json", "sizeInBytes": 0})
    assert (first.status_code, first.json()["sizeInBytes"], first["Range"]) == (200, 5, "bytes=0-4")
    assert (second.status_code, second.json()["sizeInBytes"]) == (200, 11)
    assert (done.status_code, done.json()) == (200, {"name": "a/big.json", "sizeInBytes": 11})
    assert bytes_of(BatchFile.objects.get()) == b"hello world"
    assert (kept(batch).files_left, kept(batch).input_size) == (1, 11)


def test_chunks_may_come_in_any_order(send, begun):
    for first, data in ((6, b"ghi"), (0, b"abc"), (3, b"def")):
        assert send.chunk(begun, first, first + 2, data=data).status_code == 200

    assert send.finish(begun).json()["sizeInBytes"] == 9
    assert bytes_of(BatchFile.objects.get()) == b"abcdefghi"


def test_the_same_range_again_replaces_the_earlier(send, begun):
    send.chunk(begun, 0, 2, data=b"abc")
    send.chunk(begun, 0, 2, data=b"xyz")
    send.finish(begun)

    assert bytes_of(BatchFile.objects.get()) == b"xyz"
    assert Discarded.objects.count() == 1
    assert kept(begun).input_size == 3


def test_gaps_and_overlaps_are_named_when_the_file_is_completed(send, begun):
    for first, last in ((10, 19), (15, 24), (40, 49)):
        assert send.chunk(begun, first, last, total="/60").status_code == 200

    body = refused(send.finish(begun), 400)

    assert "bytes 0-9, 25-39, 50-59 missing" in body["detail"]
    assert "bytes 15-19 sent twice" in body["detail"]
    assert not BatchFile.objects.get().is_complete
    assert send.act(begun, "COMPLETE").status_code == 400


def test_a_file_without_chunks_cannot_be_completed(send, begun):
    refused(send.finish(begun), 400, "No chunk")


def test_a_total_that_changes_is_refused(send, begun):
    send.chunk(begun, 0, 9, total="/100")

    refused(send.chunk(begun, 10, 19, total="/99"), 400, "100 bytes", "99")
    refused(send.chunk(begun, 95, 104), 400, "100 bytes")
    assert BatchFile.objects.get().size == 10


def test_a_total_below_what_has_arrived_is_refused(send, begun):
    send.chunk(begun, 50, 59)

    refused(send.chunk(begun, 0, 9, total="/55"), 400, "55 bytes")


@pytest.mark.parametrize("size", [0, 9, 11])
def test_a_body_of_another_length_than_its_range_is_refused(send, begun, size):
    refused(send.chunk(begun, 0, 9, data=bytes(size)), 400, "10 bytes", str(size))
    assert BatchFile.objects.get().size == 0


@pytest.mark.parametrize(
    "value",
    [
        "",
        "bytes",
        "bytes 5-4",
        "bytes 0-9/9",
        "bytes a-b",
        "bytes 0-9/x",
        "items 0-9",
        "bytes -5",
        "bytes 0-" + "9" * 40,
    ],
)
def test_a_range_that_is_none_is_refused(send, begun, value):
    refused(send.chunk(begun, 0, 9, **{"Content-Range": value}), 400, "Content-Range")


def test_a_chunk_larger_than_allowed_is_refused(send, begun, settings):
    settings.UPLOAD_CHUNK_BYTES = 50

    refused(send.chunk(begun, 0, 50), 413, "50 bytes")


def test_a_chunk_of_a_file_that_was_not_begun_is_refused(send, batch):
    refused(send.chunk(batch, 0, 9), 404, "INITIALIZE")
    send.put(batch, "big.json")
    refused(send.chunk(batch, 0, 9), 409, "INITIALIZE")


def test_a_complete_file_takes_no_more_chunks_and_may_be_completed_again(send, begun):
    send.chunk(begun, 0, 9)
    send.finish(begun)

    assert send.finish(begun).status_code == 200
    refused(send.chunk(begun, 10, 19), 409, "complete")


def test_a_file_may_be_begun_anew(send, begun):
    send.chunk(begun, 0, 9)
    send.finish(begun)

    assert send.begin(begun).status_code == 201
    assert send.head(begun).status_code == 200
    assert not BatchFile.objects.get().pieces.exists()
    assert (kept(begun).files_left, kept(begun).input_size, Discarded.objects.count()) == (1, 0, 1)


def test_the_head_of_a_file_says_what_has_arrived(send, begun):
    assert "Range" not in send.head(begun)
    for first, last in ((0, 9), (10, 19), (30, 39), (35, 44)):
        send.chunk(begun, first, last)

    answer = send.head(begun)

    assert (answer.status_code, answer["Range"], answer.content) == (200, "bytes=0-19,30-44", b"")
    assert send.head(begun, "other.json").status_code == 404


@pytest.mark.parametrize("query", ["", "?action=", "?action=ABORT", "?action=%00"])
def test_an_action_that_files_do_not_know_is_refused(send, begun, query):
    refused(send.call("POST", file_path(begun, "big.json") + query), 400, "INITIALIZE, COMPLETE")


def test_actions_are_read_in_any_case(send, batch):
    assert send.call("POST", file_path(batch) + "?action=initialize").status_code == 201


def test_the_limit_of_a_batch_counts_chunks(send, begun, settings):
    settings.BATCH_BYTES = 25
    send.chunk(begun, 0, 9)
    send.chunk(begun, 10, 19)

    refused(send.chunk(begun, 20, 29), 413)
    assert send.chunk(begun, 10, 19).status_code == 200
