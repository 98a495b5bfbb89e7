"""Which of several runs can be retried, and what stands in the way of the others: three queries for all of them.

The rules are those of `lifecycle.starting.why_not_retry`, which decides in the end; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings
from django.db.models import OuterRef, Subquery

from connectors.models import DataSource
from runs.models import Run
from runs.states import RUN_OPEN, RunStatus

RETRYABLE = frozenset({RunStatus.FAILED, RunStatus.CANCELLED, RunStatus.REJECTED})


def why_not_retry_each(runs: Sequence[Run]) -> dict[int, str]:
    """The reason why each cannot be retried now, by its id; "" for one that can."""
    asked = [run for run in runs if run.status in RETRYABLE]
    reasons = {run.pk: _not_ended_so(run) for run in runs}
    if not asked:
        return reasons
    again = dict(Run.objects.filter(retry_of__in=[run.pk for run in asked]).values_list("retry_of", "pk"))
    sources = {run.source_id for run in asked}
    newest, blockers = _newest(sources), _blockers(sources)
    for run in asked:
        reasons[run.pk] = _reason(run, again.get(run.pk), newest.get(run.source_id), blockers.get(_key(run.source_id)))
    return reasons


def _not_ended_so(run: Run) -> str:
    word = run.get_status_display()
    return f"Run {run.pk} is “{word}”: only a failed, cancelled or rejected run can be retried."


def _reason(run: Run, again: int | None, newest: tuple[int, str] | None, blocker: int | None) -> str:
    if again:
        return f"Run {run.pk} has been retried already: run {again}."
    if newest and newest[0] > run.pk and newest[1] not in RUN_OPEN:
        return f"Only the newest run of this source can be retried: run {newest[0]}."
    if newest and newest[0] > run.pk:
        blocker = newest[0]
    return f"Run {blocker} of this source is still open; wait for it to end or cancel it." if blocker else ""


def _newest(sources: set[int]) -> dict[int, tuple[int, str]]:
    """The newest run of each source that was not rejected, and its status; each is found by index."""
    runs = Run.objects.filter(source=OuterRef("pk")).exclude(status=RunStatus.REJECTED).order_by("-pk")
    found = DataSource.objects.filter(pk__in=sources).annotate(
        newest=Subquery(runs.values("pk")[:1]), newest_status=Subquery(runs.values("status")[:1])
    )
    return {pk: (run, status) for pk, run, status in found.values_list("pk", "newest", "newest_status") if run}


def _blockers(sources: set[int]) -> dict[str, int]:
    keys = {_key(source) for source in sources}
    return dict(Run.objects.open().filter(open_key__in=keys).values_list("open_key", "pk"))


def _key(source_id: int) -> str:
    return "all" if settings.ONE_RUN_AT_A_TIME else str(source_id)
