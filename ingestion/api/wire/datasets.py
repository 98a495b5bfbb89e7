"""How datasets, their views and their newest batches look to clients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ingestion.api.wire.words import FORMAT_TAG, TABLE_TAG, milliseconds, present, version
from ingestion.blueprint.paths import split_path
from ingestion.models import Batch, Dataset, Origin

NEWEST: Final = "newest"
LAST: Final[Mapping[str, str]] = {NEWEST: "lastBatchId", "success": "lastSuccessfulBatch", "failed": "lastFailedBatch"}
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


def dataset_json(dataset: Dataset, *, observable: bool = False) -> dict[str, Any]:
    """A dataset as clients see it: what they set, then what is known of it. `name`, `tags` and `classification` are
    always there: clients rely on them. `observable` adds the fields seen so far, which may be many."""
    public_id = dataset.public_id
    view = f"@/dataSets/{public_id}/views/{public_id}"
    seen = {"observableSchema": observable_schema(dataset)} if observable else {}
    return {
        **dataset.wire,
        **present({"schema": dataset.schema}),
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
