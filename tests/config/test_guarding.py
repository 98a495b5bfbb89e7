"""What the browser is told with every page, how long a login lasts, and that Django finds nothing to warn of."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from config import guarding

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def signed_in(client: Client, db) -> Client:
    client.force_login(get_user_model().objects.create_superuser("ada", password="x"))
    return client


def test_every_page_has_the_headers(client: Client, db):
    answer = client.get("/admin/login/")

    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "script-src 'self' 'unsafe-eval';" in policy, "no inline script"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert "camera=()" in answer.headers["Permissions-Policy"]


def test_an_idle_login_ends(signed_in: Client, settings, monkeypatch):
    settings.SESSION_IDLE_SECONDS = 1800
    assert signed_in.get("/admin/").status_code == 200

    later = guarding.time() + 1801
    monkeypatch.setattr(guarding, "time", lambda: later)

    assert signed_in.get("/admin/").status_code == 302


def test_a_login_that_is_used_lasts_until_its_longest_time(signed_in: Client, settings, monkeypatch):
    settings.SESSION_IDLE_SECONDS, settings.SESSION_COOKIE_AGE = 1800, 7200
    began = guarding.time()
    for minutes in range(0, 121, 20):
        monkeypatch.setattr(guarding, "time", lambda at=began + minutes * 60: at)
        assert signed_in.get("/admin/").status_code == 200, minutes

    monkeypatch.setattr(guarding, "time", lambda: began + 7300)

    assert signed_in.get("/admin/").status_code == 302


def test_django_finds_nothing_to_warn_of_in_production(tmp_path):
    environment = {
        **os.environ,
        "HEADGATE_VAR": str(tmp_path),
        "HEADGATE_BEHIND_TLS": "true",
        "DJANGO_ALLOWED_HOSTS": "ingest.example.com",
    }

    command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)

    assert done.returncode == 0, done.stderr
