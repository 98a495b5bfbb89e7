"""The commands of the compose file, started as they are: a run and a batch go through; and a restore to an older backup
loses and doubles nothing that the warehouse holds."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from runs.demo.running import start_server
from tests.clients.service import LINES
from tests.deploy.running import SOURCE, Installation
from tests.services.postgres import FAST, start_postgres
from tests.services.redis import start_redis
from tests.services.s3 import CREDENTIALS, start_s3

pytestmark = pytest.mark.long
PLANES = 3322


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Installation]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        postgres, redis = start_postgres(tmp_path / "pg", settings=FAST), start_redis(tmp_path / "redis")
        s3 = start_s3()
        installation = Installation(tmp_path, postgres, redis, s3)
        try:
            yield installation
        finally:
            installation.stop()
            s3.stop()
            redis.stop()
            postgres.remove()


def test_the_commands_of_compose_bring_a_run_and_a_batch_in_and_outlive_a_restore(house: Installation):
    for service in ("migrate", "bucket"):
        house.once(service=service)
    house.start()
    with start_server() as api:
        house.manage("shell", "-c", SOURCE.format(url=api.url))
        first = house.manage("run_now", "Planes", "--destructive", "--timeout", "400")
        program = house.program()
        dataset = program.dataset()
        batch = program.send(dataset, LINES)

        assert "Completed" in first
        assert house.rows("select count(*) from deploy.planes") == [(PLANES,)]
        assert batch["status"] == "success"
        assert [row["id"] for row in program.rows(dataset)] == [1, 2]
        stored = house.s3.client().list_objects_v2(Bucket="headgate", Prefix="staging/")["Contents"]
        assert len(stored) >= 4, "parts and lists of both, and the file that was sent"
        assert "0 named by no row" in house.manage("orphans")

        _backup(house, house.folder / "control.dump")
        second = house.manage("run_now", "Planes", "--destructive", "--timeout", "400")
        later = program.send(dataset, b'{"id": 3, "name": "Cy"}\n', name="b.json")
        assert "Completed" in second
        assert later["status"] == "success"
        took = house.stop()
        assert max(took.values()) < 30, took

        _restore(house, house.folder / "control.dump", "restored")
        told = house.manage("after_restore", "--by", "1000")
        assert "does not know: 2." in told, told
        assert later["id"] in told or later.get("externalId", "") in told

        house.start()
        third = house.manage("run_now", "Planes", "--destructive", "--timeout", "400")
        assert program.send(dataset, b'{"id": 4, "name": "Di"}\n', name="c.json")["status"] == "success"

        assert "Completed" in third
        number = int(third.split()[1])
        assert number > 1000, third
        assert house.rows("select count(*) from deploy.planes") == [(PLANES,)]
        loads = [load for (load,) in house.rows("select load_id from headgate_books._loads order by load_id")]
        assert len(loads) == 6, "each run and batch has a load of its own, before and after"
        newest = house.rows("select distinct _load_id from deploy.planes")
        assert newest[0][0] > 1000, "what is live is the run after the restore, not one that its number recalls"
        ids = sorted(row["id"] for row in program.rows(dataset))
        assert ids == [1, 2, 3, 4], "what became live after the backup is live still"


def _backup(house: Installation, target: Path) -> None:
    address = house.environment("web")["DATABASE_URL"]
    _tool(house, "pg_dump", "--format=custom", "--no-owner", f"--file={target}", address)


def _restore(house: Installation, source: Path, name: str) -> None:
    house.postgres.create_database(name)
    house.control = name
    address = house.environment("web")["DATABASE_URL"]
    _tool(house, "pg_restore", "--exit-on-error", "--no-owner", f"--dbname={address}", str(source))


def _tool(house: Installation, name: str, *words: str) -> None:
    done = subprocess.run([house.postgres.bin / name, *words], capture_output=True, text=True, env={**os.environ})
    assert done.returncode == 0, done.stderr
