"""Some of a batch's bad rows, as checking kept them. They hold somebody's values: for people with that right only.

At most 64 KB are read from the store, whatever the files hold.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Case, Value, When

from ingestion.errors import IngestionError
from ingestion.models import Batch, Diagnostic
from ingestion.rooms import store
from ingestion.staging.base import ObjectMissing

MOST_BYTES: Final = 64 << 10
MOST_FILES: Final = 5
MOST_ROWS: Final = 25
LONGEST_ROW: Final = 2000  # characters that are shown of a row
OURS: Final = ("_errors", "_filename", "_corrupt_record")


@dataclass(frozen=True, kw_only=True)
class BadRow:
    """A row that was turned down: why, where from, and what it holds."""

    file: str
    errors: tuple[tuple[str, str], ...]  # code, message
    text: str


@dataclass(frozen=True, kw_only=True)
class Samples:
    """`trouble` says why there are fewer than there could be."""

    rows: tuple[BadRow, ...] = ()
    kept: int = 0  # rows in the diagnostic files altogether
    trouble: str = ""


def samples_of(batch: Batch) -> Samples:
    found = list(_files(batch))
    if not found:
        return Samples()
    try:
        rows = tuple(_rows(found[:MOST_FILES]))
    except ObjectMissing:
        return Samples(kept=_kept(found), trouble="The bad rows were kept for some days, and have been removed since.")
    except IngestionError as error:
        return Samples(kept=_kept(found), trouble=f"{error.message} {error.advice}".strip())
    return Samples(rows=rows, kept=_kept(found))


def _files(batch: Batch) -> list[Diagnostic]:
    """Samples before whole files."""
    order = Case(When(kind="sample", then=Value(0)), default=Value(1))
    return list(batch.diagnostics_files.order_by(order, "pk")[:200])


def _kept(found: Sequence[Diagnostic]) -> int:
    whole = [item for item in found if item.kind != "sample"]
    return sum(item.rows for item in whole or found)


def _rows(found: Sequence[Diagnostic]) -> Iterator[BadRow]:
    has_samples = found[0].kind == "sample"
    left, shown = MOST_BYTES, 0
    for item in found:
        if left <= 0 or shown >= MOST_ROWS or (has_samples and item.kind != "sample"):
            return
        data = _beginning(item.key, left)
        left -= len(data)
        for line in _whole_lines(data, item.size):
            if shown >= MOST_ROWS:
                return
            shown += 1
            yield _row(line)


def _beginning(key: str, limit: int) -> bytes:
    with store().open(key) as stream:
        return stream.read(limit)


def _whole_lines(data: bytes, size: int) -> list[bytes]:
    lines = data.split(b"\n")
    if len(data) < size and len(lines) > 1:
        lines.pop()  # cut off in the middle
    return [line for line in lines if line.strip()]


def _row(line: bytes) -> BadRow:
    try:
        told = json.loads(line)
    except (ValueError, RecursionError):  # longer than what was read of it, or nested beyond reason
        told = {}
    if not isinstance(told, dict) or not told:
        return BadRow(file="", errors=(), text=line.decode("utf-8", "replace")[:LONGEST_ROW])
    fields = {name: value for name, value in told.items() if name not in OURS}
    text = told.get("_corrupt_record") or json.dumps(fields, ensure_ascii=False)
    errors = tuple(_error(each) for each in told.get("_errors") or ())
    return BadRow(file=str(told.get("_filename") or ""), errors=errors, text=_cut(str(text)))


def _error(told: Any) -> tuple[str, str]:
    told = told if isinstance(told, dict) else {}
    return str(told.get("code") or ""), str(told.get("message") or "")


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_ROW else f"{text[:LONGEST_ROW]} … ({len(text):,} characters)"
