"""The janitor of the staging store: what no row names goes once it is old; nothing else ever does."""

import io
import os
import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from ingestion import orphans, upkeep
from ingestion.models import Batch, Diagnostic, Discarded, Part, Piece
from ingestion.rooms import archive, store
from ingestion.states import BatchStatus as S
from runs.upkeep import tidy
from tests.ingestion import batch_admin_kit as kit

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parents[2]
DAYS = 3 * 24 * 3600


@pytest.fixture(autouse=True)
def staging(settings, tmp_path, monkeypatch) -> Path:
    settings.STAGING_URL = f"file://{tmp_path}/staging"
    settings.ARCHIVE_URL = f"file://{tmp_path}/archive"
    settings.COLD_URL = f"file://{tmp_path}/cold"
    monkeypatch.setattr(orphans, "_looks", orphans._Looks())
    return tmp_path / "staging"


def age(monkeypatch: pytest.MonkeyPatch, seconds: float = DAYS) -> None:
    """As if everything that is stored had been written so long ago."""
    needed = orphans.oldest_needed
    monkeypatch.setattr(orphans, "oldest_needed", lambda *args: needed(*args) + timedelta(seconds=seconds))


def keys() -> list[str]:
    return [item.key for item in store().list("")]


def named_by_every_kind_of_row() -> list[str]:
    batch = kit.batch(S.SUCCESS, manifest_key="m/manifest-1.json")
    file = kit.file(batch)
    for key in ("m/manifest-1.json", "p/1", "d/1", "w/1"):
        store().put_bytes(key, b"x")
    part = kit.part(batch, 1)
    Piece.objects.create(file=file, first=0, last=0, key="p/1", sha256="")
    Diagnostic.objects.create(batch=batch, file=file, kind="sample", key="d/1", rows=1, size=1)
    Discarded.objects.create(key="w/1")
    return sorted([part.key, "m/manifest-1.json", "p/1", "d/1", "w/1"])


def test_what_any_row_names_stays_and_the_rest_goes(monkeypatch):
    named = named_by_every_kind_of_row()
    for key in ("default/prod/1/run-1/2/1/part-1.csv.gz", "x/manifest-3.json"):
        store().put_bytes(key, b"left by a dead worker")
    age(monkeypatch)

    assert orphans.delete_orphans() == 2

    assert keys() == named


def test_what_a_writer_has_stored_and_not_yet_named_stays():
    batch = kit.batch(S.STAGING)
    store().put_bytes("default/prod/1/run-1/2/1/part-1.csv.gz", b"stored a moment ago")

    assert orphans.delete_orphans() == 0
    Part.objects.create(
        batch=batch, label="x", number=1, key=keys()[0], columns=[], row_count=1, size=1, sha256=""
    )  # and now it is named

    assert len(keys()) == 1


@pytest.mark.parametrize("hours", [0, -5, 0.001])
def test_an_hour_is_left_to_writers_whatever_is_set(settings, staging, hours):
    settings.ORPHAN_HOURS = hours
    for key, minutes in (("a/young", 50), ("a/old", 70)):
        store().put_bytes(key, b"x")
        then = time.time() - minutes * 60
        os.utime(staging / key, (then, then))

    before = orphans.oldest_needed()

    assert timedelta(minutes=59) < datetime.now(UTC) - before < timedelta(minutes=61)


def test_a_clock_that_runs_ahead_of_the_database_deletes_nothing(monkeypatch):
    store().put_bytes("a/1", b"just written")
    monkeypatch.setattr(orphans.timezone, "now", lambda: datetime.now(UTC) + timedelta(days=30))

    assert orphans.delete_orphans() == 0
    assert keys() == ["a/1"]


def test_archives_inside_the_staging_store_are_none_of_its_litter(settings, tmp_path, monkeypatch):
    settings.ARCHIVE_URL = f"file://{tmp_path}/staging/archive"
    archive().put_bytes("odefault/1.parquet", b"rows of a retained batch")
    store().put_bytes("a/1", b"litter")
    age(monkeypatch)

    assert orphans.delete_orphans() == 1
    assert keys() == ["archive/odefault/1.parquet"]


def test_a_database_that_knows_hardly_any_object_is_not_believed(monkeypatch):
    named_by_every_kind_of_row()
    for number in range(orphans.SUSPICIOUS + 1):
        store().put_bytes(f"a/{number}", b"x")
    before = len(keys())
    age(monkeypatch)

    with pytest.raises(CommandError, match="Check that STAGING_URL belongs to this database alone"):
        call_command("orphans", "--delete")
    tidy()
    assert len(keys()) == before

    call_command("orphans", "--delete", "--many", stdout=io.StringIO())
    assert len(keys()) == 5


def test_a_long_store_is_looked_through_bit_by_bit(monkeypatch):
    monkeypatch.setattr(orphans, "LOOKED_AT_ONCE", 3)
    for number in range(7):
        store().put_bytes(f"a/{number}", b"x")
    age(monkeypatch)

    found = [orphans.delete_orphans() for _ in range(5)]

    assert found == [3, 3, 1, 0, 0]
    assert keys() == []


def test_the_command_deletes_nothing_by_itself(monkeypatch):
    named = named_by_every_kind_of_row()
    store().put_bytes("a/1", b"12345")
    age(monkeypatch)
    out = io.StringIO()

    call_command("orphans", stdout=out)

    assert "6 objects looked at: 1 named by no row, 5 bytes" in out.getvalue()
    assert "a/1" in out.getvalue()
    assert keys() == ["a/1", *named]


def test_tidying_counts_what_it_deleted(monkeypatch):
    store().put_bytes("a/1", b"x")
    age(monkeypatch)

    assert tidy()["orphans"] == 1


def test_on_s3_too_only_what_no_row_names_goes(settings, s3_url, monkeypatch):
    settings.STAGING_URL = s3_url
    named = named_by_every_kind_of_row()
    store().put_bytes("a/1", b"x")
    assert orphans.delete_orphans() == 0, "it is young"
    monkeypatch.setattr(orphans, "_looks", orphans._Looks())
    age(monkeypatch)

    assert orphans.delete_orphans() == 1
    assert keys() == named


def test_lists_of_files_go_once_their_files_have_gone(settings):
    settings.KEEP_STAGED_DAYS = 7
    long_ago = datetime.now(UTC) - timedelta(days=8)
    store().put_bytes("m/1", b"{}")
    store().put_bytes("m/2", b"{}")
    gone = kit.batch(S.SUCCESS, manifest_key="m/1", finished_at=long_ago)
    kept = kit.batch(S.SUCCESS, manifest_key="m/2", finished_at=long_ago)
    kit.part(kept, 1)

    assert upkeep.delete_manifests() == 1

    assert "m/1" not in keys()
    assert "m/2" in keys()
    gone.refresh_from_db()
    assert gone.manifest_key == ""
    assert Batch.objects.get(pk=kept.pk).manifest_key == "m/2"


def test_every_place_that_stores_an_object_is_known_here():
    """A new place must name its objects in a row of `orphans.NAMING`, or they are deleted after some days."""
    writes = re.compile(r"\bstore\(\)\.(put|put_bytes|take)\(")
    places = [ROOT / name for name in ("ingestion", "runs", "connectors", "config")]
    found = {str(p.relative_to(ROOT)) for place in places for p in place.rglob("*.py") if writes.search(p.read_text())}

    assert found == {
        "ingestion/batches.py",  # Part
        "ingestion/consolidation.py",  # Part
        "ingestion/loading.py",  # Batch.manifest_key
        "ingestion/promotion/files.py",  # Part, Diagnostic
        "ingestion/uploads/spooling.py",  # Piece, Discarded
    }
