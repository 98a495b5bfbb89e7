"""One uploaded file: looked at, read by the reader of its format, and whatever goes wrong said in the wire's words."""

import errno
from collections.abc import Callable, Mapping
from typing import Final

from ingestion.checking import codes
from ingestion.checking.base import CheckReport, CheckRequest, FileProblem
from ingestion.checking.codes import FileRefused
from ingestion.checking.jsonfile import check_json
from ingestion.checking.looks import refuse_other_formats
from ingestion.errors import DataFault

READERS: Final[Mapping[str, Callable[[CheckRequest], CheckReport]]] = {"json": check_json}


def check(request: CheckRequest) -> CheckReport:
    """Check and convert one file, in this process. Safe to repeat. What is wrong with the file is in the report; raises
    ValueError for a format that nobody knows, and OSError where the trouble is the machine's."""
    reader = READERS.get(request.format)
    if reader is None:
        raise ValueError(f"unknown format {request.format!r}: use one of {', '.join(READERS)}")
    try:
        refuse_other_formats(request)
        return reader(request)
    except FileRefused as refused:
        return CheckReport(problem=refused.problem)
    except DataFault as fault:
        return CheckReport(problem=FileProblem(code=codes.NEEDS_MEMORY.code, text=f"{fault.message} {fault.advice}"))
    except MemoryError:
        return CheckReport(problem=codes.NEEDS_MEMORY.problem(name=request.name, expected=size(request.limits.memory)))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return CheckReport(problem=codes.DISK_FULL.problem(name=request.name))


def size(count: int) -> str:
    """Bytes as people say them."""
    for unit, power in (("GiB", 30), ("MiB", 20)):
        if count >= 1 << power:
            return f"{count / (1 << power):.3g} {unit}"
    return f"{count:,} bytes"
