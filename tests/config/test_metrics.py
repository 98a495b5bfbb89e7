"""The metrics that a scrape finds, and who may scrape."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from config.observing import figures
from config.observing.figures import Installation
from runs.models import Sweep

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    monkeypatch.setattr(figures, "HOLDS", 0)


def scraped(client: Client, token: str) -> dict[str, list]:
    answer = client.get("/metrics", headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 200, answer.content
    return {family.name: family.samples for family in text_string_to_metric_families(answer.content.decode())}


def test_metrics_are_off_on_the_web_until_a_token_is_set(client: Client, settings):
    settings.METRICS_TOKEN = ""

    assert client.get("/metrics").status_code == 404


def test_metrics_want_the_token(client: Client, settings):
    settings.METRICS_TOKEN = "scrape-token-1"

    assert client.get("/metrics").status_code == 401
    assert client.get("/metrics", headers={"authorization": "Bearer other"}).status_code == 401


def test_requests_are_counted_by_view_and_status_and_never_by_path(client: Client, settings):
    settings.METRICS_TOKEN = "scrape-token-1"
    client.get("/api/runs/")
    client.get("/api/nowhere/77/")

    found = scraped(client, "scrape-token-1")

    labels = [sample.labels for sample in found["headgate_http_requests"]]
    assert any(one["status"] in ("401", "403") for one in labels)
    assert any(one["view"] == "none" and one["status"] == "404" for one in labels)
    assert not any("77" in one["view"] for one in labels)
    assert found["headgate_http_request_seconds"]
    assert found["headgate_process_memory_bytes"][0].value > 1_000_000


def test_the_age_of_the_last_sweep_is_told(client: Client, settings):
    settings.METRICS_TOKEN = "scrape-token-1"
    Sweep.objects.create(name="host:1", at=timezone.now() - timedelta(seconds=40))

    found = scraped(client, "scrape-token-1")

    assert 39 < found["headgate_sweep_age_seconds"][0].value < 50
    assert found["headgate_sweepers"][0].value == 1


def test_figures_are_read_with_few_queries_and_then_kept(monkeypatch):
    monkeypatch.setattr(figures, "HOLDS", 60)
    installation = Installation()

    with CaptureQueriesContext(connection) as captured:
        list(installation.collect())
    with CaptureQueriesContext(connection) as again:
        list(installation.collect())

    assert len(captured) < 50
    assert len(again) == 0


def test_a_broker_that_is_away_leaves_the_other_figures(client: Client, settings):
    settings.METRICS_TOKEN = "scrape-token-1"
    settings.REDIS_URL = "redis://127.0.0.1:1/0"

    found = scraped(client, "scrape-token-1")

    unread = {sample.labels["part"]: sample.value for sample in found["headgate_unread_figures"]}
    assert unread["queues"] == 1
    assert unread["work"] == 0


def test_queues_are_measured(client: Client, settings, redis_url):
    import redis

    settings.METRICS_TOKEN = "scrape-token-1"
    settings.REDIS_URL = redis_url
    with redis.Redis.from_url(redis_url) as server:
        server.rpush("dramatiq:extract", "a", "b", "c")
        try:
            found = scraped(client, "scrape-token-1")
        finally:
            server.delete("dramatiq:extract")

    waiting = {sample.labels["queue"]: sample.value for sample in found["headgate_queue_messages"]}
    assert waiting["extract"] == 3
    assert waiting["load"] == 0
