"""Ingestion: load one table's manifest into a temporary table of its own, and verify the count."""

from time import monotonic

from ingestion import loading
from runs.lifecycle.working import Claim, Outcome
from runs.pulse import Pulse
from runs.stages.table_consolidation import batch_of, prefix_of
from runs.stages.telling import tell_loaded


def ingest_table(claim: Claim, pulse: Pulse) -> Outcome:
    batch = batch_of(claim)
    name, staged = batch.dataset.name, batch.staged_count
    claim.log.info("load", f"Loading “{name}” into a temporary table of {loading.target_label()}: {staged:,} rows")
    began = monotonic()
    rows = loading.stage(
        batch,
        attempt=claim.token,
        manifest_prefix=prefix_of(claim, batch),
        actor=claim.actor,
        heartbeat=pulse.check,
    )
    tell_loaded(claim.log, batch, rows=rows, seconds=monotonic() - began)
    return Outcome(note=f"{rows:,} rows in a temporary table", output={"rows": rows}, tables={batch.pk: rows})
