"""What the handbooks have people type exists: commands with their options, settings, figures, files."""

import re
import shlex
from pathlib import Path

import pytest

from tests.deploy import kit
from tests.deploy.kit import DEPLOY, ROOT

DOCS = [ROOT / "docs" / "deployment.md", ROOT / "docs" / "operations.md"]
COMMAND = re.compile(r"manage\.py ((?:[a-z_]+)(?: (?:--?[a-z-]+|[\w./]+|\"[^\"]*\"))*)")


def written(pattern: str) -> list[tuple[Path, str]]:
    return [(path, found) for path in DOCS for found in re.findall(pattern, path.read_text())]


def test_commands_take_the_options_that_are_written():
    found = [(path, words) for path in DOCS for words in COMMAND.findall(path.read_text())]

    assert len(found) > 10
    for _, words in found:
        kit.check_command(shlex.split(words))


def test_settings_are_read():
    names = {name for _, name in written(r"`((?:HEADGATE|DJANGO)_[A-Z_]+|[A-Z]+_URL|WEB_[A-Z_]+)")}

    assert len(names) > 15
    assert names <= kit.known_settings() | {"HEADGATE_ALLOWED_HOSTS"}


def test_figures_are_measured():
    sources = "".join(path.read_text() for path in (ROOT / "config" / "observing").glob("*.py"))

    for _, name in written(r"`headgate_([a-z0-9_]+)`"):
        assert f'"{name}"' in sources or name == "books", name


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_files_are_there(path: Path):
    for name in re.findall(r"`((?:docs|config|tests)/[\w./@-]+)`", path.read_text()):
        assert (ROOT / name).exists(), name


def test_every_file_of_the_folder_is_named_in_a_handbook_or_by_another():
    texts = "".join(path.read_text() for path in [*DOCS, *(p for p in DEPLOY.rglob("*") if p.is_file())])

    for path in DEPLOY.rglob("*"):
        if path.is_file() and path.suffix not in (".pyc", ".service"):
            assert path.name in texts or path.name == "Dockerfile.dockerignore", path.name
