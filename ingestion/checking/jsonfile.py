"""Checks a JSON file: lines are cut, judged and converted. A small one goes record by record, a large one in spools."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Final

from ingestion.checking import codes
from ingestion.checking.abreast import Tally, Ticket, even, side_by_side
from ingestion.checking.base import CheckReport, CheckRequest
from ingestion.checking.codes import refuse
from ingestion.checking.engine import Engines
from ingestion.checking.lines import records
from ingestion.checking.looks import size_of
from ingestion.checking.problems import Problems
from ingestion.checking.reading import Reader
from ingestion.checking.small import SmallTable
from ingestion.checking.spools import Work, convert_spool
from ingestion.checking.warn import cuts_of
from ingestion.formats.base import ConvertedPart

SMALL: Final = 192 << 10  # bytes; from here on, opening a database pays
SPOOL: Final = 32 << 20


def check_json(request: CheckRequest) -> CheckReport:
    """Raises FileRefused."""
    with Problems(request) as problems:
        read, parts = (_small if size_of(request.pieces) < SMALL else _large)(request, problems)
        if not read:
            raise refuse(codes.EMPTY_FILE)
        return CheckReport(
            parts=tuple(parts), read=read, bad=problems.bad, errors=problems.errors, problem_files=problems.files
        )


def _small(request: CheckRequest, problems: Problems) -> tuple[int, list[ConvertedPart]]:
    reader = Reader(request, problems)
    table = SmallTable(reader.decoder, reader.schema, key=request.key, depth=request.depth)
    read = 0
    for chunk in records(request):
        for line in chunk.split(b"\n")[:-1]:
            if line.isspace():
                continue
            if good := reader.one(line, read):
                table.add(good.record)
            read += 1
    if not table:
        return read, []
    return read, [table.write(number=request.first_part, folder=request.folder, warnings=cuts_of(reader.judge))]


def _large(request: CheckRequest, problems: Problems) -> tuple[int, list[ConvertedPart]]:
    with Engines(request) as engines:
        return _converted(Work(request, engines, Reader(request, problems)))


def _converted(work: Work) -> tuple[int, list[ConvertedPart]]:
    request, tally = work.request, Tally(work.request.first_part)

    def convert(spool: Path, ticket: Ticket) -> ConvertedPart | None:
        try:
            return convert_spool(work, spool, ticket)
        finally:
            spool.unlink()

    made = side_by_side(_spools(request), convert, tally=tally, threads=request.threads)
    parts = [part for part in made if part]
    return tally.read, parts


def _spools(request: CheckRequest) -> Iterator[Path]:
    """The records in files of a size that a conversion takes at once. Those that were given are the caller's."""
    made = (request.folder / f"spool-{number}.jsonl" for number in count())
    each = even(size_of(request.pieces), most=SPOOL, threads=request.threads)
    path, size = next(made), 0
    file = path.open("wb")
    try:
        for chunk in records(request):
            size += file.write(chunk)
            if size >= each:
                file.close()
                yield path
                path, size = next(made), 0
                file = path.open("wb")
        file.close()
        if size:
            yield path
    finally:
        file.close()
        if not size:
            path.unlink(missing_ok=True)
