"""Taking a live batch back, by its client, by support or by its age. Its rows are set aside, then it is said."""

from __future__ import annotations

import logging

from django.db import transaction

from ingestion import lifecycle
from ingestion.errors import WrongState
from ingestion.models import Batch, Dataset
from ingestion.promotion.leases import Publisher, publisher_soon
from ingestion.rooms import warehouse
from ingestion.states import BatchStatus
from ingestion.warehouse.base import WithdrawRequest

log = logging.getLogger(__name__)
TAKEN_BACK = frozenset({BatchStatus.INACTIVE, BatchStatus.RETAINED, BatchStatus.ARCHIVED, BatchStatus.DELETED})


def revert(batch: Batch, *, actor: str, reason: str = "reverted") -> bool:
    """Take a live batch out of view; true when this call did. Of one that was taken back already: false.

    Readers see all of its rows or none. Raises WrongState for a batch that never was live, or is a run's own; and what
    the warehouse raises, with nothing changed.
    """
    if refusal := why_not_revert(batch):
        raise refusal
    if batch.status in TAKEN_BACK:
        return False
    with publisher_soon(batch.dataset_id) as publisher:
        batch.refresh_from_db()
        if batch.status != BatchStatus.SUCCESS:
            return False
        return _withdraw(publisher, batch, actor=actor, reason=reason)


def why_not_revert(batch: Batch) -> WrongState | None:
    """Why it cannot be taken back, in words; None when it can, or has been."""
    if not batch.self_promoting:
        return WrongState(
            "This batch belongs to an API run, whose tables were made live together.",
            advice="Start a run of its data source again to replace what it loaded.",
        )
    if batch.status == BatchStatus.SUCCESS or batch.status in TAKEN_BACK:
        return None
    return WrongState(
        f"The batch is {batch.status}: it never was live, so there is nothing to take back.",
        advice="Abort it while it is loading; a batch that failed, was aborted or abandoned has left no data.",
    )


def _withdraw(publisher: Publisher, batch: Batch, *, actor: str, reason: str) -> bool:
    dataset = Dataset.objects.get(pk=publisher.dataset)
    live = dataset.live_rows
    if batch.load_id is not None:
        target = dataset.target(dataset.columns)
        answer = warehouse().withdraw(WithdrawRequest(target=target, spans=(batch.span,), reason=reason))
        live = answer.live
    with transaction.atomic():
        Dataset.objects.filter(pk=dataset.pk).update(live_rows=live)
        return bool(lifecycle.deactivate([batch.pk], actor=actor, reason=reason))
