"""What a faultless run must bring: the rows of each table, and an order-free digest to compare live tables with.

Rows are dicts of flat columns (`parent__child`). Times stay text as answered, exact decimals are Decimal, arrays of
scalars are compact JSON text. The flights are read from the file on a way of their own, apart from the server's.
"""

import csv
import hashlib
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from runs.demo import bench, data
from runs.demo.flights import LONG_DELAY_MINUTES

Row = dict[str, Any]
SECOND = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d(:?\d\d)?)")


def airlines(folder: Path | None = None) -> Iterator[Row]:
    return _small("airlines", folder)


def airports(folder: Path | None = None) -> Iterator[Row]:
    return _small("airports", folder)


def planes(folder: Path | None = None) -> Iterator[Row]:
    return _small("planes", folder)


def weather(folder: Path | None = None, *, since: str | None = None) -> Iterator[Row]:
    """Hourly weather; `since` is a whole second like 2013-12-01T00:00:00Z."""
    return (row for row in _small("weather", folder) if since is None or row["time_hour"] >= since)


def flights(
    folder: Path | None = None, *, first: str | None = None, end: str | None = None, since: str | None = None
) -> Iterator[Row]:
    """Flights of first <= date < end that changed since a whole second, in the order of the file."""
    rows = csv.reader(io.StringIO(data.flights_text(data.find_folder(folder)).decode()))
    header = next(rows)
    for number, row in enumerate(rows, start=1):
        day = f"{row[0]}-{int(row[1]):02d}-{int(row[2]):02d}"
        early = (first and day < first) or (since and row[-1] < since)
        if not early and not (end and day >= end):
            yield _flight(number, day, dict(zip(header, map(_number, row), strict=True)))


def flights__delays(
    folder: Path | None = None, *, first: str | None = None, end: str | None = None, since: str | None = None
) -> Iterator[Row]:
    """The long delays of the same flights; `_parent_id` is the flight's id, `_index` counts from 0."""
    for flight in flights(folder, first=first, end=end, since=since):
        ends = [(kind, flight[f"{kind}__delay"]) for kind in ("departure", "arrival")]
        long = [(kind, late) for kind, late in ends if late is not None and late >= LONG_DELAY_MINUTES]
        for index, (kind, late) in enumerate(long):
            yield {"_parent_id": flight["id"], "_index": index, "kind": kind, "minutes": late}


def summaries(folder: Path | None = None) -> Iterator[Row]:
    """One row for each airport of the airports endpoint that has flights, in its order."""
    departures: dict[str, int] = {}
    arrivals: dict[str, int] = {}
    for flight in flights(folder):
        departures[flight["origin"]] = departures.get(flight["origin"], 0) + 1
        arrivals[flight["dest"]] = arrivals.get(flight["dest"], 0) + 1
    for faa in (airport["faa"] for airport in airports(folder)):
        if faa in departures or faa in arrivals:
            yield {"faa": faa, "departures": departures.get(faa, 0), "arrivals": arrivals.get(faa, 0)}


def bench_rows(first: int = 1, last: int = bench.DEFAULT_ROWS) -> Iterator[Row]:
    """The benchmark rows with ids first to last, both included."""
    return (flat(bench.record(number)) for number in range(first, last + 1))


TABLES: dict[str, Callable[[], Iterator[Row]]] = {
    "airlines": airlines,
    "airports": airports,
    "planes": planes,
    "weather": weather,
    "flights": flights,
    "flights__delays": flights__delays,
    "summaries": summaries,
    "bench": bench_rows,
}


def flat(record: Mapping[str, Any], prefix: str = "") -> Row:
    """A record with its nested objects as columns `parent__child` and its arrays as JSON text."""
    row: Row = {}
    for name, value in record.items():
        if isinstance(value, Mapping):
            row |= flat(value, f"{prefix}{name}__")
        else:
            row[prefix + name] = data.dump(value).decode() if isinstance(value, list) else value
    return row


@dataclass(frozen=True)
class Digest:
    """How many rows, and the sum of their hashes: equal for equal multisets of rows, whatever the order."""

    count: int
    sum: int


def digest(rows: Iterable[Mapping[str, Any] | Sequence[Any]], columns: Sequence[str]) -> Digest:
    """Digest of the rows' `columns`. Rows are dicts, or value sequences in the order of `columns`."""
    count = total = 0
    for row in rows:
        values = [row[name] for name in columns] if isinstance(row, Mapping) else row
        if len(values) != len(columns):
            raise ValueError(f"A row has {len(values)} values for {len(columns)} columns.")
        text = "\x1f".join("\x00" if value is None else canonical(value) for value in values)
        total += int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
        count += 1
    return Digest(count, total % 2**64)


def canonical(value: Any) -> str:
    """One text for a value, whichever of its types a database driver or a JSON reader gives it."""
    if isinstance(value, str):
        return _canonical_text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float | Decimal):
        return _plain(str(value))
    if isinstance(value, datetime):
        return _utc(value)
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return value.isoformat() if isinstance(value, date) else str(value)


def _canonical_text(text: str) -> str:
    if text[:1] in ("[", "{"):
        try:
            return canonical(json.loads(text))
        except ValueError:
            return text
    if text[4:5] != "-" or SECOND.fullmatch(text) or not TIME.fullmatch(text):
        return text
    return _utc(datetime.fromisoformat(text))


def _plain(number: str) -> str:
    if "e" in number.lower():
        number = f"{Decimal(number):f}"
    number = number.rstrip("0").rstrip(".") if "." in number else number
    return "0" if number == "-0" else number


def _utc(moment: datetime) -> str:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return f"{aware.astimezone(UTC).replace(tzinfo=None).isoformat()}Z"


def _small(table: str, folder: Path | None) -> Iterator[Row]:
    return (flat(record) for record in data.records(data.find_folder(folder), table))


def _number(text: str) -> Any:
    if text == "NA":
        return None
    return int(text) if text.lstrip("-").isdigit() else text


def _flight(number: int, day: str, fields: Mapping[str, Any]) -> Row:
    same = ("carrier", "flight", "tailnum", "origin", "dest", "air_time", "distance")
    return {
        "id": number,
        "date": day,
        **{name: fields[name] for name in same},
        "scheduled_at": fields["time_hour"],
        "updated_at": fields["time_hour"],
        "departure__scheduled": fields["sched_dep_time"],
        "departure__actual": fields["dep_time"],
        "departure__delay": fields["dep_delay"],
        "arrival__scheduled": fields["sched_arr_time"],
        "arrival__actual": fields["arr_time"],
        "arrival__delay": fields["arr_delay"],
    }
