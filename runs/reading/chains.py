"""What became of each table's records in a run, step by step, beside the last good run of the same type."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ingestion.models import Batch
from runs.models import Run
from runs.reading.durations import last_good


@dataclass(frozen=True, kw_only=True)
class Chain:
    """One table. `before` is its batch in the last good run, where it was in that."""

    batch: Batch
    before: Batch | None

    @property
    def table(self) -> str:
        return str(self.batch.dataset)

    @property
    def rows(self) -> int:
        return brought(self.batch)

    @property
    def rows_before(self) -> int | None:
        return brought(self.before) if self.before else None

    @property
    def change(self) -> float | None:
        """In percent of the last good run; None where there is nothing to compare with."""
        return percent(self.rows_before, self.rows)

    @property
    def lost(self) -> int:
        """Records that neither were turned down nor replaced, and yet were not staged or loaded. Known once loaded."""
        batch = self.batch
        if batch.loaded_count is None:
            return 0
        staged = batch.extracted_count - batch.rejected_count - batch.superseded_count
        return abs(staged - batch.staged_count) + abs(batch.staged_count - batch.loaded_count)


@dataclass(frozen=True, kw_only=True)
class Chains:
    """All tables of a run, with the good run that they are compared with."""

    rows: Sequence[Chain]
    compared_with: Run | None


def brought(batch: Batch) -> int:
    """The records that a run brought into a table: loaded, or as far as it came."""
    if batch.loaded_count is not None:
        return batch.loaded_count
    return batch.staged_count or batch.extracted_count


def percent(before: int | None, after: int | None) -> float | None:
    if not before or after is None:
        return None
    return (after - before) / before * 100


def batches_of(run: Run) -> list[Batch]:
    """The run's tables by name, without what only workers read."""
    own = Batch.objects.filter(load=run.load_id, owner=run.owner).select_related("dataset")
    heavy = ("blueprint", "temporary", "replay", "errors", "dataset__blueprint", "dataset__schema", "dataset__wire")
    return list(own.defer(*heavy).order_by("dataset__namespace", "dataset__name"))


def chains_of(run: Run) -> Chains:
    """Three queries, however many tables there are."""
    good = last_good(run)
    before = {batch.dataset_id: batch for batch in batches_of(good)} if good else {}
    rows = [Chain(batch=batch, before=before.get(batch.dataset_id)) for batch in batches_of(run)]
    return Chains(rows=rows, compared_with=good)
