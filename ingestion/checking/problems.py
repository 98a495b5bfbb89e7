"""Collects what is wrong with records: counts by reason for the batch, and the records themselves in files, in the
shape that clients download.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec

from ingestion.checking import codes
from ingestion.checking.base import CheckRequest, ProblemFile, RowError
from ingestion.checking.judge import Fault, fault

MOST_REASONS: Final = 200
MOST_SPANS: Final = 100
LONGEST_RECORD: Final = 64 << 10  # characters of a corrupt record that are shown
SAMPLE: Final = "sample"


@dataclass
class _Reason:
    """One reason, while it is counted."""

    count: int = 0
    spans: list[list[int]] = field(default_factory=list)

    def add(self, position: int) -> None:
        self.count += 1
        if self.spans and self.spans[-1][1] == position - 1:
            self.spans[-1][1] = position
        elif len(self.spans) < MOST_SPANS:
            self.spans.append([position, position])

    @property
    def rows(self) -> tuple[str, ...]:
        return tuple(str(first) if first == last else f"{first}-{last}" for first, last in self.spans)


class Problems:
    """Takes in bad records in the order of the file. Use as a context: the files are whole when it closes."""

    def __init__(self, request: CheckRequest) -> None:
        self.bad = 0
        self._folder, self._filename, self._samples = request.folder, request.name, request.samples
        self._reasons: dict[tuple[str, str, str], _Reason] = {}
        self._files: dict[str, BinaryIO] = {}
        self._rows: dict[str, int] = {}
        self._stack = ExitStack()

    def __enter__(self) -> "Problems":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def reject(self, position: int, faults: Sequence[Fault], *, raw: bytes | None = None, row: Any = None) -> None:
        """One bad record: `raw` are its bytes as they came, `row` its fields where it has none."""
        self.bad += 1
        for found in dict.fromkeys(faults):
            self._count(found, position)
        kind = faults[0].code.kind
        line = self._line(faults, raw, row)
        self._write(kind, line)
        if self._rows.get(SAMPLE, 0) < self._samples:
            self._write(SAMPLE, line)

    def unreadable(self, position: int, why: str, *, raw: bytes) -> None:
        self.reject(position, [fault(codes.UNREADABLE, why=why)], raw=raw)

    @property
    def errors(self) -> tuple[RowError, ...]:
        """The reasons, the most frequent first."""
        found = sorted(self._reasons.items(), key=lambda item: -item[1].count)
        return tuple(
            RowError(code=code, text=text, kind=kind, count=reason.count, rows=reason.rows)
            for (code, text, kind), reason in found
        )

    @property
    def files(self) -> tuple[ProblemFile, ...]:
        for file in self._files.values():
            file.flush()
        return tuple(
            ProblemFile(kind=kind, path=self._path(kind), rows=self._rows[kind], size=self._path(kind).stat().st_size)
            for kind in self._files
        )

    def _count(self, found: Fault, position: int) -> None:
        key = (found.code.code, found.text, found.code.kind)
        if key not in self._reasons and len(self._reasons) >= MOST_REASONS:
            key = (found.code.code, codes.MANY_OTHERS, found.code.kind)
        self._reasons.setdefault(key, _Reason()).add(position)

    def _line(self, faults: Sequence[Fault], raw: bytes | None, row: Any) -> bytes:
        told = {"_errors": [_told(found) for found in faults], "_filename": self._filename}
        if faults[0].code.kind == codes.PARSING and raw is not None:
            text = raw[: 4 * LONGEST_RECORD].decode("utf-8", "replace").strip("\r\n")[:LONGEST_RECORD]
            return msgspec.json.encode(told | {"_corrupt_record": text}) + b"\n"
        if raw is None:
            return msgspec.json.encode({**row, **told}) + b"\n"
        # The record's own bytes, so that nothing of it changes; ours come last, since of two keys the last counts.
        body = raw.strip()[:-1].rstrip()
        glue = b"" if body == b"{" else b","
        return body + glue + msgspec.json.encode(told)[1:] + b"\n"

    def _write(self, kind: str, line: bytes) -> None:
        if kind not in self._files:
            self._files[kind] = self._stack.enter_context(self._path(kind).open("wb"))
        self._files[kind].write(line)
        self._rows[kind] = self._rows.get(kind, 0) + 1

    def _path(self, kind: str) -> Path:
        return self._folder / f"{kind}_errors.json"


def _told(found: Fault) -> dict[str, str]:
    code = "1401" if found.code is codes.UNREADABLE else found.code.code  # as row files have it
    return {"code": code, "message": found.text}
