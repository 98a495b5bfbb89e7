"""What a run that waits is waiting behind, and whether anybody is at work at all."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q

from runs.models import Run, Task
from runs.states import RUN_OPEN, TaskStatus

RECENTLY = timedelta(minutes=1)


def tasks_ahead(run: Run) -> int:
    """Tasks of earlier runs that are queued and may be taken up now."""
    return Task.objects.due().filter(run__lt=run.pk).count()


def workers_seen(*, now: datetime) -> int:
    """Processes that have renewed a lease, or ended a task of an open run, in the last minute. One that has had nothing
    to do since then is not among them: workers leave no trace of idling."""
    renewed = now - RECENTLY + timedelta(seconds=settings.LEASE_SECONDS)
    alive = Q(status=TaskStatus.RUNNING, lease_until__gte=renewed) | Q(finished_at__gte=now - RECENTLY)
    names = (
        Task.objects.filter(alive, run__status__in=RUN_OPEN)
        .exclude(worker="")
        .order_by()
        .values_list("worker", flat=True)
        .distinct()
    )
    return len({name.rpartition("/")[0] or name for name in names})
