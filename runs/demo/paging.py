"""What a call asks for: its parameters, read and checked, and the slice of records that makes a page."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlencode

from runs.demo.data import dump
from runs.demo.switches import Drift, Switches
from runs.demo.wire import BadCallError

MOST_ROWS = 2_000_000_000


class Records(Protocol):
    """Encoded records in their order. A piece is one record or several, joined with commas."""

    def __len__(self) -> int: ...

    def pieces(self, first: int, end: int) -> list[bytes]: ...


@dataclass(frozen=True)
class Page:
    """One page of an endpoint: its records in pieces, and where it stands among the pages."""

    number: int
    size: int
    total: int
    pieces: list[bytes]

    @property
    def pages(self) -> int:
        return -(-self.total // self.size)

    @property
    def has_next(self) -> bool:
        return self.number < self.pages


@dataclass(frozen=True)
class Call:
    """The parameters of a call, and the address at which the server was called."""

    path: str
    base_url: str
    params: Mapping[str, str]
    switches: Switches

    @classmethod
    def of(cls, path: str, query: str, base_url: str, switches: Switches) -> "Call":
        return cls(path, base_url, dict(parse_qsl(query, keep_blank_values=True)), switches)

    def whole(self, name: str, default: int, *, least: int = 1, most: int = MOST_ROWS) -> int:
        text = self.params.get(name, str(default))
        if text.isascii() and text.isdigit() and least <= int(text[:12]) <= most:
            return int(text)
        raise self._bad(name, f"a whole number from {least} to {most}")

    def day(self, name: str) -> str | None:
        if name not in self.params:
            return None
        try:
            return date.fromisoformat(self.params[name]).isoformat()
        except ValueError as error:
            raise self._bad(name, "a date like 2013-01-31") from error

    def moment(self, name: str) -> datetime | None:
        """A moment in ISO 8601, taken as UTC where it has no offset."""
        if name not in self.params:
            return None
        try:
            moment = datetime.fromisoformat(self.params[name])
            return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        except (ValueError, OverflowError) as error:
            raise self._bad(name, "a time like 2013-01-31T12:00:00Z") from error

    def cursor(self, name: str, endpoint: str, *, most: int) -> int:
        """The position that a cursor of this endpoint stands for; 0 without one."""
        if not self.params.get(name):
            return 0
        try:
            kind, _, position = base64.urlsafe_b64decode(self.params[name].encode()).decode().partition(":")
        except ValueError as error:
            raise self._bad(name, "a cursor that an earlier answer gave") from error
        if kind != endpoint or not position.isdigit() or not 0 < int(position) < most:
            raise self._bad(name, "a cursor that an earlier answer gave")
        return int(position)

    def link(self, number: int) -> str:
        """The address of another page of the same call."""
        return f"{self.base_url}{self.path}?{urlencode({**self.params, 'page': number})}"

    def page(self, endpoint: str, records: Records, first: int, size: int) -> Page:
        """The page of `size` records that begins at position `first`, with the drift that is switched on."""
        total = 0 if endpoint in self.switches.empty else len(records)
        number = first // size + 1
        pieces = records.pieces(first, min(first + size, total)) if first < total else []
        drifts = [item for item in self.switches.drift if item.endpoint == endpoint and item.from_page <= number]
        return Page(number, size, total, _drifted(pieces, drifts) if drifts else pieces)

    def _bad(self, name: str, wanted: str) -> BadCallError:
        return BadCallError(400, "bad_parameter", f"The parameter {name} must be {wanted}.")


def cursor_at(endpoint: str, position: int) -> str:
    return base64.urlsafe_b64encode(f"{endpoint}:{position}".encode()).decode()


def _drifted(pieces: list[bytes], drifts: list[Drift]) -> list[bytes]:
    records = json.loads(b"[%b]" % b",".join(pieces))
    for record in records:
        for drift in drifts:
            _put(record, drift.field.split("."), drift.value)
    return [dump(record) for record in records]


def _put(record: dict[str, Any], path: list[str], value: object) -> None:
    *parents, last = path
    for name in parents:
        child = record.get(name)
        record = child if isinstance(child, dict) else record.setdefault(name, {})
    record[last] = value
