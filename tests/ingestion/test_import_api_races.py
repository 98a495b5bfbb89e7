"""Requests of one client side by side, each in a connection of its own: in, or refused, and never half."""

import threading
from concurrent.futures import ThreadPoolExecutor
from time import sleep

import pytest
from django.db import connections, transaction

from ingestion import dispatch
from ingestion.models import Batch, BatchEvent, BatchFile, Piece
from ingestion.refusals import Refused, Why
from ingestion.uploads import completing, creating, files, large
from ingestion.uploads.checksums import Checksums
from ingestion.uploads.creation import Creation
from ingestion.uploads.ranges import read_content_range
from ingestion.uploads.spooling import stored
from tests.ingestion.import_kit import bytes_of, caller, dataset

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def staging(settings, tmp_path, monkeypatch):
    settings.STAGING_URL = f"file://{tmp_path}/staging"
    settings.SCRATCH_DIR = tmp_path / "scratch"
    monkeypatch.setattr(dispatch, "send", lambda *_: True)


@pytest.fixture
def batch():
    return creating.create(caller(), Creation(dataset_id=dataset().public_id, input_format={"format": "json"}))


def side_by_side(*verbs):
    """What each verb answered, or the refusal that it met."""
    start = threading.Barrier(len(verbs))

    def run(verb):
        try:
            start.wait()
            return verb()
        except Refused as refusal:
            return refusal
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(verbs)) as pool:
        return list(pool.map(run, verbs))


def place(batch, path="a.json"):
    return files.place_for(caller(), batch.public_id, batch.dataset.public_id, path)


def put(batch, path, data):
    where = place(batch, path)
    return files.put(where, stored(where.batch, [data], Checksums({})))


def put_chunk(batch, first, data):
    chunk = read_content_range(f"bytes {first}-{first + len(data) - 1}")
    where = large.place_of_chunk(caller(), batch.public_id, batch.dataset.public_id, "big.json", chunk)
    return large.put_chunk(where, chunk, stored(where.batch, [data], Checksums({})))


def test_of_many_that_complete_one_moves_the_batch(batch):
    put(batch, "a.json", b"{}")

    answers = side_by_side(*[lambda: completing.complete(caller(), batch.public_id)] * 6)

    assert sorted(moved for _, moved in answers) == [False] * 5 + [True]
    assert BatchEvent.objects.filter(batch=batch, after="loaded").count() == 1


@pytest.mark.parametrize("round_", range(5))
def test_an_upload_that_races_complete_is_in_or_refused(batch, round_):
    put(batch, "first.json", b"{}")
    where = place(batch, "late.json")
    upload = stored(where.batch, [b"{}"], Checksums({}))

    late, _ = side_by_side(lambda: files.put(where, upload), lambda: completing.complete(caller(), batch.public_id))

    batch.refresh_from_db()
    count = BatchFile.objects.filter(batch=batch).count()
    if isinstance(late, Refused):
        assert (late.why, count) == (Why.CONFLICT, 1)
    else:
        assert count == 2
    assert (batch.status, batch.files_left) == ("loaded", count)
    assert Piece.objects.filter(file__batch=batch).count() == count


def test_a_batch_is_not_completed_over_a_large_file_that_was_begun_meanwhile(batch):
    """COMPLETE waits for the row that INITIALIZE holds, and must then see what INITIALIZE did."""
    put(batch, "first.json", b"{}")
    where, held = place(batch, "big.json"), threading.Event()

    def begin():
        with transaction.atomic():
            large.initialize(where)
            held.set()
            sleep(0.3)

    def complete():
        held.wait()
        return completing.complete(caller(), batch.public_id)

    _, answer = side_by_side(begin, complete)

    assert isinstance(answer, Refused)
    assert "big.json" in answer.message
    batch.refresh_from_db()
    assert batch.status == "loading"


def test_uploads_of_one_new_path_leave_one_file(batch):
    answers = side_by_side(*[lambda data=data: put(batch, "a.json", data) for data in (b"1", b"22", b"333")])

    batch.refresh_from_db()
    (file,) = BatchFile.objects.filter(batch=batch)
    assert not [answer for answer in answers if isinstance(answer, Refused)]
    assert bytes_of(file) in (b"1", b"22", b"333")
    assert (batch.files_left, batch.input_size) == (1, file.size)


def test_uploads_of_many_paths_count_right(batch):
    side_by_side(*[lambda name=name: put(batch, f"{name}.json", b"12345") for name in range(8)])

    batch.refresh_from_db()
    assert (batch.files_left, batch.input_size) == (8, 40)
    assert list(BatchFile.objects.filter(batch=batch).values_list("ordinal", flat=True)) == list(range(8))


def test_the_same_chunk_at_once_is_kept_once(batch):
    large.initialize(place(batch, "big.json"))

    side_by_side(*[lambda data=data: put_chunk(batch, 0, data) for data in (b"aaaa", b"bbbb", b"cccc")])
    put_chunk(batch, 4, b"zz")
    done = large.complete_file(place(batch, "big.json"))

    batch.refresh_from_db()
    assert done.size == batch.input_size == 6
    assert bytes_of(BatchFile.objects.get()) in (b"aaaazz", b"bbbbzz", b"cccczz")


def test_a_large_file_begun_twice_at_once_is_one_file(batch):
    where = place(batch, "big.json")

    answers = side_by_side(*[lambda: large.initialize(where)] * 3)

    assert not [answer for answer in answers if isinstance(answer, Refused)]
    assert BatchFile.objects.filter(batch=batch).count() == 1


def test_the_same_external_id_at_once_is_one_batch():
    creation = Creation(dataset_id=dataset().public_id, external_id="night-7")

    answers = side_by_side(*[lambda: creating.create(caller(), creation)] * 6)

    assert len({answer.public_id for answer in answers}) == 1
    assert Batch.objects.count() == 1


def test_complete_and_abort_at_once_leave_one_of_them(batch):
    put(batch, "a.json", b"{}")

    answers = side_by_side(
        lambda: completing.complete(caller(), batch.public_id), lambda: completing.abort(caller(), batch.public_id)
    )

    batch.refresh_from_db()
    (refusal,) = (answer for answer in answers if isinstance(answer, Refused))
    assert refusal.code == "ERR-BI-104"
    assert batch.status in ("loaded", "aborted")
