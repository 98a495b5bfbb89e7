"""Idempotency keys: the same key and the same wish answer the same run for a day, however often they are sent."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Final

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from runs.errors import Refused
from runs.lifecycle.starting import Asked, lock_source, request
from runs.models import Run, StartKey
from runs.states import RunMode

KEPT: Final = timedelta(hours=24)


def request_once(key: str, source_id: int, mode: RunMode, *, asked: Asked) -> tuple[Run, bool]:
    """Ask for a run as `starting.request` does, once for each key of the one who asks. Answers the run, and whether
    this call made it. Raises Refused (`key_reused`) when the key came with another wish before."""
    digest = hashlib.sha256(f"{source_id}\n{mode}".encode()).hexdigest()
    try:
        with transaction.atomic():
            if kept := _kept(key, digest, actor=asked.actor):
                return kept, False
            lock_source(source_id)  # a second sender of the same key waits here until the first has its run
            if kept := _kept(key, digest, actor=asked.actor):
                return kept, False
            StartKey.objects.filter(created_at__lt=Now() - KEPT).delete()
            run = request(source_id, mode, asked=asked)
            StartKey.objects.create(actor=asked.actor, key=key, digest=digest, run=run)
            return run, True
    except IntegrityError as error:  # the same key for another source, at the same moment: that one was first
        raise _reused(key) from error


def _kept(key: str, digest: str, *, actor: str) -> Run | None:
    found = StartKey.objects.filter(actor=actor, key=key, created_at__gte=Now() - KEPT).select_related("run").first()
    if found and found.digest != digest:
        raise _reused(key, run_id=found.run_id)
    return found.run if found else None


def _reused(key: str, *, run_id: int | None = None) -> Refused:
    text = f"The Idempotency-Key “{key[:40]}” was sent with another source or type before; use a new key for a new run."
    return Refused(text, code="key_reused", run_id=run_id)
