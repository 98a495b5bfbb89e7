"""Table consolidation: make the parts of one table one unified structure."""

from django.conf import settings

from ingestion import consolidation
from ingestion.models import Batch
from runs.lifecycle.working import Claim, Outcome
from runs.pulse import Pulse
from runs.stages.extraction import NUMBERS_PER_TASK


def prefix_of(claim: Claim, batch: Batch) -> str:
    """Where objects that this task writes for a batch are kept."""
    owner = batch.owner.replace("/", "-")
    return f"{settings.ORGANISATION}/{settings.SANDBOX}/{batch.dataset_id}/{owner}/{claim.task.pk}"


def batch_of(claim: Claim) -> Batch:
    return Batch.objects.select_related("dataset").get(tasks=claim.task)


def consolidate_table(claim: Claim, pulse: Pulse) -> Outcome:
    pulse.check()
    batch = batch_of(claim)
    merged = consolidation.consolidate(
        batch,
        label=claim.task.label,
        attempt=claim.attempt,
        first_number=claim.task.pk * NUMBERS_PER_TASK,
        prefix=prefix_of(claim, batch),
    )
    return Outcome(
        note=f"{merged} staged files merged", output={"merged": merged}, tables={batch.pk: batch.staged_count}
    )
