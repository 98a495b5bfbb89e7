"""Load staged parts into a DuckDB table: read_csv with every type given, so that nothing is guessed."""

import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import duckdb

from ingestion.warehouse.base import LoadFault, Part
from ingestion.warehouse.duck_file import DuckSession
from ingestion.warehouse.sql import PART, Shape, literal, names, stored

# A longer line than DuckDB's default takes larger buffers: those are used only where one is met.
READING: Final = ("parallel = true", "parallel = false, max_line_size = 67108864, buffer_size = 134217728")
FORMAT: Final = (
    "header = false, auto_detect = false, strict_mode = true, compression = 'gzip', delim = ',', quote = '\"', "
    "escape = '\"', new_line = '\\n', nullstr = '\\N', allow_quoted_nulls = false"
)
PLACE: Final = re.compile(r"CSV Error on Line: (\d+)")
COLUMN: Final = re.compile(r'converting column "(\w+)"')


def load_part(session: DuckSession, table: str, shape: Shape, part: Part) -> int:
    """Insert one part; answers the number of rows inserted."""
    types = {**shape, PART: "BIGINT"}
    columns = names(part.columns)
    with _local(part) as path:

        def insert(reading: str) -> int:
            source = read_csv(path, {name: types[name] for name in part.columns}, reading)
            return session.run(f"INSERT INTO {stored(table)} ({columns}) SELECT {columns} FROM {source}")

        try:
            return reading_long_lines(insert)
        except duckdb.Error as error:
            raise _unreadable(part, error) from error


def reading_long_lines(read: Callable[[str], int]) -> int:
    """Run a statement that reads a file, with larger buffers only where a line needs them."""
    try:
        return read(READING[0])
    except duckdb.Error as error:
        if "Maximum line size" not in str(error):
            raise
    return read(READING[1])


def read_csv(path: Path, types: Mapping[str, str], reading: str) -> str:
    """The table function that reads a file in the staged format."""
    columns = ", ".join(f"{literal(name)}: {literal(kind)}" for name, kind in types.items())
    return f"read_csv({literal(str(path))}, columns = {{{columns}}}, {reading}, {FORMAT})"


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
    if not isinstance(error, duckdb.InvalidInputException | duckdb.ConversionException | duckdb.DataError):
        return error
    text = str(error)
    line, column = PLACE.search(text), COLUMN.search(text)
    what = f"the value of {column[1]} does not fit its type" if column else "the row does not fit the table's columns"
    return LoadFault(
        f"Row {line[1] if line else '?'} of {part.uri} could not be loaded: {what}. Nothing of this table was loaded.",
        advice="Look at this row in the staged file; the technical detail shows what DuckDB read.",
        detail=text,
    )
