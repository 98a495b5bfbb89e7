"""docs/batch-api.md as a new user follows it: every command is run as it is written, in order, against a
new installation, and the answers are those that are shown. And its tables are true of the code."""

import json
import os
import re
import shutil
import subprocess
import sys

import httpx
import pytest
from django.conf import settings

from ingestion.api.problems import NOT_NOW
from ingestion.checking import codes
from ingestion.states import BatchStatus
from ingestion.uploads.creating import INCOMPATIBLE
from tests.services.process import Server, free_port

DOCUMENT = settings.BASE_DIR / "docs" / "batch-api.md"
BLOCK = re.compile(r"^```(sh|json)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MARK = "=== the next block ==="


@pytest.fixture(scope="module")
def text():
    return DOCUMENT.read_text()


@pytest.fixture(scope="module")
def steps(text):
    """(commands, the answer that is shown or None), in order."""
    found = []
    for kind, content in BLOCK.findall(text):
        if kind == "sh":
            found.append([content, None])
        else:
            found[-1][1] = json.loads(content)
    return found


def matches(shown, came):
    """What is shown came, in more words perhaps; … stands for anything."""
    if shown == "…":
        return True
    if isinstance(shown, dict):
        return isinstance(came, dict) and all(
            matches(value, next(iter(came.values())) if name == "…" else came.get(name, "nothing"))
            for name, value in shown.items()
        )
    if isinstance(shown, list):
        return isinstance(came, list) and len(came) == len(shown) and all(map(matches, shown, came))
    return shown == came


@pytest.fixture
def fresh(tmp_path):
    """A new installation on one machine, as the document has it: SQLite, DuckDB, folders. (address, environment)"""
    kept = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "PYTEST_CURRENT_TEST")}
    environment = {**kept, "HEADGATE_VAR": str(tmp_path / "var"), "DJANGO_SETTINGS_MODULE": "config.settings"}
    manage, port = [sys.executable, str(settings.BASE_DIR / "manage.py")], free_port()
    address = f"http://127.0.0.1:{port}"
    subprocess.run([*manage, "migrate", "--verbosity=0"], env=environment, check=True, timeout=120)
    server = Server(
        name="a fresh installation",
        command=[*manage, "serve", f"--port={port}"],
        log=tmp_path / "log",
        ready=lambda: httpx.get(address),
        options={"env": environment},
    )
    server.start()
    yield address, environment
    server.stop()
    assert "Traceback" not in server.log.read_text()


def test_every_command_does_what_is_shown(fresh, steps, tmp_path):
    address, environment = fresh
    folder = tmp_path / "copy"
    folder.mkdir()
    (folder / "manage.py").symlink_to(settings.BASE_DIR / "manage.py")
    script = f"\necho; echo '{MARK}'\n".join(commands for commands, _ in steps)
    script = script.replace("http://127.0.0.1:8000", address).replace(".venv/bin/python", sys.executable)

    done = subprocess.run(
        [shutil.which("bash"), "-euo", "pipefail", "-c", script],
        env={**environment, "PYTHONPATH": str(settings.BASE_DIR)},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=90,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    printed = done.stdout.split(MARK)
    assert len(printed) == len(steps)
    for (commands, shown), came in zip(steps, printed, strict=True):
        if shown is not None:
            start = came.rstrip().rfind("\n{") + 1 if "\n{" in came.rstrip() else came.index("{")
            last = json.loads(came.rstrip()[start:].replace("}{", "}\n{").splitlines()[-1])
            assert matches(shown, last), (commands, shown, last)


def test_every_status_is_explained(text):
    table = text.partition("## Statuses")[2].partition("## Error codes")[0]

    assert [status for status in BatchStatus if f"`{status}`" not in table] == []


def test_every_code_is_explained_and_ours_are_marked(text):
    tables = text.partition("## Error codes")[2].partition("## Limits")[0]
    known = [each for each in vars(codes).values() if isinstance(each, codes.RowCode | codes.FileCode)]
    spelled = _spelled(tables)

    assert len(known) > 25
    for each in known:
        assert each.code in spelled, each
        assert spelled[each.code] == each.ours, each
    assert {NOT_NOW, INCOMPATIBLE} <= set(re.findall(r"ERR-BI-\d+", tables))


def _spelled(tables):
    """Codes of the tables, also those that are named by their number after a first one, or lie between two."""
    found = {}
    for line in tables.splitlines():
        cell = line.removeprefix("|").partition("|")[0].strip()
        numbers = [int(number) for number in re.findall(r"\b\d{4}\b", cell)]
        if " to " in cell:
            numbers = list(range(numbers[0], numbers[-1] + 1))
        tail = re.search(r"-(\d00)\b", cell)
        for number in numbers:
            found[f"INGEST-{number}-{tail[1]}" if tail else str(number)] = "(ours)" in cell
        if cell.isdigit():
            found[cell] = False
    return found


def test_every_setting_that_is_named_is_there_with_its_default(text):
    source = (settings.BASE_DIR / "config" / "settings.py").read_text()

    names = set(re.findall(r"HEADGATE_[A-Z_]+", text))

    assert len(names) > 12
    assert [name for name in names if f'"{name}"' not in source] == []
    assert f"{settings.BATCH_FILES:,}" in text
    assert f"{settings.UPLOAD_CHUNK_BYTES:,}" in text
