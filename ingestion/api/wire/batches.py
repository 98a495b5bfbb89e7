"""How batches and their files look to clients."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Count, Model, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from ingestion.api.wire.words import (
    DIAGNOSTICS_TAG,
    EPOCH,
    PARTIAL_TAG,
    SHOWN_LIVE,
    SUCCESSOR_TAG,
    milliseconds,
    present,
    version,
)
from ingestion.models import Batch, BatchFile, Part
from ingestion.states import BatchStatus

RELATED: Final = (
    "dataset__public_id",
    "dataset__retention_days",
    "dataset__title",
    "dataset__source_name",
    "dataset__name",
    "successor__public_id",
)
BATCH_BALLAST: Final = ("blueprint", "changes", "archive", "temporary")


def shown(batches: QuerySet[Batch]) -> QuerySet[Batch]:
    """These batches with everything that `batch_json` tells, in one query."""
    return (
        batches.select_related("dataset", "successor")
        .only(*_columns(Batch, *BATCH_BALLAST), *RELATED)
        .annotate(file_count=_count(BatchFile.objects), part_count=_count(Part.objects.filter(merged_into=None)))
    )


def _columns(model: type[Model], *without: str) -> list[str]:
    return [field.name for field in model._meta.concrete_fields if field.name not in without]


def _count(rows: Any) -> Coalesce:
    counted = rows.filter(batch=OuterRef("pk")).order_by().values("batch").annotate(n=Count("pk"))
    return Coalesce(Subquery(counted.values("n")), 0)


def batch_json(batch: Batch) -> dict[str, Any]:
    """A batch as clients see it. Members without a value are left out."""
    external = batch.external_id or batch.public_id
    return present(
        {
            "id": batch.public_id,
            "externalId": external,
            "imsOrg": batch.organisation,
            "sandboxId": batch.sandbox,
            "status": str(batch.status),
            "created": milliseconds(batch.created_at),
            "createdClient": batch.created_client or None,
            "createdUser": batch.created_user,
            "updated": milliseconds(batch.updated_at),
            "updatedUser": batch.updated_user or batch.created_user,
            "started": milliseconds(batch.started_at),
            "completed": milliseconds(batch.finished_at),
            "version": version(batch.version),
            "availableDates": available_dates(batch),
            "relatedObjects": related_objects(batch),
            "replay": batch.replay or None,
            "inputFormat": batch.input_format or None,
            "tags": batch_tags(batch),
            "errors": batch.errors,
            "metrics": metrics(batch),
            "recordCount": batch.extracted_count if _has_counts(batch) else None,
            "failedRecordCount": batch.rejected_count if _has_counts(batch) else None,
            "size": batch.input_size if batch.self_promoting else None,
            "failedBatchLocation": f"/data/foundation/export/batches/{batch.public_id}/failed"
            if batch.status == BatchStatus.FAILED
            else None,
        }
    )


def _has_counts(batch: Batch) -> bool:
    return batch.finished_at is not None and not batch.is_legacy


def available_dates(batch: Batch) -> dict[str, int] | None:
    """From when to when the data can be used; in seconds, unlike every other time."""
    if batch.status not in SHOWN_LIVE or batch.finished_at is None:
        return None
    days = batch.dataset.retention_days
    end = {} if days is None else {"endDate": _seconds(batch.finished_at + timedelta(days=days))}
    return {"startDate": _seconds(batch.finished_at), **end}


def _seconds(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(seconds=1)


def related_objects(batch: Batch) -> list[dict[str, Any]]:
    """The dataset first: clients take it from there."""
    predecessors = batch.replay.get("predecessors", ())
    return [
        {"type": "dataSet", "id": batch.dataset.public_id},
        *({"type": "batch", "id": each, "tag": "predecessor"} for each in predecessors),
    ]


def batch_tags(batch: Batch) -> dict[str, Any]:
    """The client's own, and those by which clients are told of settings and of the batch that took this one's place."""
    told: dict[str, Any] = {}
    if batch.diagnostics:
        told[DIAGNOSTICS_TAG] = True
    if batch.error_percent is not None:
        told[PARTIAL_TAG] = _number(batch.error_percent)
    if batch.successor is not None:
        told[SUCCESSOR_TAG] = [batch.successor.public_id]
    return {**batch.tags, **told}


def _number(value: float) -> int | float:
    return int(value) if value == int(value) else value


def metrics(batch: Batch) -> dict[str, int] | None:
    """Counts by both of their documented spellings. None unless promoted, and none for CSV, which is not counted."""
    if batch.status != BatchStatus.SUCCESS or batch.is_legacy:
        return None
    output = batch.staged_count if batch.loaded_count is None else batch.loaded_count
    parts = _counted(batch, "part_count", batch.parts.filter(merged_into=None))
    records = {
        "inputRecordCount": batch.extracted_count,
        "inputRecordSize": batch.extracted_count,
        "outputRecordCount": output,
        "outputRecordSize": output,
        "recordsSize": batch.extracted_count,
        "failedRecordCount": batch.rejected_count,
        "invalidRecordCount": batch.rejected_count,
        "partitionCount": parts,
        "outputFileCount": parts,
    }
    if not batch.self_promoting:  # a run's: nobody uploaded it
        return records
    files = _counted(batch, "file_count", batch.files)
    sizes = {"inputByteSize": batch.input_size, "inputFileCount": files, "outputByteSize": batch.output_size}
    return sizes | records


def _counted(batch: Batch, name: str, rows: Any) -> int:
    """From `shown`, or asked for now."""
    known = getattr(batch, name, None)
    return int(rows.count() if known is None else known)


def file_id(batch_id: str, ordinal: int) -> str:
    """The id of an uploaded file, as a dataSetFileId."""
    return f"{batch_id}-{ordinal}"


def file_json(file: BatchFile) -> dict[str, Any]:
    """An uploaded file as a dataSetFile of the catalogue."""
    batch = file.batch
    return {
        "id": file_id(batch.public_id, file.ordinal),
        "name": file.path,
        "batchId": batch.public_id,
        "dataSetId": batch.dataset.public_id,
        "dataSetViewId": batch.dataset.public_id,
        "imsOrg": batch.organisation,
        "sandboxId": batch.sandbox,
        "created": milliseconds(file.created_at),
        "updated": milliseconds(file.updated_at),
        "createdClient": batch.created_client,
        "createdUser": batch.created_user,
        "version": version(0),
        "isValid": file.problem is None,
        "sizeInBytes": file.size,
        **({"records": file.read_count} if file.checked_at else {}),
    }
