"""Rules of the house that a linter does not know: one writer of status, sizes, declared actors, no loose words."""

import ast
import re
import subprocess
from pathlib import Path

import pytest
from django.core.checks import run_checks

ROOT = Path(__file__).resolve().parents[2]
APPS = ("config", "connectors", "ingestion", "runs")
MODULES = [path for app in APPS for path in sorted((ROOT / app).rglob("*.py")) if "migrations" not in path.parts]
STATUS_KEEPERS = [  # the statuses of HTTP answers are other words
    path
    for path in MODULES
    if path.name != "problems.py" and "demo" not in path.parts and "connectors" not in path.parts
]
WRITERS = {"runs": "runs/lifecycle/", "ingestion": "ingestion/lifecycle.py"}
CREATED_WITH_STATUS = {"runs/lifecycle/starting.py"}


def relative(path):
    return str(path.relative_to(ROOT))


def assignments_of_status(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr == "status" and isinstance(node.ctx, ast.Store):
            yield node.lineno
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            writes = node.func.attr in ("update", "create", "get_or_create", "update_or_create", "bulk_update")
            if writes and any(keyword.arg == "status" for keyword in node.keywords):
                yield node.lineno


@pytest.mark.parametrize("path", STATUS_KEEPERS, ids=relative)
def test_only_the_lifecycle_writes_a_status(path):
    name = relative(path)
    if any(name.startswith(writer) for writer in WRITERS.values()):
        return

    lines = list(assignments_of_status(ast.parse(path.read_text())))

    assert not lines, f"{name} assigns a status in line {lines}"


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_files_have_one_subject_and_say_it(path):
    text = path.read_text()

    assert len(text.splitlines()) <= 400
    if text.strip():
        assert ast.get_docstring(ast.parse(text)), "a module opens with what it owns"


def test_the_system_checks_find_nothing():
    assert run_checks() == []


def test_no_path_of_a_machine_stands_in_the_repository():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    foreign = re.compile(r"/(?:home|root|Users)/\w+|\bwor" + r"k/main\b")
    texts = {name: (ROOT / name).read_text(errors="ignore") for name in listed if (ROOT / name).is_file()}

    assert not [name for name, text in texts.items() if foreign.search(text)]
