"""gunicorn by our configuration, as real processes: counted from nothing, one line a request, a stop told first."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.deploy.kit import DEPLOY, ROOT
from tests.services.process import Server, free_port

pytestmark = pytest.mark.long
OLD = "counter_1.db"
TOKEN = "scrape-token-of-the-test"


@pytest.fixture
def web(tmp_path: Path, postgres_database: str) -> Iterator[tuple[Server, httpx.Client, Path]]:
    port, figures = free_port(), tmp_path / "figures"
    figures.mkdir()
    (figures / OLD).write_bytes(b"of an earlier start")
    environment = {name: value for name, value in os.environ.items() if name != "REDIS_URL"}
    environment |= {
        "DATABASE_URL": postgres_database,
        "WAREHOUSE_URL": postgres_database,  # an embedded one has one process for its owner
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "HEADGATE_VAR": str(tmp_path / "var"),
        "PROMETHEUS_MULTIPROC_DIR": str(figures),
        "METRICS_TOKEN": TOKEN,
        "LOG_LEVEL": "INFO",
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "WEB_DRAIN_SECONDS": "6",
    }
    bare = {name: value for name, value in environment.items() if name != "PROMETHEUS_MULTIPROC_DIR"}
    migrate = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
    subprocess.run(migrate, cwd=ROOT, env=bare, check=True, timeout=300)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        command = [sys.executable, "-m", "gunicorn", "config.wsgi", "--config", str(DEPLOY / "gunicorn.conf.py")]
        server = Server(
            "gunicorn",
            command,
            tmp_path / "log",
            ready=lambda: client.get("/health/live").raise_for_status(),
            options={"cwd": ROOT, "env": environment},
        )
        server.start(timeout=120)
        try:
            yield server, client, tmp_path / "log"
        finally:
            server.stop(signal.SIGKILL)


def fresh(client: httpx.Client, path: str) -> httpx.Response:
    """Over a connection of its own, as a balancer asks."""
    return httpx.get(str(client.base_url.join(path)), timeout=60)


def until(asked, wanted, *, seconds: float = 20.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if asked() == wanted:
            return True
        time.sleep(0.05)
    return False


def processes(client: httpx.Client) -> set[str]:
    asked = {"Authorization": f"Bearer {TOKEN}"}
    text = httpx.get(str(client.base_url.join("/metrics")), headers=asked, timeout=60).text
    return set(re.findall(r'headgate_process_memory_bytes\{pid="(\d+)"\}', text))


def boots(log: Path) -> int:
    return log.read_text().count("Booting worker")


def test_figures_begin_anew_a_reload_stays_ready_and_a_stop_is_told_before_it_begins(web, tmp_path):
    server, client, log = web
    assert not (tmp_path / "figures" / OLD).exists()
    assert fresh(client, "/health/ready").status_code == 200
    assert fresh(client, "/api/runs/").status_code in (401, 403)
    assert log.read_text().count("GET /api/runs/") == 1, log.read_text()

    gone = sorted(processes(client))[0]
    os.kill(int(gone), signal.SIGKILL)
    assert until(lambda: gone in processes(client), wanted=False)
    assert until(lambda: boots(log), 3)
    server.process.send_signal(signal.SIGHUP)
    assert until(lambda: boots(log), 5)
    answers = [fresh(client, "/health/ready") for _ in range(20)]
    assert not [answer.text for answer in answers if answer.status_code != 200]

    server.process.send_signal(signal.SIGTERM)
    assert until(lambda: fresh(client, "/health/ready").status_code, 503, seconds=2)
    assert fresh(client, "/health/live").status_code == 200
    assert fresh(client, "/api/runs/").status_code in (401, 403), "who still comes is answered"
    assert server.process.wait(30) == 0
    assert "Traceback" not in log.read_text()
