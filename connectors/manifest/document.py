"""Reads a YAML text into plain values and walks them, collecting problems with their paths. Knows no manifest key."""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from typing import Any, Final

import yaml

from connectors.manifest.problems import Problem, suggestion

MAX_BYTES: Final = 1_000_000
DURATION: Final = re.compile(r"(\d+)\s*(s|m|h|d|w)")
SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
LONGEST: Final = 3653 * 86_400
_MISSING: Final = object()


class _Loader(yaml.SafeLoader):
    """The safe loader, which also refuses a key given twice and aliases (they can blow up a small text)."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(problem="aliases are not allowed: use `defaults`", problem_mark=mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key.value, str) and key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"the key {key.value!r} is given twice", problem_mark=key.start_mark)
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)

    def construct_yaml_timestamp(self, node: yaml.ScalarNode) -> Any:
        try:
            return super().construct_yaml_timestamp(node)
        except ValueError as error:
            problem = f"{node.value!r} is no date ({error})"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark) from error


_Loader.add_constructor("tag:yaml.org,2002:timestamp", _Loader.construct_yaml_timestamp)


def load(text: str) -> tuple[Any, list[Problem]]:
    """The document's plain values, or the reason why it cannot be read."""
    if len(text) > MAX_BYTES:
        return None, [Problem("", f"the document is larger than {MAX_BYTES:,} characters")]
    try:
        return yaml.load(text, Loader=_Loader), []  # noqa: S506 - derived from the safe loader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        return None, [Problem(place, f"this is not readable YAML: {error.problem}")]
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        return None, [Problem("", f"this is not readable YAML: {error}")]


def as_text(value: Any) -> str | None:
    """A scalar as the text it stood for; None for lists, mappings and null."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value) if isinstance(value, str | int | float) else None


class Node:
    """A mapping in the document. Each reader takes one key; `done` complains about the keys that nobody took."""

    def __init__(self, value: Any, path: str, problems: list[Problem]) -> None:
        self.path = path
        self.problems = problems
        self.known: list[str] = []
        self.values: Mapping[str, Any] = {}
        if isinstance(value, Mapping):
            self.values = {str(key): item for key, item in value.items()}
        elif value is not None:
            self.wrong("", f"must be a mapping of keys, not {_kind(value)}")

    def at(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path and key else self.path or key

    def wrong(self, key: str, message: str) -> None:
        self.problems.append(Problem(self.at(key), message))

    def has(self, key: str) -> bool:
        return self.values.get(key) is not None

    def take(self, key: str, *, required: bool = False) -> Any:
        self.known.append(key)
        value = self.values.get(key)
        if value is None and required:
            self.wrong(key, "is missing")
        return value

    def _read(self, key: str, default: Any, required: bool, accept: Callable[[Any], Any], wanted: str) -> Any:
        value = self.take(key, required=required)
        if value is None:
            return default
        accepted = accept(value)
        if accepted is _MISSING:
            self.wrong(key, f"must be {wanted}, not {_kind(value)}")
            return default
        return accepted

    def text(self, key: str, default: str = "", *, required: bool = False) -> str:
        result: str = self._read(key, default, required, lambda v: _or_missing(as_text(v)), "text")
        if required and self.has(key) and not result.strip():
            self.wrong(key, "must not be empty")
        return result

    def choice(self, key: str, options: tuple[str, ...], default: str, *, required: bool = False) -> str:
        value = self.text(key, default, required=required)
        if value not in options:
            self.wrong(key, f'unknown {key} "{value}": use one of {", ".join(options)}{suggestion(value, options)}')
            return default
        return value

    def flag(self, key: str, default: bool | None = None) -> bool | None:
        value: bool | None = self._read(key, default, False, _flag, "true or false")
        return value

    def number(self, key: str, default: float | None, *, least: float, most: float = math.inf) -> float | None:
        value: float | None = self._read(key, default, False, _number, "a number")
        if value is not None and not least <= value <= most:
            self.wrong(key, f"must be at least {least:g}" + (f" and at most {most:g}" if most < math.inf else ""))
            return default
        return value

    def whole(self, key: str, default: int | None, *, least: int = 0, most: int = 10**9) -> int | None:
        value = self.number(key, default, least=least, most=most)
        if value is not None and value != int(value):
            self.wrong(key, "must be a whole number")
            return default
        return None if value is None else int(value)

    def seconds(self, key: str, default: float = 0.0) -> float:
        """A duration: "30s", "15m", "6h", "2d", "1w", or a number of seconds."""
        text = self.text(key, "")
        if not text:
            return default
        found = DURATION.fullmatch(text.strip())
        number = int(found[1]) * SECONDS[found[2]] if found else float(text) if text.strip().isdecimal() else None
        if number is None:
            self.wrong(key, f'cannot read the duration "{text}": write it like 30s, 15m, 6h, 2d or 1w')
        elif number > LONGEST:
            self.wrong(key, f'the duration "{text}" is longer than ten years')
        else:
            return number
        return default

    def dotted(self, key: str, *, required: bool = False) -> tuple[str, ...]:
        return split_path(self.text(key, required=required))

    def words(self, key: str, *, required: bool = False) -> tuple[str, ...]:
        """A list of texts; a single text counts as a list of one."""
        value = self.take(key, required=required)
        items = value if isinstance(value, list) else [] if value is None else [value]
        texts = [as_text(item) for item in items]
        for index, text in enumerate(texts):
            if not text:
                self.wrong(f"{key}[{index}]", "must be text that is not empty")
        return tuple(text for text in texts if text)

    def mapping(self, key: str) -> dict[str, str]:
        """A mapping of texts."""
        inner = Node(self.take(key), self.at(key), self.problems)
        found = {name: as_text(value) for name, value in inner.values.items()}
        for name, text in found.items():
            if text is None:
                inner.wrong(name, f"must be text, not {_kind(inner.values[name])}")
        return {name: text for name, text in found.items() if text is not None}

    def child(self, key: str) -> "Node":
        return Node(self.take(key), self.at(key), self.problems)

    def children(self, key: str, *, required: bool = False) -> Iterator["Node"]:
        value = self.take(key, required=required)
        if value is not None and not isinstance(value, list):
            self.wrong(key, f"must be a list, not {_kind(value)}")
            return
        if required and value == []:
            self.wrong(key, "must hold at least one entry")
        for index, item in enumerate(value or []):
            if not isinstance(item, Mapping):
                self.wrong(f"{key}[{index}]", f"must be a mapping of keys, not {_kind(item)}")
                continue
            yield Node(item, f"{self.at(key)}[{index}]", self.problems)

    def done(self) -> None:
        for key in self.values:
            if key not in self.known:
                self.wrong(
                    key, "unknown key" + (suggestion(key, self.known) or f": use one of {', '.join(self.known)}")
                )


def split_path(text: str) -> tuple[str, ...]:
    """ "data.items" → ("data", "items"); "" and "$" mean the root."""
    return tuple(part for part in text.strip().removeprefix("$").strip(".").split(".") if part)


def _number(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return value
    return _MISSING


def _flag(value: Any) -> Any:
    return value if isinstance(value, bool) else _MISSING


def _or_missing(value: Any) -> Any:
    return _MISSING if value is None else value


def _kind(value: Any) -> str:
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return "nothing" if value is None else f'"{as_text(value)}"'
