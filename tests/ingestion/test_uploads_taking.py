"""A store takes an uploaded file over as it is: whole, once, and without a second copy where that is possible."""

import errno
import hashlib
import os

import pytest

from ingestion.staging import local
from ingestion.staging.base import ObjectExists
from ingestion.staging.local import LocalStore

DATA = b"0123456789" * 1000
DIGEST = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def store(tmp_path):
    return LocalStore(tmp_path / "store")


@pytest.fixture
def upload(tmp_path):
    path = tmp_path / "upload"
    path.write_bytes(DATA)
    return path


def test_a_taken_file_stays_when_its_first_name_goes(store, upload, tmp_path):
    number = upload.stat().st_ino

    store.take("a/b", upload, sha256=DIGEST)
    upload.unlink()

    kept = store.fetch("a/b", tmp_path / "copy")
    assert (kept.read_bytes(), kept.stat().st_ino) == (DATA, number)


def test_a_file_from_another_disk_is_copied(store, upload, tmp_path, monkeypatch):
    link = os.link

    def other_disk(source, target):
        if source == upload:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        link(source, target)

    monkeypatch.setattr(local.os, "link", other_disk)

    store.take("a/b", upload, sha256=DIGEST)

    kept = store.fetch("a/b", tmp_path / "copy")
    assert kept.read_bytes() == DATA
    assert kept.stat().st_ino != upload.stat().st_ino


def test_taking_the_same_bytes_again_changes_nothing_and_other_bytes_are_refused(store, upload):
    store.take("a/b", upload, sha256=DIGEST)
    store.take("a/b", upload, sha256=DIGEST)

    with pytest.raises(ObjectExists):
        store.take("a/b", upload, sha256=hashlib.sha256(b"other").hexdigest())
