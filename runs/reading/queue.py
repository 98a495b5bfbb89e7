"""What a run that waits is waiting behind, and whether anybody is at work at all."""

from __future__ import annotations

from datetime import datetime

from runs.models import Run, Task, Worker
from runs.presence import LATELY


def tasks_ahead(run: Run) -> int:
    """Tasks of earlier runs that are queued and may be taken up now."""
    return Task.objects.due().filter(run__lt=run.pk).count()


def workers_seen(*, now: datetime) -> int:
    """Worker processes that have said in the last minute that they are there, idle ones too."""
    return Worker.objects.filter(at__gt=now - LATELY).count()
