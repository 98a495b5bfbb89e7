"""What becomes of a batch that was taken back: retained as Parquet, archived in the cold, removed in the end.

Each step moves the data first and says so afterwards, so that a crash between the two repeats a step and loses nothing.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from django.conf import settings
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from ingestion import lifecycle
from ingestion.errors import IngestionError
from ingestion.models import Batch
from ingestion.promotion.leases import publisher_of
from ingestion.promotion.requests import prefix_of
from ingestion.rooms import archive, cold, warehouse
from ingestion.states import BatchStatus

log = logging.getLogger(__name__)
AT_ONCE: Final = 50
ASKED: Final = "asked"  # among the facts of a batch's archive: the step that a person wants, see `asked`
KEEPER = "housekeeping"


def kept_of(batch: Batch) -> dict[str, Any]:
    """What is kept of a batch, and where; empty where nothing has been moved yet."""
    return {name: value for name, value in batch.archive.items() if name != ASKED}


def put_away() -> int:
    """One look at the batches that were taken back; answers how many moved on. Takes each dataset's lease, so that no
    two move the same batch at once."""
    steps: list[tuple[BatchStatus, float, Callable[[Batch], bool]]] = [
        (BatchStatus.INACTIVE, settings.INACTIVE_DAYS, retain if settings.ARCHIVE else remove),
        (BatchStatus.RETAINED, settings.RETAINED_DAYS, freeze),
        (BatchStatus.ARCHIVED, settings.ARCHIVED_DAYS, remove),
    ]
    return sum(_one(step, batch) for status, days, step in steps for batch in _of_age(status, days))


def _of_age(status: BatchStatus, days: float) -> QuerySet[Batch]:
    since = Now() - timedelta(days=days)
    return Batch.objects.filter(status=status, self_promoting=True, updated_at__lt=since).order_by("pk")[:AT_ONCE]


def _one(step: Callable[[Batch], bool], batch: Batch) -> bool:
    try:
        with publisher_of(batch.dataset_id) as publisher:
            fresh = Batch.objects.get(pk=batch.pk)
            return publisher is not None and fresh.status == batch.status and step(fresh)
    except IngestionError as error:
        log.warning("batch %s cannot be put away yet: %s", batch.public_id, error)
        return False


def retain(batch: Batch, *, actor: str = KEEPER, why: str = "") -> bool:
    """inactive → retained: its rows are written to the archive as Parquet, then removed from the warehouse. `actor`
    and `why` name the person who had it done before its time."""
    facts = kept_of(batch)
    if not facts and batch.load_id is not None:
        folder = settings.SCRATCH_DIR / f"retain-{batch.pk}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            made = warehouse().export(batch.pk, folder)
            key = f"{prefix_of(batch)}/{batch.public_id}-{made.sha256[:12]}.parquet"
            archive().put(key, made.path, sha256=made.sha256)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        at = timezone.now().isoformat()
        facts = {"key": key, "rows": made.rows, "size": made.bytes, "sha256": made.sha256, "at": at}
        Batch.objects.filter(pk=batch.pk).update(archive={**batch.archive, **facts})
    if batch.load_id is not None:
        warehouse().drop_withdrawn(batch.pk)
    reason = _reason(f"{facts.get('rows', 0):,} rows were moved to the archive", why)
    return lifecycle.put_away(batch.pk, BatchStatus.RETAINED, actor=actor, reason=reason, archive=facts)


def _reason(done: str, why: str) -> str:
    return f"{done}: {why}" if why else done


def freeze(batch: Batch, *, actor: str = KEEPER, why: str = "") -> bool:
    """retained → archived: its Parquet file is moved to the cold location."""
    facts = kept_of(batch)
    if key := facts.get("key"):
        folder = settings.SCRATCH_DIR / f"freeze-{batch.pk}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            copy = archive().fetch(key, folder / "rows.parquet")
            cold().put(key, copy, sha256=facts["sha256"])
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        reason = _reason("its file was moved to cold storage", why)
        moved = lifecycle.put_away(batch.pk, BatchStatus.ARCHIVED, actor=actor, reason=reason, archive=facts)
        archive().delete(key)
        return moved
    reason = _reason("it had no rows", why)
    return lifecycle.put_away(batch.pk, BatchStatus.ARCHIVED, actor=actor, reason=reason, archive=facts)


def remove(batch: Batch, *, actor: str = KEEPER, why: str = "") -> bool:
    """inactive, retained or archived → deleted: whatever is left of its data is removed for good."""
    if batch.load_id is not None:
        warehouse().drop_withdrawn(batch.pk)
    if key := batch.archive.get("key"):
        archive().delete(key)
        cold().delete(key)
    reason = _reason("its data was removed", why)
    return lifecycle.put_away(batch.pk, BatchStatus.DELETED, actor=actor, reason=reason, archive={})
