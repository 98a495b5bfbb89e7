"""The monitor of client batches: repeats lost wake-ups, goes on with what waits, and ends what is past its time.

Safe in any number of copies at once: every step is a compare-and-set. Takes no clock but the database's.
"""

from __future__ import annotations

import logging
from collections import Counter
from datetime import timedelta
from typing import Final

from django.conf import settings
from django.db.models import Exists, OuterRef, Q
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Now

from ingestion import dispatch, lifecycle
from ingestion.errors import IngestionError, TransientError
from ingestion.models import Batch, BatchFile, Dataset
from ingestion.promotion import setbacks
from ingestion.promotion.reverting import revert
from ingestion.promotion.taking_up import MONITOR, go_on
from ingestion.states import BatchStatus

log = logging.getLogger(__name__)
AT_ONCE: Final = 500


def sweep() -> Counter[str]:
    """One look at all open client batches; answers what was done, by kind."""
    found: Counter[str] = Counter()
    found["batches_woken"] = _wake_loaded() + _wake_files() + _wake_publishers()
    found["batches_resumed"] = sum(go_on(pk) for pk in _due())
    found["batches_abandoned"] = sum(_abandon(pk) for pk in _silent())
    found["batches_expired"] = sum(_expire(batch) for batch in _expired())
    return found


def _ago(seconds: float) -> CombinedExpression:
    return Now() - timedelta(seconds=seconds)


def _wake_loaded() -> int:
    unheard = Q(woken_at=None) & Q(completed_at__lt=_ago(settings.WAKE_AGAIN_SECONDS))
    quiet = unheard | Q(woken_at__lt=_ago(settings.WAKE_AGAIN_SECONDS))
    waiting = Batch.objects.filter(quiet, status=BatchStatus.LOADED, self_promoting=True).order_by("pk")
    return sum(_wake_batch(pk) for pk in list(waiting.values_list("pk", flat=True)[:AT_ONCE]))


def _wake_batch(pk: int) -> bool:
    Batch.objects.filter(pk=pk).update(woken_at=Now())
    return dispatch.send("promote_batch", "check", pk)


def _wake_files() -> int:
    """Files of batches in staging that nobody is checking. One whose workers keep dying is a setback of its batch."""
    again = _ago(settings.WAKE_AGAIN_SECONDS)
    free = Q(lease_until=None) | Q(lease_until__lt=Now())
    quiet = Q(woken_at=None, batch__woken_at__lt=again) | Q(woken_at__lt=again)
    waiting = BatchFile.objects.filter(
        free, quiet, checked_at=None, batch__status=BatchStatus.STAGING, batch__self_promoting=True
    )
    woken = 0
    for file in list(waiting.order_by("pk")[:AT_ONCE]):
        if file.lease_until is not None and file.attempt and file.attempt % settings.LOST_LEASES == 0:
            _lost(file)
            continue
        BatchFile.objects.filter(pk=file.pk).update(woken_at=Now())
        woken += dispatch.send("check_file", "check", file.pk)
    return woken


def _lost(file: BatchFile) -> None:
    error = TransientError(
        f"The workers that checked {file.path} died {file.attempt} times.",
        advice="Look at the memory and the logs of the workers.",
    )
    BatchFile.objects.filter(pk=file.pk, attempt=file.attempt, checked_at=None).update(lease_until=None, worker="")
    setbacks.meet([file.batch_id], error, doing=f"checking {file.path}")


def _wake_publishers() -> int:
    """Datasets with checked batches that nobody is publishing."""
    ready = Batch.objects.filter(
        dataset=OuterRef("pk"),
        status=BatchStatus.STAGING,
        files_left=0,
        self_promoting=True,
        updated_at__lt=_ago(settings.WAKE_AGAIN_SECONDS),
    )
    free = Q(publisher_until=None) | Q(publisher_until__lt=Now())
    waiting = Dataset.objects.filter(free, Exists(ready)).values_list("pk", flat=True)
    return sum(dispatch.send("publish_dataset", "publish", pk) for pk in list(waiting[:AT_ONCE]))


def _due() -> list[int]:
    due = Batch.objects.filter(status=BatchStatus.RETRYING, self_promoting=True, not_before__lte=Now())
    return list(due.order_by("not_before").values_list("pk", flat=True)[:AT_ONCE])


def _silent() -> list[int]:
    since = _ago(settings.ABANDON_HOURS * 3600)
    silent = Batch.objects.filter(status=BatchStatus.LOADING, self_promoting=True)
    silent = silent.filter(Q(touched_at__lt=since) | Q(touched_at=None, created_at__lt=since))
    return list(silent.values_list("pk", flat=True)[:AT_ONCE])


def _abandon(pk: int) -> bool:
    reason = f"its client sent nothing for {settings.ABANDON_HOURS:g} hours and never completed it"
    return lifecycle.abandon(pk, actor=MONITOR, reason=reason)


def _expired() -> list[Batch]:
    """Live batches older than their dataset keeps them."""
    keeping = Dataset.objects.filter(retention_days__isnull=False, batches__status=BatchStatus.SUCCESS).distinct()
    expired: list[Batch] = []
    for dataset, days in keeping.values_list("pk", "retention_days"):
        live = Batch.objects.filter(dataset=dataset, status=BatchStatus.SUCCESS, self_promoting=True)
        expired += live.filter(finished_at__lt=_ago((days or 0) * 86_400)).select_related("dataset")[:AT_ONCE]
    return expired


def _expire(batch: Batch) -> bool:
    try:
        return revert(batch, actor=MONITOR, reason="expired")
    except IngestionError as error:
        log.warning("batch %s cannot expire yet: %s", batch.public_id, error)
        return False
