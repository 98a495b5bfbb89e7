"""Giving a client's batch up before it is live: by its client while loading, by support also when it has stalled."""

from __future__ import annotations

from ingestion import lifecycle
from ingestion.errors import WrongState
from ingestion.models import Batch
from ingestion.promotion.leases import publisher_soon
from ingestion.promotion.taking_up import go_on
from ingestion.rooms import warehouse
from ingestion.states import BatchStatus


def abort_stalled(batch: Batch, *, actor: str, reason: str) -> bool:
    """stalled → aborted, once it is certain that nothing of it is live or can become so; true when this call did.

    Raises WrongState when its rows are live after all (it then goes on to success by itself), and what the warehouse
    raises, with nothing changed.
    """
    if batch.status != BatchStatus.STALLED:
        return False
    if batch.load_id is None:
        return lifecycle.abort_by_hand(batch.pk, actor=actor, reason=reason, by_support=True)
    with publisher_soon(batch.dataset_id) as publisher:
        if warehouse().give_up(batch.load_id, token=publisher.token, datasets=(batch.dataset_id,)) is not None:
            go_on(batch.pk, actor=actor, reason="its rows are live already")
            raise WrongState(
                "The batch's rows are live already: only the answer of the warehouse was lost.",
                advice="Revert the batch if its rows are to be taken out again.",
            )
        return lifecycle.abort_by_hand(batch.pk, actor=actor, reason=reason, by_support=True)
