"""How runs come to be: a request, accepted or rejected, and the retry of the newest run that did not complete."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from connectors.engines import open_revision
from connectors.models import Bookmark, ConfigRevision, DataSource
from connectors.protocol import Partitioning
from ingestion.batches import open_batch
from ingestion.datasets import dataset_for
from ingestion.loading import target_label
from ingestion.models import Batch, Load
from ingestion.warehouse.base import Mode
from runs import journal, planning
from runs.errors import Refused
from runs.lifecycle import retrying
from runs.lifecycle.adoption import adopt
from runs.lifecycle.phases import add_tasks, open_phase
from runs.lifecycle.retryable import busy, open_key, why_not_retry
from runs.lifecycle.retrying import Choice
from runs.models import Level, Run
from runs.planning import PlannedTable, PlannedTask
from runs.states import RunMode, RunStatus, TaskKind


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Who asked for a run, and how."""

    actor: str
    trigger: str  # person | api | command | schedule | demo


def request(source_id: int, mode: RunMode, *, asked: Asked) -> Run:
    """Ask for a run. Answers an accepted one (waiting, its first tasks queued) or a rejected one, which is kept and
    names the run that was in its way. Raises Refused for a disabled source, ManifestError for a broken one."""
    with transaction.atomic():
        source = lock_source(source_id)
        return _accept(source, mode, asked=asked) or _reject(source, mode, asked=asked)


def retry(run_id: int, *, asked: Asked, choice: Choice = Choice.FAILED) -> Run:
    """A new run in place of one that failed, was cancelled, or was rejected and is now free to go.

    It takes over what the old one has staged as far as `choice` says; nothing, where the source's configuration has
    changed. A double click makes one run. Raises Refused with the reason, also for a choice that is not possible.
    """
    with transaction.atomic():
        old = Run.objects.get(pk=run_id)
        source = lock_source(old.source_id)
        old = Run.objects.get(pk=run_id)
        if reason := why_not_retry(old) or retrying.why_not(choice, old):
            raise reason
        run = _accept(source, RunMode(old.mode), asked=asked, retry_of=old, choice=choice)
        if run is None:
            raise busy(old)
        return run


def lock_source(source_id: int) -> DataSource:
    """The source, locked until the transaction ends. Raises Refused for a disabled one."""
    # The connector is read apart: FOR UPDATE would lock its row too, and with it every other source of its kind.
    source = DataSource.objects.select_for_update(no_key=True).get(pk=source_id)
    if not source.enabled:
        raise Refused(f"“{source}” is disabled; enable it on its page before starting a run.", code="disabled")
    return source


def _accept(
    source: DataSource,
    mode: RunMode,
    *,
    asked: Asked,
    retry_of: Run | None = None,
    choice: Choice = Choice.EVERYTHING,
) -> Run | None:
    if _blocker(source.pk):
        return None
    config = ConfigRevision.of(source)
    lineage = retry_of is not None and retry_of.status != RunStatus.REJECTED
    run = Run(
        source=source,
        config=config,
        load=retry_of.load if lineage and retry_of else Load.objects.create(),
        mode=mode,
        open_key=open_key(source.pk),
        trigger="retry" if retry_of else asked.trigger,
        requested_by=asked.actor,
        retry_of=retry_of,
        retry_choice=choice if retry_of else "",
        window_until=_end_of(retry_of) if lineage and retry_of and choice == Choice.WINDOW else None,
    )
    try:
        with transaction.atomic():
            run.save()
    except IntegrityError:
        return None
    run.refresh_from_db()
    how = f"retry of run {retry_of.pk}: {retrying.WORDS[choice][0].lower()}" if retry_of else ""
    journal.record(run, "", run.status, actor=asked.actor, reason=how)
    _plan(run)
    return run


def _end_of(old: Run) -> datetime:
    """Up to when the run was to read."""
    return old.window_until or old.created_at


def _blocker(source_id: int) -> Run | None:
    """The open run in the way, locked: a move of it that is under way is waited for here. Inserting beside it and
    leaving it to the constraint would let the two wait for each other's index entries."""
    return Run.objects.open().select_for_update(no_key=True).filter(open_key=open_key(source_id)).first()


def _reject(source: DataSource, mode: RunMode, *, asked: Asked) -> Run:
    blocker = _blocker(source.pk)
    run = Run.objects.create(
        source=source,
        config=ConfigRevision.of(source),
        load=blocker.load if blocker else Load.objects.create(),
        mode=mode,
        status=RunStatus.REJECTED,
        open_key=open_key(source.pk),
        trigger=asked.trigger,
        requested_by=asked.actor,
        blocked_by=blocker,
        finished_at=Now(),
        outcome="Nothing was started. No table was changed.",
    )
    name = f"run {blocker.pk}" if blocker else "another run"
    journal.record(run, "", run.status, actor=asked.actor, reason=f"{name} was open")
    journal.say(
        run,
        Level.WARNING,
        f"The run was not started, since {name} of this source was still open. No table was changed.",
        code="rejected",
        advice=f"Wait for {name} to end, or cancel it; then retry this run.",
    )
    return run


def _plan(run: Run) -> None:
    """Make the run's batches and tasks, take over what its choice reuses, and open the first phase."""
    source = open_revision(run.config)
    try:
        endpoints = planning.endpoints_of(source, run.config.options.get("endpoints") or [])
        if not endpoints:
            raise Refused(
                "None of the endpoints chosen for this source is in its connector's manifest any more; choose again.",
                code="no_endpoints",
            )
        bookmarks = _bookmarks(run)
        planned: list[tuple[PlannedTask, str]] = []
        for endpoint in endpoints:
            incremental = planning.is_incremental(endpoint, RunMode(run.mode), bookmarks)
            since = bookmarks[endpoint.name] if incremental else None
            for table in planning.tables_of(endpoint, incremental=incremental):
                _batch_for(run, table, window_from=source.window_start(endpoint.name, since) if since else "")
            static = endpoint.partitioning == Partitioning.STATIC
            now = (run.window_until or run.created_at).isoformat()
            partitions = source.partitions(endpoint.name, since=since, now=now) if static else ()
            if static and not partitions:
                raise _nothing_to_read(endpoint.title)
            planned += [(task, since or "") for task in planning.extraction_tasks(endpoint, partitions)]
    finally:
        source.close()
    closing = [(task, "") for task in planning.closing_tasks(target_label())]
    add_tasks(run, planned + closing)
    _reuse(run)
    open_phase(run, TaskKind.EXTRACTION, actor=run.requested_by)


def _nothing_to_read(title: str) -> Refused:
    return Refused(
        f"“{title}” is cut into date windows, and none lies between its start and its end as they are now; correct "
        "`partition` in the manifest, or the settings that it is made of, or leave the endpoint out.",
        code="no_windows",
    )


def _bookmarks(run: Run) -> dict[str, str]:
    """Where each endpoint begins: where completed runs have left off, or as the run whose window is retried."""
    if run.window_until and run.retry_of:
        return retrying.since_of(run.retry_of)
    return dict(Bookmark.objects.filter(source=run.source_id).values_list("endpoint", "value"))


def _reuse(run: Run) -> None:
    old = run.retry_of
    if old is None or old.status == RunStatus.REJECTED or old.config_id != run.config_id:
        return
    if run.retry_choice in retrying.REUSING:
        adopt(run, old, merged=run.retry_choice != Choice.CONSOLIDATION)


def _batch_for(run: Run, planned: PlannedTable, *, window_from: str) -> Batch:
    dataset = dataset_for(
        namespace=run.config.options["namespace"],
        table=planned.table.name,
        description=planned.description,
        key=("_parent_id", "_index") if planned.parent else planned.table.key,
        schema_policy=run.config.options["schema_policy"],
    )
    return open_batch(
        dataset=dataset,
        load=run.load,
        owner=run.owner,
        mode=Mode(planned.mode),
        cursor=planned.table.cursor or "",
        window_from=window_from,
        parent=planned.parent.name if planned.parent else "",
    )
