"""Fills the few placeholders that a manifest may hold: settings, partition, parent, since. No expressions, ever."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from connectors.manifest import placeholders
from connectors.protocol import Fault, SourceError

Values = Mapping[str, str]


class MissingValue(Exception):
    """A placeholder has no value."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def fill(text: str, values: Values) -> str:
    """The text with every placeholder replaced. A value is never looked into again. Raises MissingValue."""
    return placeholders.PLACEHOLDER.sub(lambda found: _value(found[1], values), text)


def fill_path(text: str, values: Values) -> str:
    """Like `fill`, for a URL's path: what a value holds cannot become another path."""
    return fill(text, {name: _segment(value) for name, value in values.items()})


def fill_params(params: Mapping[str, str], values: Values) -> dict[str, str]:
    """The parameters; one whose `{{ since }}` has no value yet is left out."""
    filled = {}
    for name, text in params.items():
        try:
            filled[name] = fill(text, values)
        except MissingValue as missing:
            if missing.name != "since":
                raise
    return filled


def fill_body(body: Any, values: Values) -> Any:
    """A JSON body with the texts in it filled; a key whose `{{ since }}` has no value yet is left out."""
    if isinstance(body, str):
        return fill(body, values)
    if isinstance(body, list):
        return [fill_body(item, values) for item in body]
    if not isinstance(body, Mapping):
        return body
    filled = {}
    for name, item in body.items():
        try:
            filled[name] = fill_body(item, values)
        except MissingValue as missing:
            if missing.name != "since":
                raise
    return filled


def not_filled_in(name: str) -> SourceError:
    return SourceError(
        f'The manifest needs a value for "{name}", and there is none.',
        fault=Fault.CONFIG,
        advice="Fill it in on the data source's page, under settings.",
    )


def _value(name: str, values: Values) -> str:
    if name not in values:
        raise MissingValue(name)
    return values[name]


def _segment(value: str) -> str:
    """Percent-encoded; a value of dots only would climb up the path."""
    return "%2E" * len(value) if value and not value.strip(".") else quote(value, safe="")
