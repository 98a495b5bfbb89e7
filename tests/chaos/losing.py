"""The ways in which one row can get lost between the source and the live table: each takes one away, once, silently.

A way is a context manager; it says through `Lost` whether it had the chance to take a row.
"""

import gzip
import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ingestion import batches, consolidation, loading
from ingestion.formats.base import ConvertedPart, MergedPart
from ingestion.rooms import store, warehouse
from ingestion.warehouse import publishing
from ingestion.warehouse.sql import stored
from tests.chaos.scenario import patched
from tests.ingestion.warehouse_kit import tamper


@dataclass
class Lost:
    """How many rows were taken: 1 as soon as the way has had its chance."""

    rows: int = 0

    def chance(self) -> bool:
        """True the first time only."""
        self.rows += 1
        return self.rows == 1


Way = Callable[[], AbstractContextManager[Lost]]


@contextmanager
def from_the_spool() -> Iterator[Lost]:
    """A record of a page is not written to the spool."""
    lost, add = Lost(), batches._Spool.add

    def added(self: Any, lines: bytes, page: Any) -> None:
        add(self, lines.partition(b"\n")[2] if lines.count(b"\n") > 1 and lost.chance() else lines, page)

    with patched((batches._Spool, "add", added)):
        yield lost


def _without_a_line(path: Path) -> tuple[int, str]:
    """Take the file's second line away; answers the new size and digest."""
    lines = gzip.decompress(path.read_bytes()).split(b"\n")
    data = gzip.compress(b"\n".join([lines[0], *lines[2:]]), 1)
    path.write_bytes(data)
    return len(data), hashlib.sha256(data).hexdigest()


def _with_an_end(path: Path) -> tuple[int, str]:
    r"""Write a line `\.` without quotes, as a staged format without full quoting would: COPY stops reading there."""
    lines = gzip.decompress(path.read_bytes()).split(b"\n")
    data = gzip.compress(b"\n".join([*lines[:-2], rb"\.", *lines[-2:]]), 1)
    path.write_bytes(data)
    return len(data), hashlib.sha256(data).hexdigest()


def _spoiling(spoil: Callable[[Path], tuple[int, str]]) -> Way:
    """A part whose file is not what conversion says of it, though size and checksum fit."""

    @contextmanager
    def spoiling() -> Iterator[Lost]:
        lost, convert = Lost(), batches.convert

        def converted(*arguments: Any, **more: Any) -> list[ConvertedPart]:
            return [_spoilt(part) if part.rows > 2 and lost.chance() else part for part in convert(*arguments, **more)]

        def _spoilt(part: ConvertedPart) -> ConvertedPart:
            size, sha256 = spoil(part.path)
            return replace(part, size=size, sha256=sha256)

        with patched((batches, "convert", converted)):
            yield lost

    return spoiling


@contextmanager
def from_the_store() -> Iterator[Lost]:
    """The store keeps other bytes than it was given, and says nothing."""
    lost, kind = Lost(), type(store())
    put = kind.put

    def stored_wrong(self: Any, key: str, source: Path, *, sha256: str) -> None:
        put(self, key, source, sha256=sha256)
        if lost.chance():
            _without_a_line(self.root / key)

    with patched((kind, "put", stored_wrong)):
        yield lost


@contextmanager
def from_the_manifest() -> Iterator[Lost]:
    """The list of parts to load lacks one."""
    lost, live_parts = Lost(), loading.live_parts

    def listed(batch: Any) -> Any:
        parts = live_parts(batch)
        return parts[:-1] if parts and parts[-1].row_count and lost.chance() else parts

    with patched((loading, "live_parts", listed)):
        yield lost


@contextmanager
def from_what_is_merged() -> Iterator[Lost]:
    """A file that is to be merged with others lacks a row when it is read."""
    lost, merge = Lost(), consolidation.merge_parts

    def merged(fetched: Any, **more: Any) -> list[MergedPart]:
        path, names = fetched[0]
        if lost.chance():
            short = more["folder"] / "short.csv.gz"
            short.write_bytes(path.read_bytes())
            _without_a_line(short)
            fetched = [(short, names), *fetched[1:]]
        return merge(fetched, **more)

    with patched((consolidation, "merge_parts", merged)):
        yield lost


@contextmanager
def from_the_merged_file() -> Iterator[Lost]:
    """The file that merging wrote lacks a row, though it says otherwise."""
    lost, merge = Lost(), consolidation.merge_parts

    def merged(fetched: Any, **more: Any) -> list[MergedPart]:
        parts = merge(fetched, **more)
        if parts and parts[0].rows > 2 and lost.chance():
            size, sha256 = _without_a_line(parts[0].path)
            parts[0] = replace(parts[0], size=size, sha256=sha256)
        return parts

    with patched((consolidation, "merge_parts", merged)):
        yield lost


@contextmanager
def from_the_temporary_table() -> Iterator[Lost]:
    """A row vanishes from a staged table before it is made live."""
    lost, publish = Lost(), loading.publish

    def published(load: Any, found: Any, **more: Any) -> Any:
        staged = next((batch.staged for batch in found if batch.staged and batch.staged.rows > 2), None)
        if staged and lost.chance():
            _delete_one(lambda sql: tamper(warehouse(), sql), stored(staged.table))
        return publish(load, found, **more)

    with patched((loading, "publish", published)):
        yield lost


def _delete_one(run: Callable[[str], Any], table: str) -> None:
    row = {"Postgres": "ctid", "DuckDB": "rowid"}[warehouse().label]
    run(f"DELETE FROM {table} WHERE {row} IN (SELECT {row} FROM {table} LIMIT 1)")


@contextmanager
def while_it_goes_live() -> Iterator[Lost]:
    """A row vanishes from a staged table inside the publish, after it was counted."""
    lost, insert = Lost(), publishing._insert

    def inserted(session: Any, ready: Any, live: Any) -> int:
        if ready.rows and lost.chance():
            _delete_one(session.run, stored(ready.staged.table))
        return insert(session, ready, live)

    with patched((publishing, "_insert", inserted)):
        yield lost


WAYS: dict[str, Way] = {
    "from the spool": from_the_spool,
    "from a part": _spoiling(_without_a_line),
    "behind an unquoted \\.": _spoiling(_with_an_end),
    "from the store": from_the_store,
    "from the manifest": from_the_manifest,
    "from what is merged": from_what_is_merged,
    "from the merged file": from_the_merged_file,
    "from the temporary table": from_the_temporary_table,
    "while it goes live": while_it_goes_live,
}
MERGING = {"while it goes live"}  # ways that are there only where a load is merged into what is live
