"""A writer's verbs on batches: open one, write spooled pages into parts, commit the parts, give up.

Pages are spooled to disk undecoded; a full spool is converted and stored in the background while the next one fills.
A part counts only once `commit` has written its row, in the same transaction as the cursor that led to it.
"""

from __future__ import annotations

import errno
import shutil
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

from django.conf import settings
from django.db.models import F

from ingestion import lifecycle
from ingestion.errors import DataFault, DiskFull
from ingestion.formats import convert
from ingestion.formats.base import ConvertedPart, TableSpec
from ingestion.formats.duck import Ducks
from ingestion.models import Batch, Dataset, Load, Part
from ingestion.rooms import store
from ingestion.warehouse.base import Mode


def open_batch(
    *, dataset: Dataset, load: Load, owner: str, mode: Mode, cursor: str = "", window_from: str = "", parent: str = ""
) -> Batch:
    """The batch of this owner for this dataset; made once, however often asked."""
    batch, made = Batch.objects.get_or_create(
        dataset=dataset,
        owner=owner,
        defaults={"load": load, "mode": mode, "cursor": cursor, "window_from": window_from, "parent": parent},
    )
    if made:
        lifecycle.opened(batch, actor=owner)
    return batch


@dataclass(frozen=True, kw_only=True)
class Destination:
    """Where the rows of one table spec go."""

    spec: TableSpec
    batch: int
    prefix: str  # of the object keys: organisation/sandbox/dataset/owner


@dataclass(frozen=True, kw_only=True)
class SpooledPage:
    """What a writer keeps of a page beside its records: where the next attempt would go on, and who answered."""

    number: int
    count: int
    request_id: str
    state: Any


@dataclass(frozen=True, kw_only=True)
class Flushed:
    """A spool that is durable: its parts are in the store, none of them counts yet."""

    parts: tuple[tuple[int, str, ConvertedPart], ...]  # (batch, key, part)
    pages: tuple[SpooledPage, ...]
    label: str
    number: int

    @property
    def record_count(self) -> int:
        return sum(page.count for page in self.pages)


@dataclass
class Writer:
    """Spools the pages of one task's attempt. One thread adds; conversions run beside it. Use as a context."""

    destinations: Sequence[Destination]
    label: str
    attempt: int
    next_number: int
    _spool: _Spool | None = None
    _pending: deque[Future[Flushed]] = field(default_factory=deque)
    _pool: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(settings.CONVERSIONS, thread_name_prefix="convert")
    )

    def __enter__(self) -> Writer:
        self.folder = settings.SCRATCH_DIR / f"{self.label.replace('/', '-')}-{self.attempt}"
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self._ducks = Ducks(self.folder, threads=settings.CONVERT_THREADS)
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._ducks.close()
        if self._spool:
            self._spool.file.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def add(self, lines: bytes, page: SpooledPage) -> None:
        """Append a page's records. Raises DiskFull."""
        if self._spool is None:
            self._spool = _Spool(self.folder / f"spool-{self.next_number}.jsonl")
        with _disk_errors("spooling a page"):
            self._spool.add(lines, page)

    @property
    def full(self) -> bool:
        return self._spool is not None and self._spool.is_full

    def turn(self) -> Iterator[Flushed]:
        """Send the current spool off to be converted; yields, in order, those that are durable by now. Waits while as
        many are under way as may be."""
        while self._pending and (self._pending[0].done() or len(self._pending) >= settings.CONVERSIONS):
            yield self._pending.popleft().result()
        if self._spool:
            spool, self._spool = self._spool, None
            spool.file.close()
            self._pending.append(self._pool.submit(self._flush, spool, self.next_number))
            self.next_number += 1

    def finish(self) -> Iterator[Flushed]:
        """Flush what is left; yields in order."""
        yield from self.turn()
        while self._pending:
            yield self._pending.popleft().result()

    def _flush(self, spool: _Spool, number: int) -> Flushed:
        by_table = {destination.spec.name: destination for destination in self.destinations}
        with _disk_errors("converting a spool"):
            converted = convert(
                [spool.path],
                [destination.spec for destination in self.destinations],
                part_number=number,
                folder=self._folder_of(number),
                ducks=self._ducks,
            )
            self._check_count(spool, converted)
            parts = tuple(self._put(by_table[part.table], part, number) for part in converted)
        spool.path.unlink()
        return Flushed(parts=parts, pages=tuple(spool.pages), label=self.label, number=number)

    def _check_count(self, spool: _Spool, converted: Sequence[ConvertedPart]) -> None:
        """The first link of the count chain: every record that the pages held has come out of the spool."""
        main = self.destinations[0].spec.name  # the records themselves; other tables are of what they hold
        answered = sum(page.count for page in spool.pages)
        found = sum(part.extracted for part in converted if part.table == main)
        if found != answered:
            raise DataFault(
                f"The source answered {answered:,} records for table {main}, but {found:,} were there to be staged.",
                advice="Retry the run; if it happens again, check this machine's disk and send support the run id.",
            )

    def _folder_of(self, number: int) -> Path:
        folder = self.folder / str(number)
        folder.mkdir(exist_ok=True)
        return folder

    def _put(self, destination: Destination, part: ConvertedPart, number: int) -> tuple[int, str, ConvertedPart]:
        key = f"{destination.prefix}/{self.label.rpartition('/')[2]}/{self.attempt}/part-{number}.csv.gz"
        store().put(key, part.path, sha256=part.sha256)
        part.path.unlink()
        return destination.batch, key, part


class _Spool:
    """A file of pages and what is known of them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = path.open("wb")
        self.size = 0
        self.pages: list[SpooledPage] = []
        self.opened_at = monotonic()

    def add(self, lines: bytes, page: SpooledPage) -> None:
        self.file.write(lines)
        self.size += len(lines)
        self.pages.append(page)

    @property
    def is_full(self) -> bool:
        return self.size >= int(settings.SPOOL_BYTES) or monotonic() - self.opened_at > float(settings.SPOOL_SECONDS)


@contextmanager
def _disk_errors(doing: str) -> Iterator[None]:
    """Turns "no space left" into DiskFull; the caller's clean-up removes the partial file."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise DiskFull(
            f"No space was left on the staging disk while {doing}.",
            advice="Free space on the staging disk or point HEADGATE_SCRATCH to a larger one.",
            detail=str(error),
        ) from error


def commit(flushed: Flushed) -> dict[int, int]:
    """Write the rows that make these parts real; answers rows by batch. Call in the transaction that moves the
    cursor, after its fence check."""
    pages = [[page.number, page.count, page.request_id] for page in flushed.pages]
    rows: dict[int, int] = {}
    for batch_id, key, part in flushed.parts:
        counts = {
            "extracted_count": part.extracted,
            "rejected_count": part.rejected,
            "superseded_count": part.superseded,
        }
        Part.objects.create(
            batch_id=batch_id,
            label=flushed.label,
            number=flushed.number,
            key=key,
            columns=[column.to_json() for column in part.columns],
            row_count=part.rows,
            size=part.size,
            sha256=part.sha256,
            cursor_max=part.cursor_max or "",
            warnings=[[w.code, w.count, w.column, w.text] for w in part.warnings],
            exact=part.exact,
            pages=pages,
            **counts,
        )
        increments = {name: F(name) + count for name, count in counts.items()}
        Batch.objects.filter(pk=batch_id).update(staged_count=F("staged_count") + part.rows, **increments)
        rows[batch_id] = part.rows
    return rows


def adopt(*, batch: Batch, parts: Sequence[Part], label: str) -> int:
    """Take over parts that another batch of the same dataset has staged: the same objects, listed again.

    Answers the rows adopted. Call in the transaction that marks the adopting task as done.
    """
    for part in parts:
        part.pk, part.batch, part.label, part.merged_into = None, batch, label, None
        part.save(force_insert=True)
        Batch.objects.filter(pk=batch.pk).update(
            staged_count=F("staged_count") + part.row_count,
            extracted_count=F("extracted_count") + part.extracted_count,
            rejected_count=F("rejected_count") + part.rejected_count,
            superseded_count=F("superseded_count") + part.superseded_count,
        )
    return sum(part.row_count for part in parts)
