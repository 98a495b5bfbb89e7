"""docs/settings.md names every setting, docs/observing.md every metric; its rules parse and ask for metrics we have."""

import re
from pathlib import Path

import pytest
import yaml

from config.observing import figures, metrics

ROOT = Path(__file__).resolve().parents[2]
OBSERVING = (ROOT / "docs" / "observing.md").read_text()
NOT_SHOWN = {"HEADGATE_CREDENTIAL_KEY"}  # the file that HEADGATE_CREDENTIAL_KEYS falls back to


def test_every_setting_is_documented():
    source = (ROOT / "config" / "settings.py").read_text()
    names = set(re.findall(r'(?:env(?:\.\w+)?|_kept_secret)\(\s*"([A-Z_]+)"', source)) - NOT_SHOWN
    text = (ROOT / "docs" / "settings.md").read_text()

    assert len(names) > 40
    assert [name for name in sorted(names) if f"`{name}`" not in text] == []


@pytest.mark.django_db
def test_every_metric_is_documented_and_no_other(settings, redis_url):
    settings.REDIS_URL = redis_url
    told = {metric.name for metric in figures.read()} | {"headgate_http_requests_total", "headgate_messages_total"}
    told |= {"headgate_http_request_seconds", "headgate_message_seconds"}
    told |= {metrics.MEMORY._name, metrics.FILES._name}
    from runs.models import Sweep

    if not Sweep.objects.exists():
        told.add("headgate_sweep_age_seconds")

    assert set(re.findall(r"^\| `(headgate_\w+)`", OBSERVING, re.MULTILINE)) == told


def test_the_alert_rules_parse_and_ask_for_metrics_that_are_there():
    blocks = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", OBSERVING, re.DOTALL)]
    rules = [rule for block in blocks for group in block.get("groups", []) for rule in group["rules"]]
    shown = set(re.findall(r"^\| `(headgate_\w+)`", OBSERVING, re.MULTILINE))

    assert len(rules) == 10
    assert len({rule["alert"] for rule in rules}) == 10
    for rule in rules:
        asked = {name.removesuffix("_bucket") for name in re.findall(r"headgate_\w+", rule["expr"])}
        assert asked
        assert asked <= shown, rule
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"]["summary"]
    assert any("scrape_configs" in block for block in blocks)
