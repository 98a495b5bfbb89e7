"""Taking a completed batch up: loaded → staging, and its files sent to be checked."""

from django.db import transaction
from django.db.models.functions import Now

from ingestion import dispatch, lifecycle
from ingestion.models import Batch, BatchFile
from ingestion.promotion import files
from ingestion.states import BatchStatus

MONITOR = "monitor"


def take_up(batch_id: int) -> bool:
    """Claim a loaded batch and have its files checked; answers whether this call claimed it. A batch of one file is
    checked by the same worker at once."""
    claimed = lifecycle.move(
        batch_id,
        BatchStatus.STAGING,
        actor="worker",
        only_from=frozenset({BatchStatus.LOADED}),
        started_at=Now(),
        woken_at=Now(),
    )
    if claimed:
        _send(batch_id, at_once=True)
    return claimed


def go_on(batch_id: int, *, actor: str = MONITOR, reason: str = "") -> bool:
    """retrying or stalled → staging: whatever is not done yet is sent again. Batches that share a load go on together,
    since a load is published with all its batches."""
    batch = Batch.objects.get(pk=batch_id)
    mates = Batch.objects.filter(load=batch.load_id) if batch.load_id else Batch.objects.filter(pk=batch_id)
    waiting = mates.filter(status__in=(BatchStatus.RETRYING, BatchStatus.STALLED)).values_list("pk", flat=True)
    fresh = {"failures": 0} if batch.status == BatchStatus.STALLED else {}
    with transaction.atomic():
        moved = lifecycle.move_all(
            list(waiting),
            BatchStatus.STAGING,
            actor=actor,
            reason=reason,
            only_from=frozenset({BatchStatus.RETRYING, BatchStatus.STALLED}),
            not_before=None,
            woken_at=Now(),
            **fresh,
        )
    for pk in moved:
        _send(pk)
    return bool(moved)


def _send(batch_id: int, *, at_once: bool = False) -> None:
    waiting = list(BatchFile.objects.filter(batch=batch_id, checked_at=None).values_list("pk", flat=True))
    if len(waiting) == 1 and at_once:
        files.check_file(waiting[0])
        return
    for file_id in waiting:
        dispatch.check(file_id)
    if not waiting:
        dispatch.publish(Batch.objects.values_list("dataset_id", flat=True).get(pk=batch_id))
