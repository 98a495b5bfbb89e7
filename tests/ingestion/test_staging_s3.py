"""What S3 brings with it: stores that know less, credentials that end, reads that lie, uploads that nobody ends."""

import hashlib
import os
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.error import HTTPError

import pytest

from ingestion.staging import s3_client, s3_write
from ingestion.staging.base import ObjectExists, ObjectMissing, StagingError, StagingStore, StagingUnavailable
from ingestion.staging.stores import open_store
from tests.services import faulty
from tests.services.faulty import Dice, FaultyProxy
from tests.services.s3 import REGION, RunningS3

KEY = "default/prod/7/run-3/12/1/part-1.csv.gz"


@pytest.fixture
def proxy(s3_server: RunningS3) -> Iterator[FaultyProxy]:
    with faulty.faulty(s3_server.endpoint) as running:
        yield running


@pytest.fixture
def store(proxy: FaultyProxy, s3_bucket: str) -> StagingStore:
    return open_store(f"s3://{s3_bucket}/staging?endpoint_url={proxy.url}&region={REGION}&timeout=1")


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_write, "LARGE", 1)
    monkeypatch.setattr(s3_write, "PIECE", 5 << 20)


def put(store: StagingStore, folder: Path, data: bytes, key: str = KEY) -> None:
    path = folder / "source"
    path.write_bytes(data)
    store.put(key, path, sha256=hashlib.sha256(data).hexdigest())


def read(store: StagingStore, key: str = KEY) -> bytes:
    with store.open(key) as stream:
        return stream.read()


def uploads(s3_server: RunningS3, bucket: str) -> list[str]:
    return [item["Key"] for item in s3_server.client().list_multipart_uploads(Bucket=bucket).get("Uploads", ())]


# Stores that do not know conditional writes


@pytest.mark.parametrize("size", [5, 6 << 20])
def test_a_store_without_conditions_is_asked_before_each_write(
    proxy: FaultyProxy, store: StagingStore, tmp_path: Path, size: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(s3_write, "LARGE", 1 << 20)
    monkeypatch.setattr(s3_write, "PIECE", 5 << 20)
    proxy.knows_conditions = False
    data = os.urandom(size)

    put(store, tmp_path, data)
    put(store, tmp_path, data)
    with pytest.raises(ObjectExists, match="never overwritten"):
        put(store, tmp_path, data[::-1])

    assert read(store) == data
    refused = [path for method, path in proxy.requests if method == "HEAD"]
    assert len(refused) >= 3, "each write asked first"


# F80: the write came through, its answer did not


@pytest.mark.parametrize("fault", [faulty.LOSE_ANSWER, faulty.LATE_SUCCESS])
def test_a_write_that_timed_out_but_came_through_counts(
    proxy: FaultyProxy, store: StagingStore, tmp_path: Path, fault: str
):
    proxy.break_next("PUT", fault)

    put(store, tmp_path, b"bytes")

    assert read(store) == b"bytes"
    assert [method for method, _ in proxy.requests].count("HEAD") == 1, "the object that was there was compared"


def test_a_write_that_met_other_bytes_after_a_timeout_is_refused(
    proxy: FaultyProxy, store: StagingStore, tmp_path: Path
):
    put(store, tmp_path, b"first")
    proxy.break_next("PUT", faulty.LATE_SUCCESS)

    with pytest.raises(ObjectExists):
        put(store, tmp_path, b"other")

    assert read(store) == b"first"


# Reads


@pytest.mark.parametrize("fault", [faulty.SPOIL_BODY, faulty.SHORT_BODY])
def test_bytes_that_came_spoiled_are_refused_and_may_be_read_again(
    proxy: FaultyProxy, store: StagingStore, tmp_path: Path, fault: str
):
    put(store, tmp_path, b"the bytes that were written")
    proxy.break_next("GET", fault)

    with pytest.raises(StagingUnavailable, match="other bytes") as raised:
        read(store)

    assert KEY in raised.value.message
    assert raised.value.transient
    assert read(store) == b"the bytes that were written"


def test_a_copy_that_was_spoiled_on_its_way_is_fetched_again(proxy: FaultyProxy, store: StagingStore, tmp_path: Path):
    put(store, tmp_path, b"the bytes that were written")
    proxy.break_next("GET", faulty.SPOIL_BODY)

    assert store.fetch(KEY, tmp_path / "copy").read_bytes() == b"the bytes that were written"


def test_an_object_that_was_changed_in_the_store_is_refused(
    store: StagingStore, s3_server: RunningS3, s3_bucket: str, tmp_path: Path
):
    put(store, tmp_path, b"as it was")
    about = {"sha256": hashlib.sha256(b"as it was").hexdigest()}
    s3_server.client().put_object(Bucket=s3_bucket, Key=f"staging/{KEY}", Body=b"as it is.", Metadata=about)

    with pytest.raises(ObjectMissing, match="checksum differs") as raised:
        store.fetch(KEY, tmp_path / "copy")

    assert KEY in raised.value.message
    assert raised.value.advice


def test_all_kinds_of_faults_at_a_fifth_of_requests_are_outlived(
    proxy: FaultyProxy, store: StagingStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.01)
    chances = {("*", faulty.BUSY): 0.08, ("*", faulty.BROKEN): 0.06, ("*", faulty.RESET): 0.06}
    proxy.dice = Dice(1, {**chances, ("PUT", faulty.LOSE_ANSWER): 0.02, ("GET", faulty.CUT_BODY): 0.05})

    for number in range(25):
        put(store, tmp_path, b"%d" % number * 99, key=f"a/{number}")
    proxy_reads = [read(store, f"a/{number}") for number in range(25)]

    assert proxy_reads == [b"%d" % number * 99 for number in range(25)]
    assert sum(count for fault, count in proxy.met.items() if fault) >= 8


# F83: credentials that end


@pytest.fixture
def credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(path))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY", raising=False)
    give(path, "OLDKEY")
    return path


def give(path: Path, name: str) -> None:
    path.write_text(f"[default]\naws_access_key_id = {name}\naws_secret_access_key = secret-of-{name}\n")


def test_credentials_that_expire_during_an_upload_are_read_anew(
    small_pieces, credentials: Path, proxy: FaultyProxy, s3_server: RunningS3, s3_bucket: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):  # fmt: skip
    store = open_store(f"s3://{s3_bucket}/staging?endpoint_url={proxy.url}&region={REGION}")
    send = s3_client.Clients.ask
    asked = 0

    def ask(clients, request):
        nonlocal asked
        asked += 1
        if asked == 3:  # begun, and the first piece is sent
            proxy.expired = {"OLDKEY"}
            give(credentials, "NEWKEY")
        return send(clients, request)

    monkeypatch.setattr(s3_client.Clients, "ask", ask)
    data = os.urandom(11 << 20)

    put(store, tmp_path, data)

    begun = [path for method, path in proxy.requests if method == "POST" and "uploads" in path]
    assert len(begun) == 1, "the upload that was begun with the old credentials was ended with the new"
    assert uploads(s3_server, s3_bucket) == []
    assert read(store) == data


def test_credentials_that_stay_expired_are_said_and_not_shown(credentials: Path, proxy: FaultyProxy, s3_bucket: str):
    store = open_store(f"s3://{s3_bucket}/staging?endpoint_url={proxy.url}&region={REGION}")
    proxy.expired = {"OLDKEY"}

    with pytest.raises(StagingError, match="ExpiredToken") as raised:
        store.put_bytes(KEY, b"x")

    assert "have expired" in raised.value.advice
    assert "OLDKEY" not in f"{raised.value.message} {raised.value.detail}"


# Uploads that nobody ends


def test_an_upload_that_fails_leaves_no_pieces(
    small_pieces, proxy: FaultyProxy, store: StagingStore, s3_server: RunningS3, s3_bucket: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):  # fmt: skip
    monkeypatch.setitem(s3_client.SETTINGS, "retries", {"mode": "standard", "total_max_attempts": 1})
    proxy.break_next("PUT", faulty.BUSY)

    with pytest.raises(StagingUnavailable):
        put(store, tmp_path, os.urandom(6 << 20))

    assert uploads(s3_server, s3_bucket) == []


def test_what_could_not_be_aborted_is_dropped_later(
    small_pieces, proxy: FaultyProxy, store: StagingStore, s3_server: RunningS3, s3_bucket: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
):  # fmt: skip
    monkeypatch.setitem(s3_client.SETTINGS, "retries", {"mode": "standard", "total_max_attempts": 1})
    proxy.break_next("PUT", faulty.BUSY)
    proxy.break_next("DELETE", faulty.REFUSE_TO_ANSWER)

    with pytest.raises(StagingUnavailable, match="busy"):
        put(store, tmp_path, os.urandom(6 << 20))

    assert "could not be aborted" in caplog.text
    left = uploads(s3_server, s3_bucket)
    assert left == [f"staging/{KEY}"]
    begun_an_hour_ago(store, monkeypatch)
    assert store.drop_unfinished(before=datetime.now(UTC) - timedelta(hours=2)) == 0
    assert store.drop_unfinished(before=datetime.now(UTC), dry_run=True) == 1
    assert uploads(s3_server, s3_bucket) == left
    assert store.drop_unfinished(before=datetime.now(UTC)) == 1
    assert uploads(s3_server, s3_bucket) == []


def begun_an_hour_ago(store: StagingStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server of the tests says of every upload that it was begun in 2010."""
    client = s3_client.Clients.current(store._clients)
    ask = client.list_multipart_uploads

    def listed(**asked):
        answer = ask(**asked)
        for item in answer.get("Uploads", ()):
            item["Initiated"] = datetime.now(UTC) - timedelta(hours=1)
        return answer

    monkeypatch.setattr(client, "list_multipart_uploads", listed)


# Many objects


def test_many_are_deleted_in_one_request_and_those_of_others_stay(
    proxy: FaultyProxy, store: StagingStore, s3_server: RunningS3, s3_bucket: str
):
    client = s3_server.client()
    for number in range(5):
        client.put_object(Bucket=s3_bucket, Key=f"staging/a/{number}", Body=b"x")
    client.put_object(Bucket=s3_bucket, Key="elsewhere/a/1", Body=b"x")
    proxy.requests.clear()

    store.delete_many([f"a/{number}" for number in range(4)] + ["a/none"])

    assert len(proxy.requests) == 1
    assert [item.key for item in store.list("")] == ["a/4"]
    assert client.head_object(Bucket=s3_bucket, Key="elsewhere/a/1")


def test_a_listing_goes_on_page_after_page(
    store: StagingStore, s3_server: RunningS3, s3_bucket: str, monkeypatch: pytest.MonkeyPatch
):
    for number in range(7):
        store.put_bytes(f"a/{number}", b"x")
    client = s3_client.Clients.current(store._clients)
    ask = client.list_objects_v2
    monkeypatch.setattr(client, "list_objects_v2", lambda **asked: ask(**asked, MaxKeys=3))

    found = list(store.list("a/"))

    assert [item.key for item in found] == [f"a/{number}" for number in range(7)]
    assert all(abs(datetime.now(UTC) - item.written_at) < timedelta(minutes=1) for item in found)


# Links


def test_a_link_downloads_the_object_under_the_name_and_no_other(
    s3_server: RunningS3, s3_bucket: str, store: StagingStore
):
    inside = f"endpoint_url={s3_server.endpoint}"
    open_to_all = open_store(f"s3://{s3_bucket}/staging?{inside}&public_endpoint_url={s3_server.endpoint}")
    store.put_bytes(KEY, b"for you")

    link = open_to_all.presigned(KEY, seconds=60, filename='visits "1".csv.gz')

    assert link
    with urllib.request.urlopen(link) as answer:
        assert answer.read() == b"for you"
        assert answer.headers["Content-Disposition"] == 'attachment; filename="visits _1_.csv.gz"'
    assert "X-Amz-Expires=60" in link
    assert store.presigned(KEY, seconds=60, filename="x") is None, "its address is one of the inside"


def test_a_link_is_for_one_object(s3_server: RunningS3, s3_bucket: str):
    inside = f"endpoint_url={s3_server.endpoint}&public_endpoint_url={s3_server.endpoint}"
    store = open_store(f"s3://{s3_bucket}/staging?{inside}")
    link = store.presigned("a/none", seconds=60, filename="x")

    with pytest.raises(HTTPError) as raised:
        urllib.request.urlopen(link or "")

    assert raised.value.code in (403, 404)
