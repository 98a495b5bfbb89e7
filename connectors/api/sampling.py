"""Trying a data source for a person: the steps of a connection test, and the first records of an endpoint."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from connectors import engines
from connectors.models import DataSource
from connectors.protocol import CheckStep, Fault, SourceError

TEN: Final = 10
KINDS: Final[Mapping[type, str]] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "text",
    list: "list",
    dict: "object",
    type(None): "null",
}


class UnknownEndpointError(Exception):
    """The source has no endpoint of that name; the message lists those that it has."""


@dataclass(frozen=True, kw_only=True)
class Column:
    name: str
    kinds: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Records:
    """The first records of an endpoint. Row values: for people with the raw-data permission alone."""

    endpoint: str
    columns: Sequence[Column]
    records: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Check:
    steps: Sequence[CheckStep]

    @property
    def ok(self) -> bool:
        return all(step.ok for step in self.steps)


def try_connection(source: DataSource) -> Check:
    """All steps that were tried. Calls the source. Raises ManifestError, and SourceError before the first step."""
    return Check(steps=list(engines.check(engines.open_data_source(source))))


def first_records(source: DataSource, endpoint: str, *, now: str) -> Records:
    """Ten records at most of an endpoint, the first one when it is not named. Calls the source; keeps nothing.

    Raises UnknownEndpointError, SourceError, ManifestError.
    """
    opened = engines.open_data_source(source)
    known = [item.name for item in opened.discover()]
    wanted = endpoint or known[0]
    if wanted not in known:
        opened.close()
        raise UnknownEndpointError(f"“{source}” has no endpoint “{wanted}”. It has: {', '.join(known)}.")
    records = [_record(line, wanted) for line in engines.sample(opened, wanted, now=now).lines(TEN)]
    return Records(endpoint=wanted, columns=_columns(records), records=records)


def _record(line: bytes, endpoint: str) -> dict[str, Any]:
    try:
        # NaN and Infinity are no JSON, though some sources send them: a person sees the word.
        record = json.loads(line, parse_constant=str)
    except ValueError as error:
        raise _unreadable(endpoint) from error
    if not isinstance(record, dict):
        raise _unreadable(endpoint)
    return record


def _unreadable(endpoint: str) -> SourceError:
    return SourceError(
        f"The endpoint “{endpoint}” answered a record that is no JSON object.",
        fault=Fault.DATA,
        advice="Look at `records` of the endpoint in the manifest: it must point to a list of objects.",
    )


def _columns(records: Iterable[Mapping[str, Any]]) -> list[Column]:
    """Every key, in the order of first sight, with the kinds of values seen."""
    seen: dict[str, dict[str, None]] = {}
    for record in records:
        for name, value in record.items():
            seen.setdefault(name, {})[KINDS[type(value)]] = None
    return [Column(name=name, kinds=list(kinds)) for name, kinds in seen.items()]
