"""Which runs can be retried now, and what stands in the way of the others: three queries, for one or for many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from django.conf import settings
from django.db.models import OuterRef, Subquery

from connectors.models import DataSource
from runs.errors import Refused
from runs.models import Run
from runs.states import RUN_OPEN, RunStatus

RETRYABLE: Final = frozenset({RunStatus.FAILED, RunStatus.CANCELLED, RunStatus.REJECTED})


def why_not_retry(run: Run) -> Refused | None:
    """The reason why this run cannot be retried now; None when it can."""
    return why_not_retry_each([run])[run.pk]


def why_not_retry_each(runs: Sequence[Run]) -> dict[int, Refused | None]:
    """`why_not_retry` of each, by its id."""
    reasons = {run.pk: _not_ended_so(run) for run in runs}
    asked = [run for run in runs if run.status in RETRYABLE]
    if not asked:
        return reasons
    again = dict(Run.objects.filter(retry_of__in=[run.pk for run in asked]).values_list("retry_of", "pk"))
    sources = {run.source_id for run in asked}
    newest, blockers = _newest(sources), _blockers(sources)
    for run in asked:
        blocker = blockers.get(open_key(run.source_id))
        reasons[run.pk] = _reason(run, again.get(run.pk), newest.get(run.source_id), blocker)
    return reasons


def busy(run: Run, blocker: int | None = None) -> Refused:
    """Refuses a run since another one is open; without `blocker`, whichever that is now."""
    blocker = blocker or _blockers({run.source_id}).get(open_key(run.source_id))
    name = f"Run {blocker}" if blocker else "Another run"
    return Refused(
        f"{name} of this source is still open; wait for it to end or cancel it.",
        code="busy",
        run_id=run.pk,
        blocker_id=blocker,
    )


def open_key(source_id: int) -> str:
    """Of all runs with the same key one may be open."""
    return "all" if settings.ONE_RUN_AT_A_TIME else str(source_id)


def _not_ended_so(run: Run) -> Refused | None:
    if run.status in RETRYABLE:
        return None
    what = f"Run {run.pk} is “{run.get_status_display()}”: only a failed, cancelled or rejected run can be retried."
    return Refused(what, code="not_retryable", run_id=run.pk)


def _reason(run: Run, again: int | None, newest: tuple[int, str] | None, blocker: int | None) -> Refused | None:
    if again:
        return Refused(f"Run {run.pk} has been retried already: run {again}.", code="retried", run_id=again)
    pk, status = newest or (run.pk, run.status)
    if pk > run.pk and status not in RUN_OPEN:
        return Refused(f"Only the newest run of this source can be retried: run {pk}.", code="not_newest", run_id=pk)
    if pk > run.pk:
        return busy(run, pk)
    return busy(run, blocker) if blocker else None


def _newest(sources: set[int]) -> dict[int, tuple[int, str]]:
    """The newest run of each source that was not rejected, and its status; each is found by index."""
    runs = Run.objects.filter(source=OuterRef("pk")).exclude(status=RunStatus.REJECTED).order_by("-pk")
    found = DataSource.objects.filter(pk__in=sources).annotate(
        newest=Subquery(runs.values("pk")[:1]), newest_status=Subquery(runs.values("status")[:1])
    )
    return {pk: (run, status) for pk, run, status in found.values_list("pk", "newest", "newest_status") if run}


def _blockers(sources: set[int]) -> dict[str, int]:
    keys = {open_key(source) for source in sources}
    return dict(Run.objects.open().filter(open_key__in=keys).values_list("open_key", "pk"))
