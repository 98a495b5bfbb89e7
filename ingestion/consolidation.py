"""Agreeing on a blueprint for a batch, and making its parts one unified structure.

Staged text keeps the source's spelling and types live in the blueprint alone, so a wider type rewrites nothing, and
a part with fewer columns or another order is loaded with its own column list. What is rewritten are small parts.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db import transaction

from ingestion.blueprint.columns import Blueprint, Change
from ingestion.blueprint.merge import agree, relabel
from ingestion.errors import DataFault, SchemaFault
from ingestion.formats import merge_parts
from ingestion.models import Batch, Part
from ingestion.rooms import store

SMALL = 16  # a part below a sixteenth of the target size is worth merging


@dataclass(frozen=True, kw_only=True)
class Agreed:
    """The outcome of metadata consolidation for one table."""

    changes: tuple[Change, ...]
    part_count: int
    to_merge: int  # parts that table consolidation would rewrite


def agree_on_blueprint(batch: Batch, *, declared: Mapping[str, str]) -> Agreed:
    """Join the observed columns of all parts with the dataset's blueprint and keep the result on the batch.

    Safe to repeat: the result depends on the parts and the dataset alone. Raises SchemaFault.
    """
    parts = list(batch.parts.filter(merged_into=None))
    agreement = agree(
        batch.dataset.columns,
        [(part.label, part.layout) for part in parts],
        policy=batch.dataset.schema_policy,
        declared=declared,
    )
    if agreement.too_wide:
        raise SchemaFault(
            f"The columns of {batch.dataset} are too many: {agreement.problems[0]}.",
            advice="Change the endpoint's `depth` in the manifest, or set the source's schema policy to leave new "
            "columns out; then retry.",
        )
    if agreement.problems:
        raise SchemaFault(
            f"The columns of {batch.dataset} changed, and its schema policy does not allow it: "
            + "; ".join(agreement.problems[:5])
            + ".",
            advice="Look at the change; then set the source's schema policy to take changes in, and retry.",
        )
    batch.blueprint = agreement.blueprint.to_json()
    batch.changes = [change.to_json() for change in agreement.changes]
    batch.save(update_fields=["blueprint", "changes"])
    to_merge = len(_to_rewrite(parts, agreement.blueprint))
    return Agreed(changes=tuple(agreement.changes), part_count=len(parts), to_merge=to_merge)


def _to_rewrite(parts: list[Part], blueprint: Blueprint) -> list[Part]:
    """Small parts, where there are several, and parts with a column that the schema policy leaves out."""
    kept = set(blueprint.by_source())
    foreign = [part for part in parts if any(column.source not in kept for column in part.layout)]
    small = [part for part in parts if part.size < settings.PART_TARGET_BYTES // SMALL]
    chosen = {part.pk for part in foreign} | ({part.pk for part in small} if len(small) > 1 else set())
    return [part for part in parts if part.pk in chosen]


def consolidate(batch: Batch, *, label: str, attempt: int, first_number: int, prefix: str) -> int:
    """Merge the batch's small parts into parts of a good size; answers how many were merged.

    Safe to repeat: new objects under new keys, and rows that change hands in one transaction.
    """
    small = _to_rewrite(list(batch.parts.filter(merged_into=None)), batch.agreed)
    if not small:
        return 0
    folder = settings.SCRATCH_DIR / f"{label.replace('/', '-')}-{attempt}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        _merge(batch, small, folder, label=label, first_number=first_number, prefix=f"{prefix}/{attempt}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return len(small)


def _merge(batch: Batch, small: list[Part], folder: Path, *, label: str, first_number: int, prefix: str) -> None:
    agreed = batch.agreed
    fetched = [
        (store().fetch(part.key, folder / f"in-{part.number}.csv.gz"), [c.name for c in relabel(part.layout, agreed)])
        for part in small
    ]
    wanted = {name for _, names in fetched for name in names}
    columns = [column for column in agreed.columns if column.name in wanted]
    merged = merge_parts(fetched, columns=columns, folder=folder, target_bytes=settings.PART_TARGET_BYTES)
    before, after = sum(part.row_count for part in small), sum(part.rows for part in merged)
    if before != after:
        raise DataFault(
            f"Merging the staged files of {batch.dataset} gave {after:,} rows instead of {before:,}.",
            advice="Retry the run; if it happens again, send support the run id.",
        )
    fresh = []
    for offset, part in enumerate(merged):
        number = first_number + offset
        key = f"{prefix}/part-{number}.csv.gz"
        store().put(key, part.path, sha256=part.sha256)
        fresh.append(
            Part(
                batch=batch,
                label=label,
                number=number,
                key=key,
                columns=[column.to_json() for column in columns],
                row_count=part.rows,
                size=part.size,
                sha256=part.sha256,
            )
        )
    with transaction.atomic():
        Part.objects.filter(batch=batch, number__in=[part.number for part in fresh]).delete()
        Part.objects.bulk_create(fresh)
        Part.objects.filter(pk__in=[part.pk for part in small]).update(merged_into=fresh[0])
