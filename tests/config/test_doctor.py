"""The doctor finds each broken component, says what to do, and never shows a secret."""

import json
from collections import namedtuple
from datetime import UTC, datetime, timedelta
from io import StringIO
from types import SimpleNamespace

import pytest
import redis
from django.core.management import call_command

from config.observing import examining
from config.observing.examining import examine
from ingestion.staging.local import LocalStore
from runs.models import Sweep

pytestmark = pytest.mark.django_db(transaction=True)
SECRET = "hunter2secret"


@pytest.fixture(autouse=True)
def place(settings, tmp_path):
    settings.STAGING_URL = f"file://{tmp_path}/staging"
    settings.WAREHOUSE_URL = f"duckdb:///{tmp_path}/w.duckdb"
    settings.SCRATCH_DIR = tmp_path / "scratch"


def found(*names: str) -> dict[str, tuple[str, str, str]]:
    asked = {name: examining.QUESTIONS[name] for name in names}
    return {one.name: (one.verdict, one.said, one.advice) for one in examine(asked)}


def test_a_well_installation_passes_and_says_so_as_json():
    Sweep.objects.create(name="host:1", at=datetime.now(UTC))
    out = StringIO()

    call_command("doctor", "--json", stdout=out)

    told = json.loads(out.getvalue())
    assert told["ok"], told
    names = {one["name"] for one in told["findings"]}
    assert {"database", "migrations", "store, conditional put", "warehouse, create and write", "sweeper"} <= names
    assert all(one["seconds"] >= 0 for one in told["findings"])


def test_a_failure_makes_the_command_exit_with_1_and_shows_a_table(settings):
    settings.WAREHOUSE_URL = f"postgresql://headgate:{SECRET}@127.0.0.1:1/none"
    out = StringIO()

    with pytest.raises(SystemExit) as ended:
        call_command("doctor", stdout=out)

    assert ended.value.code == 1
    assert "fail" in out.getvalue()
    assert "→" in out.getvalue()
    assert SECRET not in out.getvalue()


@pytest.mark.parametrize("key", ["q7z-w", "a" * 60, "django-insecure-" + "abcdefghijklmnop" * 4])
def test_a_weak_secret_key_fails_and_is_not_shown(settings, key):
    settings.SECRET_KEY = key

    answer = found("secrets")["secret key"]

    assert answer[0] == "fail"
    assert key not in "".join(answer)


def test_credential_keys_of_another_form_fail(settings):
    settings.CREDENTIAL_KEYS = ["no-key-of-fernet"]

    answer = found("secrets")["credential keys"]

    assert answer[0] == "fail"
    assert "no-key-of-fernet" not in "".join(answer)


def test_debug_and_any_host_fail(settings):
    settings.DEBUG, settings.ALLOWED_HOSTS = True, ["*"]

    answers = found("web")

    assert (answers["debug"][0], answers["hosts"][0]) == ("fail", "fail")


def test_waiting_migrations_fail(monkeypatch):
    plan = SimpleNamespace(
        loader=SimpleNamespace(graph=SimpleNamespace(leaf_nodes=list)), migration_plan=lambda _: [1, 2]
    )
    monkeypatch.setattr(examining, "MigrationExecutor", lambda _: plan)

    assert found("database")["migrations"][:2] == ("fail", "2 are waiting.")


def test_a_database_that_is_away_fails(monkeypatch):
    def away():
        raise examining_error

    examining_error = OSError(f"connection to {SECRET} refused")
    monkeypatch.setattr(examining.connection, "cursor", away)

    assert found("database")["database"][0] == "fail"


def test_a_broker_that_is_away_fails_without_its_password(settings):
    settings.REDIS_URL = f"redis://:{SECRET}@127.0.0.1:1/0"

    answer = found("broker")["broker"]

    assert answer[0] == "fail"
    assert SECRET not in "".join(answer)


def test_a_broker_that_evicts_fails_and_one_that_keeps_no_file_is_warned_of(settings, redis_url):
    settings.REDIS_URL = redis_url
    with redis.Redis.from_url(redis_url) as server:
        before = server.config_get("maxmemory-policy")["maxmemory-policy"]
        server.config_set("maxmemory-policy", "allkeys-lru")
        try:
            answers = found("broker")
        finally:
            server.config_set("maxmemory-policy", before)

    assert answers["broker, memory"][0] == "fail"
    assert "noeviction" in answers["broker, memory"][2]
    assert answers["broker, persistence"][0] == "warn"


def test_a_store_that_refuses_fails(settings):
    settings.STAGING_URL = "file:///proc/nowhere/staging"

    assert found("store")["store"][0] == "fail"


def test_a_store_that_overwrites_fails(monkeypatch):
    monkeypatch.setattr(LocalStore, "put_bytes", _overwriting)

    answers = found("store")

    assert answers["store"][0] == "ok"
    assert answers["store, conditional put"][0] == "fail"


def _overwriting(self, key, data):
    path = self._path(key) if hasattr(self, "_path") else self.root / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def test_an_s3_store_is_tried_whole_and_its_clock_compared(settings, s3_url):
    settings.STAGING_URL = s3_url

    answers = found("store", "store's clock")

    assert {name: answer[0] for name, answer in answers.items()} == {
        "store": "ok",
        "store, conditional put": "ok",
        "clock, store": "ok",
    }


def test_clocks_that_are_apart_are_told():
    def verdict(seconds: float) -> str:
        return examining._clock("clock", datetime.now(UTC) - timedelta(seconds=seconds)).verdict

    assert [verdict(0), verdict(10), verdict(120)] == ["ok", "warn", "fail"]


def test_a_full_disk_fails(monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(examining.shutil, "disk_usage", lambda _: usage(100, 97, 3))

    assert {answer[0] for answer in found("disks").values()} == {"fail"}


def test_nobody_sweeping_is_warned_of():
    assert found("workers and sweeper")["sweeper"][0] == "warn"
