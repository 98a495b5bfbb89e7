"""A broker that does not answer: wake-ups are given up quickly, and nobody above hears of it."""

import os
import signal
import time

import dramatiq
import pytest
from dramatiq.brokers.redis import RedisBroker

from ingestion import dispatch
from tests.services.redis import start_redis


@pytest.fixture
def redis_server(tmp_path):
    running = start_redis(tmp_path, persistent=False)
    yield running
    running.stop()


@pytest.fixture
def broker(redis_server, monkeypatch):
    found = RedisBroker(url=f"{redis_server.url}?socket_timeout=0.3&socket_connect_timeout=0.3")
    found.declare_queue("check")
    monkeypatch.setattr(dramatiq, "get_broker", lambda: found)
    monkeypatch.setattr(dispatch, "_away", dispatch._Away())
    return found


def test_a_frozen_broker_lets_ten_wake_ups_wait_once(redis_server, broker):
    os.kill(redis_server.server.pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        sent = [dispatch.send("check_file", "check", number) for number in range(10)]
        seconds = time.monotonic() - began
    finally:
        os.kill(redis_server.server.pid, signal.SIGCONT)

    assert sent == [False] * 10
    assert seconds < 2.0


def test_a_full_broker_is_no_error_for_the_caller(broker):
    broker.client.config_set("maxmemory", "1")

    assert dispatch.send("check_file", "check", 1) is False


def test_a_broker_that_is_back_is_sent_to_again(redis_server, broker, monkeypatch):
    monkeypatch.setattr(dispatch, "AWAY_SECONDS", 0.0)
    redis_server.stop()
    assert dispatch.send("check_file", "check", 1) is False
    redis_server.server.start()

    assert dispatch.send("check_file", "check", 2) is True
