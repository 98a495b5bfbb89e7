"""Taking a completed batch up: loaded → staging, and its files sent to be checked."""

from collections.abc import Sequence
from typing import Final

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from ingestion import dispatch, lifecycle
from ingestion.models import Batch, BatchFile
from ingestion.promotion import files
from ingestion.states import BatchStatus

MONITOR = "monitor"
SMALL: Final = 64 << 10  # bytes of a file that is not worth a message of its own
TOGETHER: Final = 24


def take_up(batch_id: int) -> bool:
    """Claim a loaded batch and have its files checked; answers whether this call claimed it.

    Small batches that wait beside it are taken up with it. A file that is small, or the only one, is checked by this
    worker at once; the others are sent to all.
    """
    loaded = Batch.objects.filter(status=BatchStatus.LOADED, self_promoting=True)
    with_it = loaded.filter(Q(pk=batch_id) | Q(files_left=1, input_size__lte=SMALL))
    waiting = list(with_it.order_by("pk").values_list("pk", flat=True)[:TOGETHER])
    if batch_id not in waiting:
        if len(waiting) < TOGETHER:
            return False
        waiting.append(batch_id)
    claimed = lifecycle.move_all(
        waiting,
        BatchStatus.STAGING,
        actor="worker",
        only_from=frozenset({BatchStatus.LOADED}),
        started_at=Now(),
        woken_at=Now(),
    )
    if claimed:
        _begin(claimed)
    return batch_id in claimed


def _begin(batches: Sequence[int]) -> None:
    found = list(BatchFile.objects.filter(batch__in=batches, checked_at=None).values_list("pk", "size"))
    here = [pk for pk, size in found if size <= SMALL or len(found) == 1][:TOGETHER]
    for pk, _ in found:
        if pk not in here:
            dispatch.check(pk)
    files.check_files(here)


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


def _send(batch_id: int) -> None:
    waiting = list(BatchFile.objects.filter(batch=batch_id, checked_at=None).values_list("pk", flat=True))
    for file_id in waiting:
        dispatch.check(file_id)
    if not waiting:
        dispatch.publish(Batch.objects.values_list("dataset_id", flat=True).get(pk=batch_id))
