"""The files that an installation is made from name only what exists, and agree with each other and with the settings.
No image is built here: that needs a container engine."""

import os
import re
import runpy
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType

import pytest
from django.conf import settings
from gunicorn.config import Config

from ingestion.staging.stores import open_store
from tests.deploy import kit
from tests.deploy.kit import DEPLOY, ROOT
from tests.services.s3 import RunningS3

BIN = Path(sys.executable).parent


def python(*arguments: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True
    )


# compose.yaml


def test_each_service_of_ours_runs_a_command_that_exists():
    for service in kit.ours().values():
        words = service["command"]
        if words[:2] == ["python", "manage.py"]:
            kit.check_command(words[2:])
        elif words[0] == "python":
            assert (ROOT / words[1]).is_file()
        else:
            assert (BIN / words[0]).is_file()
            assert words[1] == settings.WSGI_APPLICATION.rpartition(".")[0]
            assert (ROOT / words[words.index("--config") + 1]).is_file()


def test_every_queue_has_a_worker_and_no_other_is_named():
    named = [kit.option_of(s["command"], "--queues") for s in kit.ours().values() if "--queues" in s["command"]]

    assert {name for names in named for name in names} == kit.queues()


def test_the_environment_holds_only_settings_that_are_read():
    for service in kit.ours().values():
        assert set(service["environment"]) <= kit.known_settings()


def test_no_secret_has_a_default():
    text = (DEPLOY / "compose.yaml").read_text()

    for name in ("DJANGO_SECRET_KEY", "HEADGATE_CREDENTIAL_KEYS", "POSTGRES_PASSWORD", "REDIS_PASSWORD", "S3_PASSWORD"):
        assert "${" + name + ":?" in text, f"compose says that {name} is missing"
        assert "${" + name + ":-" not in text


def test_what_compose_asks_for_is_in_the_example():
    asked = set(re.findall(r"\$\{(\w+)", (DEPLOY / "compose.yaml").read_text()))

    assert asked <= set(kit.env_file(DEPLOY / "env.example"))


def test_stopping_leaves_more_time_than_our_own_grace():
    gunicorn = runpy.run_path(str(DEPLOY / "gunicorn.conf.py"))
    for name, service in kit.ours().items():
        if "--worker-shutdown-timeout" in service["command"]:
            [grace] = kit.option_of(service["command"], "--worker-shutdown-timeout")
            assert kit.seconds(service["stop_grace_period"]) > int(grace) / 1000 + 10, name
    assert kit.seconds(kit.ours()["web"]["stop_grace_period"]) > gunicorn["graceful_timeout"] + 10
    assert gunicorn["graceful_timeout"] > gunicorn["_drain"] * 4, "what is under way has the rest"


def test_services_wait_for_services_that_are_there_and_volumes_are_declared():
    services, volumes = kit.compose()["services"], kit.compose()["volumes"]
    for service in services.values():
        for name, wanted in service.get("depends_on", {}).items():
            assert "healthcheck" in services[name] or wanted["condition"] != "service_healthy"
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert source in volumes or (DEPLOY / source).is_file()


def test_redis_keeps_messages_and_never_evicts_them():
    words = kit.compose()["services"]["redis"]["command"]

    assert kit.option_of(words, "--appendonly") == ["yes"]
    assert kit.option_of(words, "--appendfsync") == ["everysec"]
    assert kit.option_of(words, "--maxmemory-policy") == ["noeviction"]


def test_stores_of_the_compose_file_can_be_opened():
    environment = kit.ours()["web"]["environment"]

    for name in ("STAGING_URL", "HEADGATE_ARCHIVE_URL", "HEADGATE_COLD_URL"):
        assert open_store(environment[name]).uri("a").startswith("s3://headgate/")


# The image


def test_the_base_is_pinned_and_the_process_is_no_root():
    told = kit.instructions()

    assert re.fullmatch(r"python:3\.11\.\d+-slim-\w+", told[0][1])
    assert [rest for word, rest in told if word == "USER"] == ["headgate"]
    assert [word for word, _ in told].index("USER") < [word for word, _ in told].index("CMD")
    assert any("--require-hashes" in rest for word, rest in told if word == "RUN")


def test_what_the_image_holds_is_enough_to_start_and_keeps_no_key(tmp_path: Path):
    kept = [line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line[:1] == "!"]
    for word, rest in kit.instructions():
        if word == "COPY":
            *sources, target = rest.split()
            for source in sources:
                assert source in kept, f"{source} is left out by Dockerfile.dockerignore"
                _copy(ROOT / source, tmp_path / target, several=target.endswith("/"))
    [build] = [rest for word, rest in kit.instructions() if word == "RUN" and "collectstatic" in rest]
    given = dict(pair.split("=") for pair in re.findall(r"\b[A-Z_]+=\S+", build))

    done = python(
        "manage.py", "collectstatic", "--noinput", cwd=tmp_path, HEADGATE_VAR=str(tmp_path / "var"),
        DATABASE_URL="postgresql://a:b@127.0.0.1:1/c", **given,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "var/static/runs/headgate.css").is_file()
    assert list((tmp_path / "var").glob("*.key")) == []


def _copy(source: Path, target: Path, *, several: bool) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        target = target / source.name if several else target
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)


@pytest.fixture
def answering() -> Iterator[tuple[int, list[tuple[str, str, str]], list[int]]]:
    """A server that answers with the status in the list; its port, and what it was asked."""
    asked: list[tuple[str, str, str]] = []
    status = [200]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.path, self.headers["Host"], self.headers["X-Forwarded-Proto"]))
            self.send_response(status[0])
            self.end_headers()

        def log_message(self, *args) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port, asked, status
    server.shutdown()
    server.server_close()


def test_the_health_check_believes_only_a_200(answering):
    port, asked, status = answering
    environment = {"HEALTH_PORT": str(port), "DJANGO_ALLOWED_HOSTS": "*,.example.com"}

    well = python("config/deploy/healthcheck.py", **environment)
    status[0] = 503
    badly = python("config/deploy/healthcheck.py", **environment)

    assert (well.returncode, badly.returncode) == (0, 1)
    assert asked[0] == ("/health/ready", "example.com", "https")
    assert "answered 503" in badly.stderr


def test_the_health_check_says_when_nobody_answers():
    done = python("config/deploy/healthcheck.py", PORT="1")

    assert done.returncode == 1
    assert "port 1" in done.stderr


def test_gunicorn_takes_its_configuration():
    config = Config()
    told = runpy.run_path(str(DEPLOY / "gunicorn.conf.py"))
    known = {
        name: value
        for name, value in told.items()
        if name not in ("Any", "Path") and not isinstance(value, ModuleType) and not name.startswith("_")
    }

    for name, value in known.items():
        config.set(name, value)  # raises for a name or a value that gunicorn does not know

    assert config.worker_class_str == "gthread"
    assert len(known) > 10


def test_the_bucket_is_made_once(s3_server: RunningS3, monkeypatch: pytest.MonkeyPatch):
    address = f"s3://fresh-bucket/staging?endpoint_url={s3_server.endpoint}&region=eu-west-1"
    monkeypatch.setenv("STAGING_URL", address)
    main = runpy.run_path(str(DEPLOY / "make_bucket.py"))["main"]

    assert [main(), main()] == [0, 0]

    assert "fresh-bucket" in [b["Name"] for b in s3_server.client().list_buckets()["Buckets"]]


# systemd


def test_units_start_what_exists_and_stop_it_with_patience():
    for name, unit in kit.units().items():
        service = unit["Service"]
        words = service["ExecStart"].split("\n")[0].split()
        assert words[0].startswith("/opt/headgate/.venv/bin/")
        assert (BIN / Path(words[0]).name).is_file()
        if words[1] == "manage.py":
            kit.check_command(_filled(name, words[2:]))
        if "--worker-shutdown-timeout" in words:
            [grace] = kit.option_of(words, "--worker-shutdown-timeout")
            assert int(service["TimeoutStopSec"]) > int(grace) / 1000 + 10
        if name != "headgate-migrate.service":
            assert service["Restart"] == "always"
        for option in ("NoNewPrivileges", "ProtectSystem", "PrivateTmp", "CapabilityBoundingSet"):
            assert option in service


def _filled(name: str, words: list[str]) -> list[str]:
    if "@" not in name:
        return words
    told = kit.env_file(DEPLOY / "systemd/worker-runs.env")
    return [part for word in words for part in (told[word.strip("${}")].split() if word.startswith("$") else [word])]


def test_the_workers_of_systemd_share_all_queues():
    told = [kit.env_file(DEPLOY / f"systemd/worker-{name}.env") for name in ("runs", "batches")]

    assert {queue for each in told for queue in each["QUEUES"].split()} == kit.queues()
    assert len({each["HEALTH_PORT"] for each in told}) == 2
    for each in told:
        assert set(each) <= kit.known_settings() | kit.UNITS


def test_systemd_itself_takes_the_units(tmp_path: Path):
    """Where there is no systemd, what the tests above read of the units has to do."""
    analyze = shutil.which("systemd-analyze")
    for path in sorted((DEPLOY / "systemd").glob("*.service")):
        text = path.read_text().replace("/opt/headgate/.venv/bin", str(BIN)).replace("/opt/headgate", str(ROOT))
        instance = tmp_path / path.name.replace("@", "@runs")
        instance.write_text(text)
    if analyze:
        done = subprocess.run(
            [analyze, "verify", "--man=no", *map(str, sorted(tmp_path.glob("headgate-*")))],
            capture_output=True,
            text=True,
        )
        complaints = [line for line in done.stderr.splitlines() if "headgate" in line]
        assert complaints == []
    assert len(list(tmp_path.iterdir())) == 4


# The environment, and the proxy


def test_the_example_names_only_settings_that_are_read():
    assert set(kit.env_file(DEPLOY / "env.example")) <= kit.known_settings() | kit.COMPOSE_ONLY


def test_the_example_holds_no_secret():
    told = kit.env_file(DEPLOY / "env.example")

    for name in ("DJANGO_SECRET_KEY", "HEADGATE_CREDENTIAL_KEYS", "POSTGRES_PASSWORD", "REDIS_PASSWORD", "S3_PASSWORD"):
        assert told[name] == ""


def test_the_ports_of_all_files_agree():
    web = kit.ours()["web"]
    [published] = web["ports"]
    nginx = (DEPLOY / "nginx.conf").read_text()
    [exposed] = [rest.split() for word, rest in kit.instructions() if word == "EXPOSE"]
    unit = kit.units()["headgate-web.service"]["Service"]["Environment"]

    assert published == f"127.0.0.1:8000:{web['environment']['PORT']}"
    assert "server 127.0.0.1:8000;" in nginx
    assert "PORT=8000" in unit
    health = {
        each["environment"]["HEALTH_PORT"] for each in kit.ours().values() if "HEALTH_PORT" in each["environment"]
    }
    assert exposed == ["8000", *health]


def test_the_proxy_lets_through_what_the_api_takes():
    nginx = (DEPLOY / "nginx.conf").read_text()
    largest = max(int(size) for size in re.findall(r"client_max_body_size (\d+)m;", nginx)) * 1024 * 1024

    assert largest > max(settings.UPLOAD_CHUNK_BYTES, settings.UPLOAD_FILE_BYTES)
    assert nginx.count("{") == nginx.count("}")
    stripped = [line.strip() for line in nginx.splitlines() if line.strip() and not line.strip().startswith("#")]
    assert all(line[-1] in ";{}" for line in stripped)
    patience = runpy.run_path(str(DEPLOY / "gunicorn.conf.py"))["keepalive"]
    assert patience > int(re.findall(r"keepalive_timeout (\d+)s", nginx)[0]), "the proxy ends idle connections, not we"
