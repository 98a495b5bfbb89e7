"""Load staged parts into a DuckDB table: read_csv with every type given, so that nothing is guessed."""

import re
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import duckdb

from ingestion.warehouse.base import LoadFault, Part
from ingestion.warehouse.duck_file import DuckFile, DuckSession
from ingestion.warehouse.parallel import Stopped
from ingestion.warehouse.sql import PART, Shape, literal, names, stored
from ingestion.warehouse.unpacking import DAMAGED, unpacked

# A longer line than DuckDB's default takes larger buffers: those are used only where one is met.
READING: Final = ("parallel = true", "parallel = false, max_line_size = 67108864, buffer_size = 134217728")
FORMAT: Final = (
    "header = false, auto_detect = false, strict_mode = true, delim = ',', quote = '\"', "
    "escape = '\"', new_line = '\\n', nullstr = '\\N', allow_quoted_nulls = false"
)
PLACE: Final = re.compile(r"CSV Error on Line: (\d+)")
COLUMN: Final = re.compile(r'converting column "(\w+)"')

FAULTY: Final = (duckdb.InvalidInputException, duckdb.ConversionException, duckdb.DataError)


class DuckLoader:
    """See `parallel.Loader`. Each thread has a cursor of its own."""

    def __init__(self, file: DuckFile, table: str, shape: Shape, what: str) -> None:
        self._file, self._table, self._what = file, table, what
        self._types = {**shape, PART: "BIGINT"}
        self._running: set[DuckSession] = set()

    def one(self, part: Part, stop: threading.Event) -> int:
        with self._session(f"loading {part.uri} into {self._what}") as session, _local(part) as path:
            try:
                return reading_long_lines(lambda reading: self._insert(session, part, path, reading, "gzip"))
            except duckdb.Error as error:
                raise _unreadable(part, error) from error

    def together(self, parts: Sequence[Part], stop: threading.Event) -> bool:
        wanted = sum(part.rows for part in parts)
        with self._session(f"loading {len(parts)} files into {self._what}") as session, _unpacked(parts, stop) as path:
            session.run("BEGIN TRANSACTION")
            try:
                whole = path is not None and wanted == self._insert(session, parts[0], path, READING[0], "none")
            except FAULTY:
                whole = False
            if whole:
                session.run("COMMIT")
            else:
                session.roll_back()
            return whole

    def interrupt(self) -> None:
        for session in list(self._running):
            session.cursor.interrupt()

    def _insert(self, session: DuckSession, part: Part, path: Path, reading: str, packing: str) -> int:
        columns = names(part.columns)
        source = read_csv(path, {name: self._types[name] for name in part.columns}, reading, packing)
        return session.run(f"INSERT INTO {stored(self._table)} ({columns}) SELECT {columns} FROM {source}")

    @contextmanager
    def _session(self, doing: str) -> Iterator[DuckSession]:
        with self._file.session(doing) as session:
            self._running.add(session)
            try:
                yield session
            finally:
                self._running.discard(session)


@contextmanager
def _unpacked(parts: Sequence[Part], stop: threading.Event) -> Iterator[Path | None]:
    """One plain file with the lines of all; None when one of them cannot be unpacked."""
    with tempfile.NamedTemporaryFile(suffix=".csv") as plain:
        try:
            for part in parts:
                if stop.is_set():
                    raise Stopped
                with part.open() as packed:
                    plain.writelines(unpacked(packed))
        except DAMAGED:
            yield None
            return
        plain.flush()
        yield Path(plain.name)


def reading_long_lines(read: Callable[[str], int]) -> int:
    """Run a statement that reads a file, with larger buffers only where a line needs them."""
    try:
        return read(READING[0])
    except duckdb.Error as error:
        if "Maximum line size" not in str(error):
            raise
    return read(READING[1])


def read_csv(path: Path, types: Mapping[str, str], reading: str, packing: str = "gzip") -> str:
    """The table function that reads a file in the staged format."""
    columns = ", ".join(f"{literal(name)}: {literal(kind)}" for name, kind in types.items())
    options = f"columns = {{{columns}}}, compression = {literal(packing)}, {reading}, {FORMAT}"
    return f"read_csv({literal(str(path))}, {options})"


@contextmanager
def _local(part: Part) -> Iterator[Path]:
    """A file with the part's bytes: the store's own where its stream has one, else a copy.

    The stream is read to its end in both cases, since that is where it says that the bytes are those once written.
    """
    with part.open() as stream:
        name = getattr(stream, "name", None)
        if isinstance(name, str) and Path(name).is_file():
            while stream.read(1 << 20):
                pass
            yield Path(name)
            return
        with tempfile.NamedTemporaryFile(suffix=".csv.gz") as copy:
            shutil.copyfileobj(stream, copy, 1 << 20)
            copy.flush()
            yield Path(copy.name)


def _unreadable(part: Part, error: duckdb.Error) -> Exception:
    """A fault of this part's data; any other error as it is."""
    if isinstance(error, duckdb.IOException) and "gzip" in str(error).lower():
        return LoadFault(
            f"The staged file {part.uri} is cut off or damaged: it cannot be unpacked.",
            advice="Retry the run: the file is made again from the source.",
            detail=str(error),
        )
    if not isinstance(error, FAULTY):
        return error
    text = str(error)
    line, column = PLACE.search(text), COLUMN.search(text)
    what = f"the value of {column[1]} does not fit its type" if column else "the row does not fit the table's columns"
    return LoadFault(
        f"Row {line[1] if line else '?'} of {part.uri} could not be loaded: {what}. Nothing of this table was loaded.",
        advice="Look at this row in the staged file; the technical detail shows what DuckDB read.",
        detail=text,
    )
