"""The card of a run that failed or completed in part: what, where, what it did to the data, what to do next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Min, Q
from django.db.models.functions import Now

from ingestion.models import Batch
from ingestion.states import BatchStatus
from runs.lifecycle.retryable import why_not_retry
from runs.models import Level, Message, Run, Task
from runs.states import RunStatus, TaskKind, TaskStatus

FAULTS = {
    "transient": "Trouble that did not pass",
    "rate_limited": "The source asked us to wait",
    "auth": "The source refused our login",
    "config": "A setting is wrong",
    "data": "The data cannot be read",
    "schema": "The columns have changed",
    "disk": "No room to stage",
    "lost": "Its worker died",
    "closed": "The run was closed",
    "bug": "An error of Headgate's own",
}
OWNERS = {
    "transient": "The source, or the way to it",
    "rate_limited": "The source",
    "auth": "Credentials of the data source",
    "config": "Configuration of the data source",
    "data": "The source's data",
    "schema": "The source's data",
    "disk": "Our platform",
    "lost": "Our platform",
    "closed": "A person, or the longest time of the source",
    "bug": "Our platform",
}
PASSES = frozenset({"transient", "rate_limited", "lost", "closed"})  # a retry alone may help
SAFE = "Yes: tables change only at the very end of a run, all in one step."
LOOK_BACK = timedelta(days=30)
LIVE = (BatchStatus.SUCCESS, BatchStatus.INACTIVE, BatchStatus.RETAINED, BatchStatus.ARCHIVED)
NAMED = 12  # tables named on the card; the rest are counted


@dataclass(frozen=True, kw_only=True)
class Elsewhere:
    """The same failure in other runs of the last thirty days."""

    runs: int
    sources: int
    since: datetime | None
    fingerprint: str


@dataclass(frozen=True, kw_only=True)
class Failure:
    """`whole` is false where a run completed with some tables only."""

    fault: str
    title: str
    owner: str
    cause: str
    task: Task | None
    failed_count: int
    advice: str
    detail: str
    effect: str
    retry: str
    elsewhere: Elsewhere | None
    whole: bool


def first_failure(run: Run) -> Task | None:
    return run.tasks.filter(status=TaskStatus.FAILED).order_by("finished_at", "pk").first()


def failure_of(run: Run, failed: Task | None, *, raw: bool) -> Failure | None:
    """The card, from the first task that failed and the last that it said; None for a run that is fine so far."""
    if run.status != RunStatus.FAILED and not (run.status == RunStatus.COMPLETED and failed):
        return None
    said = Message.objects.filter(run=run, task=failed, level=Level.ERROR).order_by("-pk").first()
    fault, effect = (failed.fault if failed else "") or run.fault, effect_on(run)
    cause = said.text if said else run.outcome or "No message was left; the history says how it ended."
    return Failure(
        fault=fault,
        title=FAULTS.get(fault, fault or "The run failed"),
        owner=OWNERS.get(fault, ""),
        cause=cause.removesuffix(f" {effect}"),  # the card says that once
        task=failed,
        failed_count=run.tasks.filter(status=TaskStatus.FAILED).count() if failed else 0,
        advice=said.advice if said and said.advice else "Give support the run id; then retry.",
        detail=said.detail if said and raw else "",
        effect=effect,
        retry=_retry(run, fault),
        elsewhere=_elsewhere(run, said),
        whole=run.status == RunStatus.FAILED,
    )


def effect_on(run: Run) -> str:
    """What became of the data, by the batches that went live: the sentence that people look for first."""
    batches = Batch.objects.filter(load=run.load_id, owner=run.owner).select_related("dataset")
    names = {True: list[str](), False: list[str]()}
    for batch in batches.only("status", "dataset__namespace", "dataset__name").order_by("dataset__name"):
        names[batch.status in LIVE].append(batch.dataset.name)
    if not names[True]:
        return "No table was changed."
    kept = f" Left as they were: {_listed(names[False])}." if names[False] else ""
    return f"Changed: {_listed(names[True])}.{kept}"


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _retry(run: Run, fault: str) -> str:
    """Whether a retry is safe, whether it is allowed, and whether it may help."""
    refused = why_not_retry(run)
    if refused:
        return f"Not from here: {refused.message}"
    if fault in PASSES:
        return f"{SAFE} It may well succeed. {_reuse(run)}"
    if fault == "bug":
        return f"{SAFE} Try it once; a second failure of the same kind is for support. {_reuse(run)}"
    return f"{SAFE} It fails the same way until the cause is put right. {_reuse(run)}"


def _reuse(run: Run) -> str:
    extraction = Q(kind=TaskKind.EXTRACTION)
    counts = run.tasks.aggregate(
        done=Count("pk", filter=extraction & Q(status=TaskStatus.COMPLETED)), total=Count("pk", filter=extraction)
    )
    if not counts["done"]:
        return "All of it is fetched again."
    return f"{counts['done']:,} of {counts['total']:,} extractions are finished and can be reused."


def _elsewhere(run: Run, said: Message | None) -> Elsewhere | None:
    if said is None:
        return None
    same = Message.objects.filter(
        fingerprint=said.fingerprint, level=Level.ERROR, created_at__gte=Now() - LOOK_BACK
    ).exclude(run=run)
    found = same.aggregate(
        runs=Count("run", distinct=True), sources=Count("run__source", distinct=True), since=Min("created_at")
    )
    return Elsewhere(**found, fingerprint=said.fingerprint) if found["runs"] else None
