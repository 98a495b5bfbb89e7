"""Which checked batches of a dataset are published together, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from django.db import transaction

from ingestion.models import Batch, Load
from ingestion.models.batches import BatchQuerySet
from ingestion.states import BatchStatus

NEEDED: Final = (  # to publish a batch: rows are wide, and many are read in a minute
    *("public_id", "organisation", "sandbox", "dataset", "load", "status", "mode", "replay"),
    *("failures", "temporary", "alone", "output_size"),
)
MOST_BATCHES: Final = 100
MOST_BYTES: Final = 64 << 20  # of staged parts: a larger batch goes alone


def ready(dataset_id: int) -> BatchQuerySet:
    """Batches whose files have all passed, in the order of their COMPLETE."""
    waiting = Batch.objects.filter(dataset=dataset_id, status=BatchStatus.STAGING, files_left=0, self_promoting=True)
    return waiting.only(*NEEDED).order_by("completed_at", "pk")


def take(dataset_id: int) -> list[Batch]:
    """The next group, with its load; empty when nothing is ready. Call as the dataset's publisher.

    A group keeps its load for as long as its outcome is unknown, so that trying again is the same logical load.
    """
    with transaction.atomic():
        group = _next([batch for batch in ready(dataset_id)[:MOST_BATCHES] if _whole(batch)])
        if group and group[0].load_id is None:
            load = Load.objects.create(note=f"{len(group)} client batches" if len(group) > 1 else group[0].public_id)
            Batch.objects.filter(pk__in=[batch.pk for batch in group]).update(load=load)
            for batch in group:
                batch.load = load
        return group


def _whole(batch: Batch) -> bool:
    """Are all that share its load ready? A load is published with all its batches, or one of them would be lost."""
    if batch.load_id is None:
        return True
    mates = Batch.objects.open().filter(load=batch.load_id)
    return not mates.exclude(status=BatchStatus.STAGING, files_left=0).exists()


def _next(waiting: Sequence[Batch]) -> list[Batch]:
    if not waiting:
        return []
    first = waiting[0]
    if first.load_id is not None:
        mates = Batch.objects.filter(load=first.load_id, status=BatchStatus.STAGING)
        return list(mates.only(*NEEDED).order_by("completed_at", "pk"))
    group = [first]
    size = first.output_size
    for batch in waiting[1:]:
        size += batch.output_size
        if _goes_alone(first) or _goes_alone(batch) or batch.mode != first.mode or size > MOST_BYTES:
            break
        group.append(batch)
    return group


def _goes_alone(batch: Batch) -> bool:
    return batch.alone or bool(batch.replay) or batch.load_id is not None
