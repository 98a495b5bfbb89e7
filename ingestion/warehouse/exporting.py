"""Withdrawn batches on their way out: written as one Parquet file each, then removed for good."""

import errno
import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ingestion.errors import ConfigFault, DiskFull
from ingestion.warehouse.base import CountMismatch, Exported, LoadFault, Span
from ingestion.warehouse.books import Session
from ingestion.warehouse.engine import Engine, S
from ingestion.warehouse.sql import book, stored
from ingestion.warehouse.withdrawing import DROPPED, SET_ASIDE, rows_in


@dataclass(frozen=True, kw_only=True)
class Aside:
    """Where a withdrawn batch's rows are."""

    dataset: int
    table: str
    state: str
    spans: tuple[Span, ...]
    rows: int


def export(engine: Engine[S], batch: int, folder: Path) -> Exported:
    """See `base.Warehouse.export`."""
    name = f"batch-{batch:d}.parquet"
    with _place_beside(folder) as place:
        with engine.reading(f"exporting batch {batch}") as session:
            aside = _set_aside(session, batch)
            finish = engine.write_out(session, aside.table, rows_in(aside.spans), place / name)
        written = finish()
        if written != aside.rows:
            raise CountMismatch(
                f"{aside.rows} rows of batch {batch} were set aside, but {written} were exported. Nothing was kept.",
                advice="Ask whoever runs the warehouse what else writes into its table.",
                detail=aside.table,
            )
        size, digest = (place / name).stat().st_size, _sha256(place / name)
        path = (place / name).replace(folder / name)
    return Exported(path=path, rows=written, bytes=size, sha256=digest)


def drop_withdrawn(engine: Engine[S], batch: int) -> bool:
    """See `base.Warehouse.drop_withdrawn`."""
    with engine.session("looking for a withdrawn batch") as session:
        aside = find(session, batch)
    if aside is None:
        return False
    with engine.exclusive([aside.dataset]) as session:
        aside = find(session, batch)
        if aside is None or aside.state == DROPPED:
            return False
        with engine.transaction(session):
            _drop(session, batch, aside)
    return True


def find(session: Session, batch: int) -> Aside | None:
    found = session.rows(
        "SELECT dataset, table_name, state, load_id, first_part, last_part, row_count "
        f"FROM {book('_withdrawals')} WHERE batch = ? ORDER BY load_id, first_part",
        (batch,),
    )
    if not found:
        return None
    dataset, table, state = found[0][:3]
    spans = tuple(Span(batch=batch, load_id=load, first=first, last=last) for *_, load, first, last, _ in found)
    return Aside(dataset=dataset, table=table, state=state, spans=spans, rows=sum(row[-1] for row in found))


def _set_aside(session: Session, batch: int) -> Aside:
    aside = find(session, batch)
    if aside is None or aside.state == DROPPED:
        why = "its rows were removed for good" if aside else "it was not taken out of view"
        raise LoadFault(
            f"Batch {batch} cannot be exported: {why}.",
            advice="Only a batch that is inactive, and whose rows are still kept, can be exported.",
        )
    return aside


def _drop(session: Session, batch: int, aside: Aside) -> None:
    """The table goes with the last of the batches that were set aside together."""
    others = session.rows(
        f"SELECT 1 FROM {book('_withdrawals')} WHERE table_name = ? AND state = ? AND batch <> ? LIMIT 1",
        (aside.table, SET_ASIDE, batch),
    )
    if others:
        session.run(f"DELETE FROM {stored(aside.table)} WHERE {rows_in(aside.spans)}")
    else:
        session.run(f"DROP TABLE {stored(aside.table)}")
    gone = f"UPDATE {book('_withdrawals')} SET state = ?, dropped_at = {session.dialect.now} WHERE batch = ?"
    session.run(gone, (DROPPED, batch))


@contextmanager
def _place_beside(folder: Path) -> Iterator[Path]:
    """A scratch folder on the same disk, so that a file moves into place whole. Gone afterwards, whatever happens."""
    try:
        with tempfile.TemporaryDirectory(prefix=".export-", dir=folder) as place:
            yield Path(place)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            advice = "Make room on that disk; it is tried again."
            raise DiskFull(f"The disk of {folder} is full: no batch could be exported there.", advice=advice) from error
        raise ConfigFault(
            f"A batch could not be exported to {folder}: {error.strerror or error}.",
            advice="Check that the folder exists and that this program's user may write there.",
        ) from error


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
