"""The flights as ready JSON bytes: one block a month, encoded when first asked for, about 0.15 s each.

The file has the months in the order 1, 10, 11, 12, 2 …; positions here count in order of date.
"""

import re
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property, lru_cache

from runs.demo.data import DemoDataError, whole_second

YEAR = 2013
PAIR = re.compile(rb",([A-Z]{3}),([A-Z]{3}),")  # origin and destination: no other two fields look alike
LONG_DELAY_MINUTES = 60
TEMPLATE = (
    b'{"id":%d,"date":"%b","carrier":"%b","flight":%b,"tailnum":%b,"origin":"%b","dest":"%b","air_time":%b,'
    b'"distance":%b,"scheduled_at":"%b","updated_at":"%b",'
    b'"departure":{"scheduled":%b,"actual":%b,"delay":%b},"arrival":{"scheduled":%b,"actual":%b,"delay":%b},'
    b'"delays":[%b]}'
)


@dataclass(frozen=True)
class Month:
    """Where a month's flights are: their first position by date, and their lines in the file."""

    position: int
    count: int
    row: int  # of the first flight, 1-based
    start: int
    end: int


@dataclass(frozen=True)
class Block:
    """A month's flights, encoded. `updated` is each flight's updated_at."""

    encoded: bytes
    starts: Sequence[int]
    updated: Sequence[bytes]

    def piece(self, first: int, end: int) -> bytes:
        return self.encoded[self.starts[first] : self.starts[end] - 1]


class Flights:
    """All flights of the year by date. Raises DemoDataError where the file is not in its known order."""

    def __init__(self, text: bytes) -> None:
        if any(odd in text for odd in (b'"', b"\\", b"\r")):
            raise DemoDataError("flights.csv holds quotes or carriage returns, which the known file does not.")
        self._text = text
        self._days, self._positions, self._months = _index(text)
        self._block = lru_cache(maxsize=None)(self._encode)
        self._chosen = lru_cache(maxsize=32)(self._choose)

    def __len__(self) -> int:
        return self._positions[-1]

    def window(self, first: str | None, end: str | None, since: datetime | None) -> "Window | Picked":
        """Flights with first <= date < end and updated_at >= since; None leaves a side open."""
        low = self._position(first) if first else 0
        high = max(low, self._position(end) if end else self._positions[-1])
        if since is None:
            return Window(self, low, high)
        # A flight's local date is at most one day behind its hour in UTC.
        low = max(low, self._position((since.date() - timedelta(days=2)).isoformat()))
        return Picked(self, self._chosen(low, high, whole_second(since).encode()))

    def pieces(self, first: int, end: int) -> list[bytes]:
        """Positions first up to, without, end."""
        return [block.piece(low, high) for block, low, high in self._blocks(first, end)]

    @cached_property
    def traffic(self) -> dict[str, tuple[int, int]]:
        """Departures and arrivals of each airport that has any."""
        pairs = Counter(PAIR.findall(self._text))
        if pairs.total() != len(self):
            raise DemoDataError("flights.csv has flights without an origin or a destination of three letters.")
        departures: Counter[str] = Counter()
        arrivals: Counter[str] = Counter()
        for (origin, dest), count in pairs.items():
            departures[origin.decode()] += count
            arrivals[dest.decode()] += count
        return {faa: (departures[faa], arrivals[faa]) for faa in departures | arrivals}

    def _position(self, day: str) -> int:
        return self._positions[bisect_left(self._days, day)]

    def _blocks(self, first: int, end: int) -> Iterator[tuple[Block, int, int]]:
        for number, month in enumerate(self._months):
            low, high = max(first - month.position, 0), min(end - month.position, month.count)
            if low < high:
                yield self._block(number), low, high

    def _choose(self, first: int, end: int, since: bytes) -> Sequence[int]:
        updated = (at for block, low, high in self._blocks(first, end) for at in block.updated[low:high])
        return array("L", [position for position, at in enumerate(updated, start=first) if at >= since])

    def _encode(self, number: int) -> Block:
        month = self._months[number]
        lines = _nulls(self._text[month.start : month.end]).splitlines()
        encoded: list[bytes] = []
        updated: list[bytes] = []
        known: dict[bytes, bytes] = {}  # one object for each hour, to spare memory
        for row, line in enumerate(lines, start=month.row):
            fields = line.split(b",")
            encoded.append(_record(row, fields))
            updated.append(known.setdefault(fields[18], fields[18]))
        starts = array("L", [0])
        for record in encoded:
            starts.append(starts[-1] + len(record) + 1)
        return Block(b",".join(encoded), starts, updated)


@dataclass(frozen=True)
class Window:
    """The flights between two positions."""

    flights: Flights
    low: int
    high: int

    def __len__(self) -> int:
        return self.high - self.low

    def pieces(self, first: int, end: int) -> list[bytes]:
        return self.flights.pieces(self.low + first, min(self.low + end, self.high))


@dataclass(frozen=True)
class Picked:
    """Flights at chosen positions."""

    flights: Flights
    positions: Sequence[int]

    def __len__(self) -> int:
        return len(self.positions)

    def pieces(self, first: int, end: int) -> list[bytes]:
        return [piece for at in self.positions[first:end] for piece in self.flights.pieces(at, at + 1)]


def _index(text: bytes) -> tuple[list[str], list[int], list[Month]]:
    """Days in order of date, the position each begins at (and the end of all), and the months."""
    marks = _marks(text)
    rows = dict.fromkeys(marks, 0)
    row = 1
    for day, (start, end) in marks.items():
        rows[day], row = row, row + text.count(b"\n", start, end)
    days, positions, months, position = sorted(marks), [], [], 0
    for month in range(1, 13):
        its_days = [day for day in days if day.month == month]
        first = position
        for day in its_days:
            positions.append(position)
            position += text.count(b"\n", *marks[day])
        start, end = marks[its_days[0]][0], marks[its_days[-1]][1]
        months.append(Month(first, position - first, rows[its_days[0]], start, end))
    return [day.isoformat() for day in days], [*positions, position], months


def _marks(text: bytes) -> dict[date, tuple[int, int]]:
    """Where in the file each day's lines begin and end, in the order of the file."""
    starts: dict[date, int] = {}
    at = 0
    for day in sorted((date(YEAR, 1, 1) + timedelta(days=n) for n in range(365)), key=lambda d: (str(d.month), d.day)):
        at = text.find(b"\n%d,%d,%d," % (YEAR, day.month, day.day), at)
        if at < 0:
            raise DemoDataError(f"flights.csv has no flights of {day} where they were expected.")
        starts[day] = at + 1
    ends = [*list(starts.values())[1:], len(text)]
    return {day: (start, end) for (day, start), end in zip(starts.items(), ends, strict=True)}


def _nulls(lines: bytes) -> bytes:
    return re.sub(rb",NA(?=,)", b",null", lines)


def _record(row: int, fields: list[bytes]) -> bytes:
    _y, month, day, dep, sched_dep, dep_late, arr, sched_arr, arr_late, carrier, flight, tail, origin, dest = fields[
        :14
    ]
    return TEMPLATE % (
        row,
        b"%d-%02d-%02d" % (YEAR, int(month), int(day)),
        carrier,
        flight,
        tail if tail == b"null" else b'"%b"' % tail,
        origin,
        dest,
        fields[14],
        fields[15],
        fields[18],
        fields[18],
        sched_dep,
        dep,
        dep_late,
        sched_arr,
        arr,
        arr_late,
        _delays(dep_late, arr_late),
    )


def _delays(departure: bytes, arrival: bytes) -> bytes:
    ends = ((b"departure", departure), (b"arrival", arrival))
    long = [(kind, late) for kind, late in ends if late != b"null" and int(late) >= LONG_DELAY_MINUTES]
    return b",".join([b'{"kind":"%b","minutes":%b}' % end for end in long])
