"""Trouble that is not the data's fault: the batch waits and is tried again, and stalls when that is no use."""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, Max
from django.db.models.functions import Now

from ingestion import lifecycle
from ingestion.errors import Fenced, IngestionError
from ingestion.models import Batch

log = logging.getLogger(__name__)


def meet(batches: Sequence[int], error: Exception, *, doing: str) -> None:
    """staging → retrying with a time to go on, or → stalled once the retries are used up. A fenced worker's trouble is
    nobody's."""
    if isinstance(error, Fenced):
        log.warning("%s: %s", doing, error)
        return
    if not isinstance(error, IngestionError):
        log.error("%s met an error of our own", doing, exc_info=error)
    reason = words_of(error, doing)
    with transaction.atomic():
        moved = lifecycle.retry_later(batches, actor="worker", reason=reason, failures=F("failures") + 1)
        failures = Batch.objects.filter(pk__in=moved).aggregate(most=Max("failures"))["most"] or 0
        waits = settings.RETRY_WAITS
        if failures > len(waits):
            lifecycle.stall(moved, actor="worker", reason=f"{reason} It was tried {failures} times.")
            return
        seconds = waits[failures - 1] * random.uniform(0.8, 1.2) if failures else waits[0]  # noqa: S311 - spreads retries
        Batch.objects.filter(pk__in=moved).update(not_before=Now() + timedelta(seconds=seconds))


def words_of(error: Exception, doing: str) -> str:
    """What support reads in the batch's history."""
    if isinstance(error, IngestionError):
        return f"{error.message} {error.advice}".strip()
    return f"Headgate met an error of its own while {doing} ({type(error).__name__})."
