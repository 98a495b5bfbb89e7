"""What the tests of checking share: files from lines, requests, and reports read back."""

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from ingestion.checking import check
from ingestion.checking.base import CheckReport, CheckRequest
from tests.ingestion.parts_kit import Table


def file_of(folder: Path, records: Sequence[Any], *, name: str = "upload") -> Path:
    """A file of JSON lines: `bytes` are lines as they are."""
    lines = [item if isinstance(item, bytes) else json.dumps(item, ensure_ascii=False).encode() for item in records]
    return put(folder, b"".join(line + b"\n" for line in lines), name=name)


def put(folder: Path, data: bytes, *, name: str = "upload") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def request_of(folder: Path, *pieces: Path, **told: Any) -> CheckRequest:
    out = folder / "out"
    out.mkdir(exist_ok=True)
    told.setdefault("format", "json")
    return CheckRequest(pieces=pieces, name="a/b.json", folder=out, first_part=7, **told)


def checked(folder: Path, records: Sequence[Any], **told: Any) -> CheckReport:
    """Check a file of JSON lines; holds the report to what is true of every report."""
    return sound(check(request_of(folder, file_of(folder, records), **told)))


def checked_bytes(folder: Path, data: bytes, **told: Any) -> CheckReport:
    return sound(check(request_of(folder, put(folder, data), **told)))


def sound(report: CheckReport) -> CheckReport:
    if report.problem:
        assert not report.parts
        return report
    left = {path.name for path in next(iter([*report.parts, *report.problem_files])).path.parent.iterdir()}
    assert left == {made.path.name for made in [*report.parts, *report.problem_files]}, "scratch files were left"
    superseded = sum(part.superseded for part in report.parts)
    assert report.read == sum(part.rows for part in report.parts) + report.bad + superseded
    assert sum(file.rows for file in report.problem_files if file.kind != "sample") == report.bad
    for file in report.problem_files:
        lines = file.path.read_bytes().splitlines()
        assert (len(lines), file.size) == (file.rows, file.path.stat().st_size)
        for line in lines:
            assert json.loads(line)["_errors"]
            assert json.loads(line)["_filename"] == "a/b.json"
    return report


def table_of(report: CheckReport) -> Table:
    (part,) = report.parts
    return Table(part)


def reasons(report: CheckReport) -> dict[str, int]:
    """How many records by code."""
    found: dict[str, int] = {}
    for error in report.errors:
        found[error.code] = found.get(error.code, 0) + error.count
    return found


def problem_rows(report: CheckReport, kind: str) -> list[dict[str, Any]]:
    (file,) = [file for file in report.problem_files if file.kind == kind]
    return [json.loads(line) for line in file.path.read_bytes().splitlines()]


def pieces_of(folder: Path, data: bytes, *cuts: int) -> list[Path]:
    """The data in several files, cut at these places."""
    edges = [0, *cuts, len(data)]
    return [put(folder, data[start:end], name=f"piece-{start}") for start, end in pairwise(edges)]
