"""How batches and datasets look to clients of the batch API: its names, its times in milliseconds, its envelopes.

These names stand here and nowhere else, so that our own words stay clean inside.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.db.models import Count, Model, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from ingestion.blueprint.paths import split_path
from ingestion.models import Batch, BatchFile, Dataset, Origin, Part
from ingestion.states import BatchStatus

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND: Final = timedelta(milliseconds=1)
LAST_MOMENT: Final = 253_402_300_799_999  # the end of the year 9999
SERIES: Final = (1, 0)  # versions are 1.0.n, and n rises with each change
ALIASES: Final[Mapping[str, BatchStatus]] = {"active": BatchStatus.SUCCESS, "failure": BatchStatus.FAILED}
FOREIGN_STATUSES: Final = ("queued", "processing", "staged")  # of other producers: asked for, never met here
SHOWN_LIVE: Final = (BatchStatus.SUCCESS, BatchStatus.INACTIVE, BatchStatus.RETAINED, BatchStatus.ARCHIVED)
TABLE_TAG: Final = "adobe/pqs/table"
FORMAT_TAG: Final = "adobe/siphon/table/format"
COMPUTED_TAGS: Final = frozenset({TABLE_TAG, FORMAT_TAG})
SUCCESSOR_TAG: Final = "acp_successor"
DIAGNOSTICS_TAG: Final = "acp_enableErrorDiagnostics"
PARTIAL_TAG: Final = "acp_partialIngestionPercent"


def milliseconds(moment: datetime | None) -> int | None:
    return None if moment is None else (moment - EPOCH) // MILLISECOND


def moment(milliseconds: int) -> datetime:
    """Raises ValueError for what is no time: before 1970 or after 9999."""
    if not 0 <= milliseconds <= LAST_MOMENT:
        raise ValueError(f"{str(milliseconds)[:40]} is no time in milliseconds since 1970.")
    return EPOCH + milliseconds * MILLISECOND


def version(number: int) -> str:
    return f"{SERIES[0]}.{SERIES[1]}.{number}"


def statuses(word: str) -> list[BatchStatus]:
    """The stored status that a client's word stands for; none for words of other producers. Raises ValueError."""
    lower = word.lower()
    if lower in FOREIGN_STATUSES:
        return []
    return [ALIASES.get(lower) or BatchStatus(lower)]


def reference(kind: str, public_id: str) -> list[str]:
    """What a writing call answers: `["@/batches/<id>"]`."""
    return [f"@/{kind}/{public_id}"]


def shown(batches: QuerySet[Batch]) -> QuerySet[Batch]:
    """These batches with everything that `batch_json` tells, in one query."""
    return (
        batches.select_related("dataset", "successor")
        .only(*_columns(Batch, *BATCH_BALLAST), *RELATED)
        .annotate(file_count=_count(BatchFile.objects), part_count=_count(Part.objects.filter(merged_into=None)))
    )


RELATED: Final = (
    "dataset__public_id",
    "dataset__retention_days",
    "dataset__title",
    "dataset__source_name",
    "dataset__name",
    "successor__public_id",
)
BATCH_BALLAST: Final = ("blueprint", "changes", "archive", "temporary")


def _columns(model: type[Model], *without: str) -> list[str]:
    return [field.name for field in model._meta.concrete_fields if field.name not in without]


def _count(rows: Any) -> Coalesce:
    counted = rows.filter(batch=OuterRef("pk")).order_by().values("batch").annotate(n=Count("pk"))
    return Coalesce(Subquery(counted.values("n")), 0)


def batch_json(batch: Batch) -> dict[str, Any]:
    """A batch as clients see it. Members without a value are left out."""
    external = batch.external_id or batch.public_id
    return _present(
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


def _present(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


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


def dataset_json(dataset: Dataset, *, observable: bool = False) -> dict[str, Any]:
    """A dataset as clients see it: what they set, then what is known of it. `name`, `tags` and `classification` are
    always there: clients rely on them. `observable` adds the fields seen so far, which may be many."""
    public_id = dataset.public_id
    view = f"@/dataSets/{public_id}/views/{public_id}"
    seen = {"observableSchema": observable_schema(dataset)} if observable else {}
    return {
        **dataset.wire,
        **_present({"schema": dataset.schema}),
        "id": public_id,
        "name": dataset_name(dataset),
        "description": dataset.description,
        "imsOrg": dataset.organisation,
        "sandboxId": dataset.sandbox,
        "created": milliseconds(dataset.created_at),
        "createdClient": dataset.created_client,
        "createdUser": dataset.created_user,
        "updated": milliseconds(dataset.updated_at),
        "updatedUser": dataset.updated_user or dataset.created_user,
        "version": version(dataset.version),
        "state": "ENABLED",
        "tags": dataset_tags(dataset),
        "classification": classification(dataset),
        "fileDescription": file_description(dataset),
        "enableErrorDiagnostics": dataset.error_diagnostics,
        "extensions": extensions(dataset),
        "viewId": public_id,
        "basePath": f"{dataset.namespace}.{dataset.name}",
        "files": f"{view}/files",
        "statsCache": {},
        "dule": {},
        "key": list(dataset.key),
        "schemaPolicy": dataset.schema_policy,
        **seen,
        **last_batches(getattr(dataset, "last", {})),
    }


def dataset_name(dataset: Dataset) -> str:
    return dataset.title or dataset.source_name or dataset.name


def dataset_tags(dataset: Dataset) -> dict[str, list[str]]:
    return {**dataset.tags, TABLE_TAG: [dataset.name], FORMAT_TAG: [dataset.file_format]}


def classification(dataset: Dataset) -> dict[str, str]:
    behaviour = dict(dataset.wire.get("classification") or {}).get("dataBehavior")
    managed = "CUSTOMER" if dataset.origin == Origin.CLIENTS else "SYSTEM"
    return {"dataBehavior": str(behaviour or "adhoc"), "managedBy": managed}


def file_description(dataset: Dataset) -> dict[str, Any]:
    usual = {"persisted": True, "containerFormat": dataset.file_format}
    return {**usual, **(dataset.wire.get("fileDescription") or {}), "format": dataset.file_format}


def extensions(dataset: Dataset) -> dict[str, Any]:
    given: dict[str, Any] = dict(dataset.wire.get("extensions") or {})
    house: dict[str, Any] = dict(given.get("adobe_lakeHouse") or {})
    if dataset.live_rows is not None:
        house["metrics"] = {"rowCount": dataset.live_rows}
    if dataset.retention_days is not None:
        house["rowExpiration"] = {"ttlValue": f"P{dataset.retention_days}D"}
    else:
        house.pop("rowExpiration", None)
    return {**given, "adobe_lakeHouse": house} if house else given


SEEN_TYPES: Final[Mapping[str, Mapping[str, str]]] = {
    "boolean": {"type": "boolean", "meta:xdmType": "boolean"},
    "integer": {"type": "integer", "meta:xdmType": "long"},
    "numeric": {"type": "number", "meta:xdmType": "double"},
    "double": {"type": "number", "meta:xdmType": "double"},
    "date": {"type": "string", "format": "date", "meta:xdmType": "date"},
    "timestamp": {"type": "string", "format": "date-time", "meta:xdmType": "date-time"},
    "json": {"meta:xdmType": "object"},
    "text": {"type": "string", "meta:xdmType": "string"},
}


def observable_schema(dataset: Dataset) -> dict[str, Any]:
    """The fields seen so far, as a JSON Schema."""
    root = _object_schema()
    for column in dataset.columns.columns:
        *parents, name = split_path(column.source)
        place = root
        for parent in parents:
            place = place["properties"].setdefault(parent, _object_schema())
            place.setdefault("properties", {})  # a field that was seen as a value, too
        place["properties"].setdefault(name, dict(SEEN_TYPES.get(column.type.kind, {})))
    return root


def _object_schema() -> dict[str, Any]:
    return {"type": "object", "meta:xdmType": "object", "properties": {}}


NEWEST: Final = "newest"
LAST: Final[Mapping[str, str]] = {NEWEST: "lastBatchId", "success": "lastSuccessfulBatch", "failed": "lastFailedBatch"}


def last_batches(last: Mapping[str, Batch]) -> dict[str, str]:
    """The newest batches of a dataset, by what they are the newest of, as members of the dataset."""
    told = {LAST[which]: batch.public_id for which, batch in last.items()}
    return told | ({"lastBatchStatus": str(last[NEWEST].status)} if NEWEST in last else {})


def last_batch_json(last: Mapping[str, Batch]) -> dict[str, Any]:
    """The newest batches of a dataset, as /lastBatches tells them. `last` holds the newest of all at least."""
    newest = last[NEWEST]
    ids = {"success": "lastSuccessfulBatchId", "failed": "lastFailedBatchId"}
    return {
        "lastBatchId": newest.public_id,
        "lastBatchStatus": str(newest.status),
        **{name: last[which].public_id for which, name in ids.items() if which in last},
        "imsOrg": newest.organisation,
        "sandboxId": newest.sandbox,
        "created": milliseconds(newest.created_at),
        "updated": milliseconds(newest.updated_at),
    }


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


def view_json(dataset: Dataset) -> dict[str, Any]:
    """The one view of a dataset: its live table. It has the dataset's own id."""
    return {
        "id": dataset.public_id,
        "name": dataset_name(dataset),
        "dataSetId": dataset.public_id,
        "imsOrg": dataset.organisation,
        "sandboxId": dataset.sandbox,
        "created": milliseconds(dataset.created_at),
        "updated": milliseconds(dataset.updated_at),
        "version": version(dataset.version),
        "status": "enabled",
        "isDeltaView": False,
        "table": f"{dataset.namespace}.{dataset.name}",
        "columns": [{"name": column.name, "type": column.type.label} for column in dataset.columns.columns],
        "files": f"@/dataSetFiles?dataSetId={dataset.public_id}",
    }
