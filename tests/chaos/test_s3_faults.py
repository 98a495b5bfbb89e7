"""S3 breaks, delays, spoils and refuses under batches: rows are exact; and builds that load by prefix, or believe every
byte, are caught by the same look. The scenario with processes is `make chaos ARGS=R7`."""

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from ingestion.promotion import publishing
from ingestion.rooms import store
from ingestion.staging import s3_stream
from ingestion.states import BatchStatus
from tests.chaos.house import ROOT
from tests.chaos.s3_faults import CHANCES, TWIN, _twins
from tests.flows.lake import SCHEMA, Lake, rows
from tests.services import faulty
from tests.services.faulty import Dice, FaultyProxy
from tests.services.s3 import REGION, RunningS3


@pytest.fixture
def proxy(
    s3_server: RunningS3, s3_bucket: str, postgres_database: str, settings, monkeypatch: pytest.MonkeyPatch, tmp_path
) -> Iterator[FaultyProxy]:
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.01)
    with faulty.faulty(s3_server.endpoint) as running:
        running.patience = 1.5
        running.stored = _twins(s3_server)
        settings.STAGING_URL = f"s3://{s3_bucket}/staging?endpoint_url={running.url}&region={REGION}&timeout=1"
        settings.WAREHOUSE_URL = postgres_database
        settings.SCRATCH_DIR = tmp_path / "scratch"
        settings.PUBLISH_PAUSE_SECONDS = 0
        yield running


def wrong_rows(proxy: FaultyProxy, *, batches: int) -> list[str]:
    """Send batches; what is then wrong with what is live."""
    lake = Lake()
    dataset = lake.dataset(schema=SCHEMA)
    for number in range(batches):
        sent = lake.send(dataset, rows(number * 100, number * 100 + 19), rows(number * 100 + 50, number * 100 + 59))
        if sent.status != BatchStatus.SUCCESS:
            return [f"{sent.public_id} is {sent.status}"]
    proxy.dice = None
    wanted = sorted(
        (n * 100 + each, f"n{n * 100 + each}") for n in range(batches) for each in (*range(20), *range(50, 60))
    )
    found = sorted(tuple(row) for row in lake.rows("select id, name from lake.visits"))
    return [] if found == wanted else [f"{len(found)} rows instead of {len(wanted)}, or other values"]


@pytest.mark.django_db(transaction=True)
def test_a_fifth_of_requests_fails_and_every_row_is_right(proxy: FaultyProxy):
    proxy.dice = Dice(3, {fault: chance for fault, chance in CHANCES.items() if faulty.HANG not in fault})

    assert wrong_rows(proxy, batches=3) == []

    assert sum(count for fault, count in proxy.met.items() if fault) >= 5, proxy.met
    assert any(f"part-{TWIN}.csv.gz" in item.key for item in store().list("")), "there were objects to be misled by"


@pytest.mark.django_db(transaction=True)
def test_a_build_that_believes_every_byte_is_caught(proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch):
    opened = s3_stream.ObjectStream.__init__

    def believing(stream, *arguments, **more) -> None:
        opened(stream, *arguments, **more)
        stream._sha256 = ""

    monkeypatch.setattr(s3_stream.ObjectStream, "__init__", believing)
    monkeypatch.setattr("ingestion.loading.Verified._verify", lambda _: None)
    proxy.dice = Dice(1, {("GET", faulty.OTHER_ROWS): 1.0})

    assert wrong_rows(proxy, batches=1) != []


@pytest.mark.django_db(transaction=True)
def test_a_build_that_loads_what_lies_in_the_folder_is_caught(proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch):
    load = publishing._through_the_warehouse

    def with_all_that_lies_there(publisher, dataset, group, parts, agreed):
        found = []
        for part in parts:
            folder = part.key.rpartition("/")[0]
            for item in store().list(f"{folder}/"):
                if item.key.endswith(".csv.gz"):
                    other = type(part).objects.select_related("batch").get(pk=part.pk)
                    other.key = item.key
                    found.append(other)
        return load(publisher, dataset, group, found, agreed)

    monkeypatch.setattr(publishing, "_through_the_warehouse", with_all_that_lies_there)

    assert wrong_rows(proxy, batches=1) != []


@pytest.mark.long
@pytest.mark.parametrize("mutant", ["none", "prefix_list", "no_digest"])
def test_runs_and_batches_of_real_workers_outlive_s3_and_mutants_do_not(mutant: str):
    """Two seeds for a mutant to show itself."""
    for seed in ("1", "2"):
        command = [sys.executable, "-m", "tests.chaos.s3_faults", "R7", f"--seed={seed}", f"--mutant={mutant}"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1200)
        answer = json.loads(done.stdout.strip().splitlines()[-1])
        print(answer)
        if mutant == "none":
            assert answer["wrong"] == []
            assert answer["result"] == "pass"
            assert done.returncode == 0
            return
        if answer["wrong"]:
            return
    raise AssertionError(f"{mutant}: nothing wrong was seen")
