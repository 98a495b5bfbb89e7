"""The words of checking an uploaded file: what goes in (a file nobody trusts), what comes out (parts and problems).

Pure values, which cross the border to the child process that does the reading. Codes and sentences are those that the
client is shown on its batch: docs/batch-api.md lists them, and says which are our own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ingestion.formats.base import ConvertedPart


@dataclass(frozen=True, kw_only=True)
class CsvOptions:
    """How a delimited file is written. `header` false: the columns are those of the schema, in its order."""

    delimiter: str = ","
    quote: str = '"'
    escape: str = '"'
    null_marker: str = ""
    header: bool = True
    charset: str = "UTF-8"  # UTF-8, US-ASCII or ISO-8859-1


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one file may cost. Sizes in bytes, times in seconds."""

    fields: int = 10_000  # columns of a row
    nesting: int = 100
    line: int = 16 << 20  # one JSON object
    cell: int = 16 << 20
    plain_size: int = 100 << 30  # after decompression
    ratio: int = 100  # decompressed against compressed
    memory: int = 1 << 30  # of the child process
    seconds: float = 3600.0


@dataclass(frozen=True, kw_only=True)
class CheckRequest:
    """Read one uploaded file, check every record against the schema, and convert what passes into parts.

    `pieces` are local files whose bytes, one after the other, are the upload. `schema` is the dataset's JSON Schema
    (XDM-like), or None: whatever comes is taken and its columns inferred. Parts are numbered from `first_part` and
    written into `folder`, and so are the problem files.
    """

    pieces: tuple[Path, ...]
    name: str  # the client's path, for messages and for `_filename` in row errors; never opened
    format: str  # json | parquet | csv
    multi_line: bool = False  # json: one array over any number of lines
    csv: CsvOptions = field(default_factory=CsvOptions)
    schema: Mapping[str, Any] | None = None
    key: tuple[str, ...] = ()  # field paths: a record without it is a problem, of several the last stays
    depth: int = 3
    first_part: int = 0
    folder: Path = Path()
    threads: int = 1
    limits: Limits = field(default_factory=Limits)
    samples: int = 100  # problem records kept for people to look at


@dataclass(frozen=True, kw_only=True)
class RowError:
    """One reason why records were turned down, over the whole file. `rows` are 0-based positions of records, as spans
    ("13", "13-26"), at most 100 of them."""

    code: str  # INGEST-1401-400 (cannot be read), INGEST-1555-400 (required), INGEST-15nn-400 (ours) …
    text: str  # names the field, says what was expected and what came; never a value
    count: int
    rows: tuple[str, ...]
    kind: str  # parsing | conversion | validation


@dataclass(frozen=True, kw_only=True)
class FileProblem:
    """Why a whole file cannot be taken: nothing of it was."""

    code: str  # 106 (empty), 118 (empty header row), INGEST-14nn-400 …
    text: str  # says what was tried, what came, and what to do
    retry: bool = False  # the trouble was ours (killed, disk full): trying again may help


@dataclass(frozen=True, kw_only=True)
class ProblemFile:
    """Row errors as JSON lines, in the wire's shape: `_errors`, `_filename`, and `_corrupt_record` or the row."""

    kind: str  # parsing | conversion | validation | sample
    path: Path
    rows: int
    size: int


@dataclass(frozen=True, kw_only=True)
class CheckReport:
    """The outcome for one file. `read` = rows in the parts + `bad` + superseded, where there is no `problem`."""

    parts: tuple[ConvertedPart, ...] = ()
    read: int = 0
    bad: int = 0
    errors: tuple[RowError, ...] = ()
    problem_files: tuple[ProblemFile, ...] = ()
    problem: FileProblem | None = None


@dataclass(frozen=True, kw_only=True)
class Preview:
    """The first rows of a file as text."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str | None, ...], ...]
    problem: FileProblem | None = None
