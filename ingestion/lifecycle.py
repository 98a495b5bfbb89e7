"""The only writer of a batch's status: compare-and-set moves along `states.MOVES`, each with a row of history."""

from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from ingestion.models import Batch, BatchEvent
from ingestion.states import OPEN, BatchStatus, sources_of

ENDED = frozenset(BatchStatus) - OPEN


def move(batch_id: int, to: BatchStatus, *, actor: str, reason: str = "", **facts: Any) -> bool:
    """Move a batch on; true when this call moved it. `facts` are columns written with the move.

    Repeating a move that has happened changes nothing and answers false.
    """
    with transaction.atomic():
        before = Batch.objects.select_for_update(no_key=True).values_list("status", flat=True).get(pk=batch_id)
        if BatchStatus(before) not in sources_of(to):
            return False
        if to in ENDED:
            facts["finished_at"] = Now()
        moved = Batch.objects.filter(pk=batch_id, status=before).update(status=to, **facts)
        if moved:
            BatchEvent.objects.create(batch_id=batch_id, before=before, after=to, actor=actor, reason=reason)
        return bool(moved)


def complete(batch_id: int, *, actor: str) -> bool:
    """loading → loaded: nothing more will be written."""
    return move(batch_id, BatchStatus.LOADED, actor=actor)


def start_staging(batch_id: int, *, actor: str) -> bool:
    return move(batch_id, BatchStatus.STAGING, actor=actor)


def succeed(batch_id: int, *, actor: str, **counts: Any) -> bool:
    """staging → success: its data is live, as the ledger says."""
    return move(batch_id, BatchStatus.SUCCESS, actor=actor, **counts)


def abort(batches: Iterable[int], *, actor: str, reason: str) -> int:
    """Give up the open ones of these batches, on their run's word; answers how many moved."""
    return sum(move(batch, BatchStatus.ABORTED, actor=actor, reason=reason) for batch in batches)
