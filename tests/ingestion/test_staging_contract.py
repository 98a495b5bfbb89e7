"""What every staging store promises, run over a folder and over S3."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingestion.errors import ConfigFault
from ingestion.staging import s3_client, s3_write
from ingestion.staging.base import (
    ObjectExists,
    ObjectMissing,
    StagingError,
    StagingStore,
    StagingUnavailable,
    StoredObject,
)
from ingestion.staging.stores import open_store
from tests.services import faulty
from tests.services.faulty import FaultyProxy
from tests.services.s3 import RunningS3

KEY = "default/prod/7/run-3/12/1/part-1.csv.gz"


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> StagingStore:
    if request.param == "folder":
        return open_store(f"file://{tmp_path}/staging")
    return open_store(request.getfixturevalue("s3_url"))


@pytest.fixture
def proxy(s3_server: RunningS3) -> Iterator[FaultyProxy]:
    with faulty.faulty(s3_server.endpoint) as running:
        yield running


@pytest.fixture
def broken_store(proxy: FaultyProxy, s3_bucket: str) -> StagingStore:
    return open_store(f"s3://{s3_bucket}/staging?endpoint_url={proxy.url}&region=eu-west-1")


def file(folder: Path, data: bytes) -> tuple[Path, str]:
    path = folder / "source"
    path.write_bytes(data)
    return path, hashlib.sha256(data).hexdigest()


def put(store: StagingStore, folder: Path, key: str, data: bytes) -> None:
    path, digest = file(folder, data)
    store.put(key, path, sha256=digest)


def test_what_was_put_is_read_back(store: StagingStore, tmp_path: Path):
    put(store, tmp_path, KEY, b"some bytes\x00\xff")

    with store.open(KEY) as stream:
        assert stream.read() == b"some bytes\x00\xff"


def test_an_empty_object_is_an_object(store: StagingStore):
    store.put_bytes(KEY, b"")

    with store.open(KEY) as stream:
        assert stream.read() == b""
    assert list(store.list("default/")) == [StoredObject(key=KEY, size=0)]


def test_the_same_bytes_may_be_put_again(store: StagingStore, tmp_path: Path):
    put(store, tmp_path, KEY, b"same")

    put(store, tmp_path, KEY, b"same")
    store.put_bytes(KEY, b"same")

    assert list(store.list("")) == [StoredObject(key=KEY, size=4)]


def test_other_bytes_are_refused_and_the_first_stay(store: StagingStore, tmp_path: Path):
    put(store, tmp_path, KEY, b"first")

    with pytest.raises(ObjectExists, match="never overwritten"):
        put(store, tmp_path, KEY, b"other")

    with store.open(KEY) as stream:
        assert stream.read() == b"first"


def test_a_source_that_changed_since_it_was_hashed_is_refused(store: StagingStore, tmp_path: Path):
    path, digest = file(tmp_path, b"as it was")
    path.write_bytes(b"as it is.")

    with pytest.raises(ObjectMissing, match="checksum differs"):
        store.put(KEY, path, sha256=digest)

    assert list(store.list("")) == []


def test_a_missing_object_is_named(store: StagingStore, tmp_path: Path):
    with pytest.raises(ObjectMissing) as opened, store.open(KEY):
        pass
    with pytest.raises(ObjectMissing):
        store.fetch(KEY, tmp_path / "copy")

    assert KEY in opened.value.message
    assert opened.value.advice


def test_fetch_answers_a_local_file(store: StagingStore, tmp_path: Path):
    put(store, tmp_path, KEY, b"bytes of a part")

    assert store.fetch(KEY, tmp_path / "copy").read_bytes() == b"bytes of a part"


def test_listing_takes_what_begins_with_the_prefix(store: StagingStore):
    for key in ("a/x/1", "a/x/2", "a/xy/3", "b/4"):
        store.put_bytes(key, b"abc")

    assert [item.key for item in store.list("a/x/")] == ["a/x/1", "a/x/2"]
    assert [item.key for item in store.list("a/x")] == ["a/x/1", "a/x/2", "a/xy/3"]
    assert len(list(store.list(""))) == 4
    assert list(store.list("none/")) == []


def test_a_deleted_object_is_gone_and_deleting_it_again_is_no_error(store: StagingStore):
    store.put_bytes("a/1", b"1")
    store.put_bytes("a/2", b"2")

    store.delete("a/1")
    store.delete("a/1")

    assert [item.key for item in store.list("")] == ["a/2"]


def test_a_deleted_key_may_be_written_anew(store: StagingStore):
    store.put_bytes("a/1", b"old")
    store.delete("a/1")

    store.put_bytes("a/1", b"new")

    with store.open("a/1") as stream:
        assert stream.read() == b"new"


BAD_KEYS = (
    ("", "/etc/passwd", "../up", "a/../../up", "a/./b", "a//b", "a/", ".hidden", "a/.b", "a\\b",
    "a\x00b", "a\nb", "．．/up", "a" * 1000, "a/~", "ü")
)  # fmt: skip
BAD_URLS = [
    "staging",
    "ftp://host/x",
    "file://host/x",
    "file:///",
    "file:///x?region=y",
    "s3://",
    "s3://UPPER/x",
    "s3://bucket/x?regoin=y",
    "s3://bucket/../x",
    "s3://key:secret@bucket/x",
    "s3://bucket?endpoint_url=host:9000",
]


@pytest.mark.parametrize("key", BAD_KEYS)
def test_keys_that_could_lead_elsewhere_are_refused(store: StagingStore, key: str, tmp_path: Path):
    path, digest = file(tmp_path, b"x")

    for use in (
        lambda: store.put(key, path, sha256=digest),
        lambda: store.put_bytes(key, b"x"),
        lambda: store.open(key),
        lambda: store.fetch(key, tmp_path / "copy"),
        lambda: store.delete(key),
        lambda: store.uri(key),
    ):
        with pytest.raises(StagingError, match="cannot be named"):
            use()


def test_a_large_object_is_put_in_pieces(store: StagingStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(s3_write, "LARGE", 6 << 20)
    monkeypatch.setattr(s3_write, "PIECE", 5 << 20)
    data = os.urandom(11 << 20)

    put(store, tmp_path, KEY, data)
    put(store, tmp_path, KEY, data)

    with store.open(KEY) as stream:
        assert hashlib.sha256(stream.read()).digest() == hashlib.sha256(data).digest()
    with pytest.raises(ObjectExists):
        put(store, tmp_path, KEY, data[::-1])


def test_uris_name_the_object(store: StagingStore):
    assert store.uri(KEY).startswith(("s3://", "file:///"))
    assert store.uri(KEY).endswith(KEY)


def test_a_busy_store_is_asked_again(proxy: FaultyProxy, broken_store: StagingStore, tmp_path: Path):
    proxy.break_next("PUT", faulty.BUSY, times=2)
    proxy.break_next("GET", faulty.BUSY)

    put(broken_store, tmp_path, KEY, b"bytes")

    with broken_store.open(KEY) as stream:
        assert stream.read() == b"bytes"


def test_a_store_that_stays_busy_is_unavailable(
    proxy: FaultyProxy, broken_store: StagingStore, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(s3_client.SETTINGS, "retries", {"mode": "standard", "total_max_attempts": 2})
    proxy.break_next("PUT", faulty.BUSY, times=2)

    with pytest.raises(StagingUnavailable, match="busy") as raised:
        broken_store.put_bytes(KEY, b"bytes")

    assert raised.value.transient


def test_a_put_whose_answer_was_lost_counts(proxy: FaultyProxy, broken_store: StagingStore, tmp_path: Path):
    proxy.break_next("PUT", faulty.LOSE_ANSWER)

    put(broken_store, tmp_path, KEY, b"bytes")

    with broken_store.open(KEY) as stream:
        assert stream.read() == b"bytes"
    assert [method for method, _ in proxy.requests].count("PUT") == 2


def test_an_upload_in_pieces_whose_end_was_lost_counts(
    proxy: FaultyProxy, broken_store: StagingStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(s3_write, "LARGE", 1)
    monkeypatch.setattr(s3_write, "PIECE", 5 << 20)
    broken_store.put_bytes("warm/up", b"")
    proxy.faults = [("POST", ""), ("POST", faulty.LOSE_ANSWER)]  # the second ends the upload

    put(broken_store, tmp_path, KEY, b"x" * (6 << 20))

    assert [item.size for item in broken_store.list("default/")] == [6 << 20]


def test_a_read_that_breaks_off_goes_on_where_it_was(proxy: FaultyProxy, broken_store: StagingStore):
    data = os.urandom(3 << 20)
    broken_store.put_bytes(KEY, data)
    proxy.break_next("GET", faulty.CUT_BODY, times=3)

    with broken_store.open(KEY) as stream:
        assert stream.read() == data


def test_a_read_that_always_breaks_off_is_unavailable_and_never_short(proxy: FaultyProxy, broken_store: StagingStore):
    broken_store.put_bytes(KEY, os.urandom(3 << 20))
    proxy.break_next("GET", faulty.CUT_BODY, times=50)

    with pytest.raises(StagingUnavailable, match="broke off"), broken_store.open(KEY) as stream:
        stream.read()


def test_an_object_that_is_replaced_while_it_is_read_is_refused(
    proxy: FaultyProxy, broken_store: StagingStore, s3_server: RunningS3, s3_bucket: str
):
    broken_store.put_bytes(KEY, b"a" * (3 << 20))
    proxy.break_next("GET", faulty.CUT_BODY)

    with broken_store.open(KEY) as stream:
        stream.read(10)
        s3_server.client().put_object(Bucket=s3_bucket, Key=f"staging/{KEY}", Body=b"b" * (3 << 20))

        with pytest.raises(ObjectMissing, match="changed"):
            stream.read()


def test_a_missing_bucket_says_so(s3_endpoint: str):
    store = open_store(f"s3://no-such-bucket?endpoint_url={s3_endpoint}&region=eu-west-1")

    with pytest.raises(StagingError, match="NoSuchBucket") as raised:
        store.put_bytes(KEY, b"x")

    assert "STAGING_URL" in raised.value.advice


def test_an_endpoint_that_is_not_there_is_unavailable(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(s3_client.SETTINGS, "retries", {"mode": "standard", "total_max_attempts": 1})
    store = open_store("s3://bucket?endpoint_url=http://127.0.0.1:1&region=eu-west-1")

    with pytest.raises(StagingUnavailable, match="did not answer"):
        store.put_bytes(KEY, b"x")


def test_a_folder_never_shows_what_is_half_written(tmp_path: Path):
    store = open_store(f"file://{tmp_path}/staging")
    store.put_bytes("a/1", b"1")
    (tmp_path / "staging" / ".incoming" / "left").write_bytes(b"half")

    assert [item.key for item in store.list("")] == ["a/1"]


def test_a_folder_that_may_not_be_made_is_refused(tmp_path: Path):
    (tmp_path / "plain").write_text("a file where a folder should be")
    store = open_store(f"file://{tmp_path}/plain/staging")

    with pytest.raises(StagingError) as raised:
        store.put_bytes(KEY, b"x")

    assert "STAGING_URL" in raised.value.advice


@pytest.mark.parametrize("url", ["", *BAD_URLS])
def test_a_wrong_address_says_what_is_wrong_and_holds_no_secret(url: str):
    with pytest.raises((ConfigFault, StagingError)) as raised:
        open_store(url)

    assert raised.value.advice
    assert "secret" not in raised.value.message
