"""One uploaded file: looked at, read by the reader of its format, and whatever goes wrong said in the wire's words."""

import errno
from collections.abc import Callable, Mapping
from typing import Final

import duckdb

from ingestion.checking import codes
from ingestion.checking.base import CheckReport, CheckRequest, FileProblem
from ingestion.checking.codes import FileRefused
from ingestion.checking.csvfile import check_csv
from ingestion.checking.engine import memory_of
from ingestion.checking.jsonfile import check_json
from ingestion.checking.looks import refuse_other_formats
from ingestion.checking.parquetfile import check_parquet
from ingestion.checking.sizes import spoken
from ingestion.checking.tabular import swept
from ingestion.errors import DataFault

READERS: Final[Mapping[str, Callable[[CheckRequest], CheckReport]]] = {
    "json": check_json,
    "csv": check_csv,
    "parquet": check_parquet,
}


def check(request: CheckRequest) -> CheckReport:
    """Check and convert one file, in this process. Safe to repeat; the folder must be there and this file's own.

    What is wrong with the file is in the report. Raises ValueError for a format that nobody knows, and OSError where
    the trouble is the machine's.
    """
    reader = READERS.get(request.format)
    if reader is None:
        raise ValueError(f"unknown format {request.format!r}: use one of {', '.join(READERS)}")
    try:
        with swept(request.folder):
            refuse_other_formats(request)
            return reader(request)
    except FileRefused as refused:
        return CheckReport(problem=refused.problem)
    except DataFault as fault:
        return CheckReport(problem=_unconverted(request, fault))
    except MemoryError:
        most = spoken(request.limits.memory)
        return CheckReport(problem=codes.NEEDS_MEMORY.problem(name=request.name, expected=most))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return CheckReport(problem=codes.DISK_FULL.problem(name=request.name))


def _unconverted(request: CheckRequest, fault: DataFault) -> FileProblem:
    """The conversion's own complaint; of memory, in the words of a file."""
    if isinstance(fault.__cause__, duckdb.OutOfMemoryException):
        return codes.NEEDS_MEMORY.problem(name=request.name, expected=spoken(memory_of(request)))
    return FileProblem(code=codes.NOT_CONVERTED, text=f"{fault.message} {fault.advice}")
