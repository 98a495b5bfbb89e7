"""Ingestion: load one table's manifest into a temporary table of its own, and verify the count."""

from ingestion import loading
from runs.lifecycle.working import Claim, Outcome
from runs.pulse import Pulse
from runs.stages.table_consolidation import batch_of, prefix_of


def ingest_table(claim: Claim, pulse: Pulse) -> Outcome:
    batch = batch_of(claim)
    rows = loading.stage(
        batch,
        attempt=claim.token,
        manifest_prefix=prefix_of(claim, batch),
        actor=claim.actor,
        heartbeat=pulse.check,
    )
    return Outcome(note=f"{rows:,} rows in a temporary table", output={"rows": rows}, tables={batch.pk: rows})
