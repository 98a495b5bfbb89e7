"""Failing a client's batch by hand: support has seen that trying again is no use, and tells its client what to mend."""

from __future__ import annotations

from typing import Final

from ingestion import lifecycle
from ingestion.errors import WrongState
from ingestion.models import Batch
from ingestion.promotion.leases import publisher_soon
from ingestion.promotion.publishing import PROCESSING
from ingestion.promotion.taking_up import go_on
from ingestion.rooms import warehouse
from ingestion.states import BatchStatus

WAITING: Final = frozenset({BatchStatus.RETRYING, BatchStatus.STALLED})


def fail_waiting(batch: Batch, *, actor: str, reason: str) -> bool:
    """retrying or stalled → failed, once it is certain that nothing of it is live or can become so; true when this
    call did. `reason` is what its client reads among the batch's errors.

    Raises WrongState when its rows are live after all (it then goes on to success by itself), and what the warehouse
    raises, with nothing changed.
    """
    if batch.status not in WAITING:
        return False
    if batch.load_id is None:
        return _fail(batch, actor=actor, reason=reason)
    with publisher_soon(batch.dataset_id) as publisher:
        if warehouse().give_up(batch.load_id, token=publisher.token, datasets=(batch.dataset_id,)) is not None:
            go_on(batch.pk, actor=actor, reason="its rows are live already")
            raise WrongState(
                "The batch's rows are live already: only the answer of the warehouse was lost.",
                advice="Revert the batch if its rows are to be taken out again.",
            )
        return _fail(batch, actor=actor, reason=reason)


def _fail(batch: Batch, *, actor: str, reason: str) -> bool:
    entry = {"code": PROCESSING, "description": reason, "rows": []}
    return lifecycle.move(
        batch.pk, BatchStatus.FAILED, actor=actor, reason=reason, only_from=WAITING, errors=[entry], not_before=None
    )
