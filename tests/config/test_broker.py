"""How the broker is set up: nothing hangs on it, and nothing is left to its defaults."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import dramatiq
import pytest
from dramatiq.brokers.stub import StubBroker

from config.messages import Taking
from config.observing.workers import HealthPort
from ingestion import actors as of_batches
from runs import actors as of_runs

ROOT = Path(__file__).resolve().parents[2]
ACTORS = [
    *(of_runs.extract, of_runs.consolidate, of_runs.load),
    *(of_batches.promote_batch, of_batches.check_file, of_batches.publish_dataset),
]
ASK = """
import django, json, time, dramatiq
django.setup()
broker = dramatiq.get_broker()
pool = broker.client.connection_pool.connection_kwargs
began = time.monotonic()
try:
    broker.client.ping()
except Exception as error:
    name = type(error).__name__
print(json.dumps({
    "heartbeat": broker.heartbeat_timeout, "chance": broker.maintenance_chance,
    "timeouts": [pool["socket_timeout"], pool["socket_connect_timeout"]], "seconds": time.monotonic() - began,
}))
"""


@pytest.mark.parametrize("actor", ACTORS, ids=lambda actor: actor.actor_name)
def test_no_actor_leaves_retries_or_time_to_the_broker(actor):
    assert actor.options["max_retries"] == 0
    assert actor.options["time_limit"] == float("inf")


def test_runs_and_batches_have_queues_apart_and_recovery_needs_none():
    assert {actor.queue_name for actor in ACTORS} == {"extract", "consolidate", "load", "check", "publish"}
    assert not any("sweep" in name or "cancel" in name for name in dramatiq.get_broker().actors)


@pytest.mark.django_db
def test_a_worker_holds_no_more_messages_than_it_has_threads_and_looks_for_them_soon():
    broker = StubBroker(middleware=[Taking(), HealthPort()])
    broker.emit_after("process_boot")
    worker = dramatiq.Worker(broker, worker_threads=3)
    assert (worker.queue_prefetch, worker.worker_timeout) == (6, 1000), "the broker's own defaults"

    worker.start()
    try:
        assert (worker.queue_prefetch, worker.worker_timeout) == (3, 200)
        port = next(one for one in broker.middleware if isinstance(one, HealthPort))
        assert port.facts()["threads_alive"] == 3
    finally:
        worker.stop()


def test_how_often_a_worker_looks_for_messages_can_be_chosen(monkeypatch):
    monkeypatch.setenv("dramatiq_worker_timeout", "500")
    worker = dramatiq.Worker(StubBroker(middleware=[]), worker_threads=3, worker_timeout=500)

    Taking().before_worker_boot(worker.broker, worker)

    assert worker.worker_timeout == 500


def test_dead_workers_are_noticed_and_a_broker_that_is_away_costs_two_seconds_at_most(tmp_path):
    environment = {
        **os.environ,
        "HEADGATE_VAR": str(tmp_path),
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }

    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", ASK], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
    )

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert (told["heartbeat"], told["chance"]) == (60_000, 1_000_000)
    assert told["timeouts"] == [2, 2]
    assert told["seconds"] < 2.5, time.monotonic() - began
