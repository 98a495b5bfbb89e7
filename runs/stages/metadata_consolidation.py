"""Metadata consolidation: agree on a blueprint for every table of the run, then spin up the tasks for each table."""

from connectors.engines import open_revision
from connectors.protocol import Table
from ingestion import consolidation, lifecycle
from ingestion.errors import DataFault
from ingestion.loading import target_label
from ingestion.models import Batch
from ingestion.states import BatchStatus
from ingestion.warehouse.base import Mode
from runs import journal, planning
from runs.lifecycle.working import Claim, Outcome
from runs.models import Level, Run
from runs.pulse import Pulse
from runs.stages.telling import tell_columns
from runs.states import TaskKind, TaskStatus


def agree_on_blueprints(claim: Claim, pulse: Pulse) -> Outcome:
    """Safe to repeat: it depends on the parts and the datasets alone."""
    tables, broken = _tables(claim.run)
    more, shown = [], {}
    for batch in Batch.objects.filter(owner=claim.run.owner).select_related("dataset"):
        pulse.check()
        name = batch.dataset.source_name
        if name in broken:
            _leave_out(claim, batch)
            continue
        _refuse_to_empty(batch)
        agreed = consolidation.agree_on_blueprint(batch, declared=tables[name].types if name in tables else {})
        lifecycle.complete(batch.pk, actor=claim.actor)
        changes = shown[batch.dataset.name] = [change.to_json() for change in agreed.changes]
        count = len(batch.agreed.columns)
        tell_columns(claim.log, batch.dataset.name, columns=count, parts=agreed.part_count, changes=changes)
        if agreed.to_merge:
            more.append(planning.consolidation_task(batch.dataset.name, batch.pk))
        more.append(planning.ingestion_task(batch.dataset.name, batch.pk, target_label()))
    changed = sum(1 for changes in shown.values() if changes)
    return Outcome(note=f"{len(shown)} tables, {changed} with changed columns", output={"changes": shown}, more=more)


def _tables(run: Run) -> tuple[dict[str, Table], set[str]]:
    """The run's tables by name, and the names of those whose extraction did not succeed."""
    source = open_revision(run.config)
    try:
        endpoints = source.discover()
    finally:
        source.close()
    failed = set(
        run.tasks.filter(kind=TaskKind.EXTRACTION, status=TaskStatus.FAILED).values_list("endpoint", flat=True)
    )
    tables = {table.name: table for endpoint in endpoints for table in endpoint.tables}
    broken = {table.name for endpoint in endpoints if endpoint.name in failed for table in endpoint.tables}
    return tables, broken


def _refuse_to_empty(batch: Batch) -> None:
    """A source whose every record is turned down has changed, or was never understood: that is no empty table."""
    if batch.mode != Mode.REPLACE or batch.parent or not batch.extracted_count:
        return
    if batch.rejected_count == batch.extracted_count:
        raise DataFault(
            f"None of the {batch.extracted_count:,} records of “{batch.dataset.name}” could be taken: the warnings "
            "of its extraction say why.",
            advice="Look at ten records of the source, and check `key` and `records` of the endpoint in the manifest.",
        )


def _leave_out(claim: Claim, batch: Batch) -> None:
    if batch.status == BatchStatus.LOADING:
        lifecycle.abort([batch.pk], actor=claim.actor, reason="its extraction failed")
    journal.say(
        claim.run,
        Level.WARNING,
        f"Table “{batch.dataset.name}” was left out, since its extraction failed; it stays as it was before this run.",
        code="left_out",
        task=claim.task,
        table=batch.dataset.name,
        advice="Look at the failed extraction task.",
    )
