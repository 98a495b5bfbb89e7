"""Reading what is written for those who install it: compose file, image recipe, units, docs."""

from __future__ import annotations

import re
from configparser import RawConfigParser
from functools import cache
from pathlib import Path
from typing import Any

import dramatiq
import yaml
from django.core.management import get_commands, load_command_class

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "config" / "deploy"
READ = re.compile(r"""(?:env(?:\.\w+)?|_kept_secret|environ(?:\.get)?)[\[(]\s*["']([A-Za-z_]+)["']""")
ELSEWHERE = {  # read by what we stand on
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "DJANGO_SETTINGS_MODULE", "dramatiq_worker_timeout",
    "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "PIP_NO_CACHE_DIR", "PIP_DISABLE_PIP_VERSION_CHECK",
}  # fmt: skip
UNITS = {"PROCESSES", "THREADS", "QUEUES"}  # read by the units themselves
COMPOSE_ONLY = {"POSTGRES_PASSWORD", "REDIS_PASSWORD", "S3_USER", "S3_PASSWORD"}  # read by the compose file
SECONDS = {"s": 1, "m": 60}


@cache
def known_settings() -> frozenset[str]:
    """Every name of the environment that the program reads."""
    places = [ROOT / "config", ROOT / "runs", ROOT / "ingestion", ROOT / "connectors"]
    texts = [path.read_text() for place in places for path in place.rglob("*.py")]
    return frozenset(name for text in texts for name in READ.findall(text)) | ELSEWHERE


def compose() -> dict[str, Any]:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())


def ours() -> dict[str, dict[str, Any]]:
    """The services that run our image."""
    return {name: each for name, each in compose()["services"].items() if each["image"] == "headgate"}


def seconds(told: str) -> int:
    return int(told[:-1]) * SECONDS[told[-1]]


def queues() -> set[str]:
    return {actor.queue_name for actor in dramatiq.get_broker().actors.values() if actor.queue_name != "default"}


def env_file(path: Path) -> dict[str, str]:
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def units() -> dict[str, RawConfigParser]:
    found = {}
    for path in sorted((DEPLOY / "systemd").glob("*.service")):
        unit = RawConfigParser(strict=False, comment_prefixes=("#",), dict_type=_Many, empty_lines_in_values=False)
        unit.optionxform = str  # type: ignore[assignment,method-assign]
        unit.read_string(path.read_text())
        found[path.name] = unit
    return found


class _Many(dict[str, Any]):
    """Keeps all values of a name that is given several times, as systemd does."""

    def __setitem__(self, name: str, value: Any) -> None:
        if isinstance(value, list) and isinstance(self.get(name), list):
            value = [*self[name], *value]
        super().__setitem__(name, value)


def option_of(arguments: list[str], name: str) -> list[str]:
    """What stands behind an option, up to the next one."""
    rest = arguments[arguments.index(name) + 1 :]
    end = next((place for place, word in enumerate(rest) if word.startswith("--")), len(rest))
    return rest[:end]


def check_command(words: list[str]) -> None:
    """Have the command's own parser read these words of "python manage.py …". Raises AssertionError."""
    name, arguments = words[0], words[1:]
    assert name in get_commands(), f"there is no command {name}"
    app = get_commands()[name]
    command = load_command_class(app, name) if isinstance(app, str) else app
    parser = command.create_parser("manage.py", name)
    parser.error = _refuse  # type: ignore[method-assign]
    parser.parse_args(arguments)


def _refuse(message: str) -> None:
    raise AssertionError(message)


def instructions() -> list[tuple[str, str]]:
    """The image recipe: (instruction, the rest), continued lines joined."""
    text = re.sub(r"\\\n\s*", " ", (DEPLOY / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in lines]
