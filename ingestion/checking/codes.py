"""Codes of what can be wrong with a file or a record, and the sentences that people are shown. One table; `ours` marks
the numbers that no public list knows.
"""

from dataclasses import dataclass
from typing import Final

from ingestion.checking.base import FileProblem

PARSING: Final = "parsing"
CONVERSION: Final = "conversion"
VALIDATION: Final = "validation"


@dataclass(frozen=True, kw_only=True)
class RowCode:
    """Why a record is turned down. `sentence` has the field and what was expected and came: types, never values."""

    code: str
    kind: str
    sentence: str
    ours: bool = True


@dataclass(frozen=True, kw_only=True)
class FileCode:
    """Why a file cannot be taken."""

    code: str
    sentence: str
    ours: bool = True
    retry: bool = False

    def problem(self, **facts: object) -> FileProblem:
        return FileProblem(code=self.code, text=self.sentence.format(**facts), retry=self.retry)


class FileRefused(Exception):
    """Reading a file came to an end; `problem` says why."""

    def __init__(self, problem: FileProblem) -> None:
        super().__init__(problem.text)
        self.problem = problem


def refuse(code: FileCode, **facts: object) -> FileRefused:
    return FileRefused(code.problem(**facts))


UNREADABLE: Final = RowCode(
    code="INGEST-1401-400", kind=PARSING, sentence="The record cannot be read: {why}.", ours=False
)
RAGGED: Final = RowCode(
    code="INGEST-1402-400", kind=PARSING, sentence="The row has another number of fields than the {expected} columns."
)
NOT_FINITE: Final = RowCode(
    code="INGEST-1403-400",
    kind=PARSING,
    sentence="The record holds NaN or an infinite number, which JSON does not know: send null instead.",
)
NO_CONVERSION: Final = RowCode(
    code="INGEST-1501-400",
    kind=CONVERSION,
    sentence="Field {field}: expected {expected}, but {came} came, which cannot be converted.",
)
OUT_OF_RANGE: Final = RowCode(
    code="INGEST-1502-400", kind=CONVERSION, sentence="Field {field}: the value does not fit the type {expected}."
)
NOT_IN_ENUM: Final = RowCode(
    code="INGEST-1503-400", kind=VALIDATION, sentence="Field {field}: the value is none of those the schema lists."
)
BAD_FORMAT: Final = RowCode(
    code="INGEST-1504-400", kind=VALIDATION, sentence="Field {field}: expected text of the format {expected}."
)
BAD_PATTERN: Final = RowCode(
    code="INGEST-1505-400", kind=VALIDATION, sentence="Field {field}: the text does not match the schema's pattern."
)
BAD_RANGE: Final = RowCode(
    code="INGEST-1506-400", kind=VALIDATION, sentence="Field {field}: the number must be {expected}."
)
BAD_LENGTH: Final = RowCode(
    code="INGEST-1507-400", kind=VALIDATION, sentence="Field {field}: the text must have {expected} characters."
)
BAD_COUNT: Final = RowCode(
    code="INGEST-1508-400", kind=VALIDATION, sentence="Field {field}: the array must have {expected} elements."
)
EXTRA_FIELD: Final = RowCode(
    code="INGEST-1509-400",
    kind=VALIDATION,
    sentence="Field {field}: the schema does not know this field and permits no others.",
)
NO_KEY: Final = RowCode(
    code="INGEST-1510-400",
    kind=VALIDATION,
    sentence="Field {field}: it is part of the dataset's key, but it is missing, null or not a single value.",
)
TOO_MANY_FIELDS: Final = RowCode(
    code="INGEST-1511-400", kind=VALIDATION, sentence="The record has more than {expected} fields."
)
REQUIRED: Final = RowCode(
    code="INGEST-1555-400",
    kind=VALIDATION,
    sentence="Field {field}: it is required, but it is missing or null.",
    ours=False,
)
MANY_OTHERS: Final = "Other records were turned down for the same kind of reason in further fields."

EMPTY_FILE: Final = FileCode(code="106", sentence="Dataset file is empty. Please upload file with data.", ours=False)
EMPTY_HEADER: Final = FileCode(code="118", sentence="CSV file contains empty header row.", ours=False)
OTHER_FORMAT: Final = FileCode(
    code="INGEST-1411-400",
    sentence="The batch is declared as {expected}, but the file {name} looks like {came}. {advice}",
)
BAD_ENCODING: Final = FileCode(
    code="INGEST-1412-400",
    sentence="The file {name} is not {expected} text{where}. Save it in that character set, or declare the one it has.",
)
DAMAGED: Final = FileCode(
    code="INGEST-1413-400",
    sentence="The file {name} is cut short or damaged: {why}. Write it again and upload it in a new batch.",
)
ENCRYPTED: Final = FileCode(
    code="INGEST-1414-400",
    sentence="The file {name} is an encrypted Parquet file, which cannot be read. Upload it without encryption.",
)
TOO_MANY_COLUMNS: Final = FileCode(
    code="INGEST-1415-400", sentence="The file {name} has {came:,} columns; at most {expected:,} can be taken."
)
DUPLICATE_HEADER: Final = FileCode(
    code="INGEST-1416-400", sentence="The file {name} names the column {field} more than once. Rename one of them."
)
NOT_A_SUBSET: Final = FileCode(
    code="INGEST-1417-400",
    sentence="The Parquet file {name} does not match the dataset's schema: {why}.",
)
NOT_READABLE: Final = FileCode(
    code="INGEST-1429-400",
    sentence="The Parquet file {name} cannot be converted: its column {field} has {why}. Name it otherwise, or "
    "write it as text, and upload the file in a new batch.",
)
CAST_FAILED: Final = FileCode(
    code="INGEST-1418-400",
    sentence="The file {name} cannot be taken: column {field} should be {expected}, but {count:,} values are not; "
    "the first in row {lines} (the header counts). Correct them and upload the file in a new batch.",
)
NOT_JSON: Final = FileCode(
    code="INGEST-1419-400",
    sentence="The file {name} cannot be read as JSON: {why}. Correct it and upload it in a new batch.",
)
NO_COLUMNS: Final = FileCode(
    code="INGEST-1420-400",
    sentence="The file {name} has no header row and its dataset no schema, so its columns have no names.",
)
BAD_OPTION: Final = FileCode(
    code="INGEST-1426-400", sentence="The file {name} cannot be read as declared: {why}. Correct the batch's options."
)
NEEDS_MEMORY: Final = FileCode(
    code="INGEST-1421-400",
    sentence="The file {name} needs more than {expected} of memory to be read. Upload it in smaller records or files.",
)
NEEDS_TIME: Final = FileCode(
    code="INGEST-1422-400",
    sentence="Reading the file {name} took more than {expected} and was stopped. Upload it in smaller files.",
)
READER_DIED: Final = FileCode(
    code="INGEST-1423-500",
    sentence="The process that was reading the file {name} ended unexpectedly ({why}). The batch is tried again.",
    retry=True,
)
READER_CRASHED: Final = FileCode(
    code="INGEST-1424-400",
    sentence="The file {name} made its reader crash ({why}), so it is probably damaged. Write it again and upload it "
    "in a new batch.",
)
DISK_FULL: Final = FileCode(
    code="INGEST-1425-500",
    sentence="There was no room left on disk to read the file {name}. The batch is tried again.",
    retry=True,
)
TOO_LARGE: Final = FileCode(
    code="INGEST-1427-400",
    sentence="The file {name} grows to more than {expected} when it is read. Upload it in smaller files.",
)
READER_FAILED: Final = FileCode(
    code="INGEST-1428-500",
    sentence="Reading the file {name} failed for a reason that we had not foreseen ({why}). The batch is tried again; "
    "if it fails again, send support the batch id.",
    retry=True,
)
ENDINGS: Final = {"memory": NEEDS_MEMORY, "time": NEEDS_TIME, "killed": READER_DIED, "crashed": READER_CRASHED}
NOT_CONVERTED: Final = "INGEST-1429-400"  # the conversion's own words follow
