"""Making a batch: once for each external id, however often it is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from ingestion import lifecycle
from ingestion.access.caller import Caller
from ingestion.models import Batch, Dataset, Origin, new_batch_id
from ingestion.refusals import Refused, Why
from ingestion.uploads.creation import Creation
from ingestion.uploads.finding import actor_of
from ingestion.uploads.replaying import must_be_replaceable, named_predecessors, replay_of
from ingestion.uploads.statements import dataset_of
from ingestion.warehouse.base import Mode

INCOMPATIBLE: Final = "ERR-BI-106"
UPSERT: Final = (("unifiedProfile", "isupsert:true"), ("unifiedIdentity", "enabled:true"))


def create(caller: Caller, creation: Creation) -> Batch:
    """The batch that is asked for: a new one, or the one that was made by the same request before.

    Raises Refused: MISSING for the dataset, CONFLICT when its external id is another batch's, INVALID otherwise.
    """
    dataset = _dataset(caller, creation.dataset_id)
    predecessors = named_predecessors(caller, creation)
    meant = _fields(creation, dataset, predecessors)
    if creation.external_id and (known := _known(caller, creation.external_id, meant)):
        return known
    must_be_replaceable(predecessors, dataset)
    try:
        return _make(caller, dataset, meant)
    except IntegrityError:
        # the same external id was taken beside us, between our look and our insert
        if creation.external_id and (known := _known(caller, creation.external_id, meant)):
            return known
        raise


def _dataset(caller: Caller, public_id: str) -> Dataset:
    dataset = dataset_of(caller, public_id)
    if dataset is None:
        raise Refused(Why.MISSING, f"There is no dataset {public_id[:64]} in this sandbox.")
    if dataset.origin != Origin.CLIENTS:
        raise Refused(
            Why.INVALID,
            f"The dataset {public_id} is filled by API runs. Batches can be sent to datasets made in the catalog only.",
        )
    if dataset.file_format == "json":
        raise Refused(
            Why.INVALID,
            f"The batch's format is not compatible with the dataset {public_id}, which is stored as JSON. "
            "Use a dataset whose fileDescription.format is parquet.",
            code=INCOMPATIBLE,
        )
    return dataset


def _fields(creation: Creation, dataset: Dataset, predecessors: Sequence[Batch]) -> dict[str, Any]:
    """What the client decides of the batch; two requests that agree in it mean the same."""
    diagnostics = dataset.error_diagnostics if creation.diagnostics is None else creation.diagnostics
    return {
        "dataset": dataset,
        "external_id": creation.external_id,
        "input_format": dict(creation.input_format),
        "diagnostics": diagnostics,
        "error_percent": creation.error_percent,
        "replay": replay_of(creation, predecessors),
        "tags": dict(creation.tags),
    }


def _known(caller: Caller, external_id: str, meant: dict[str, Any]) -> Batch | None:
    """The organisation's batch of this external id, if it is what is meant now."""
    batch = (
        Batch.objects.filter(organisation=caller.organisation, external_id=external_id)
        .select_related("dataset", "successor")
        .first()
    )
    if batch is None:
        return None
    if batch.sandbox != caller.sandbox:
        said = f"The externalId “{external_id[:100]}” is taken by a batch in another sandbox of this organisation."
        raise Refused(Why.CONFLICT, said)
    if differences := [name for name, value in meant.items() if getattr(batch, name) != value]:
        said = ", ".join(name.replace("_", " ") for name in differences)
        raise Refused(
            Why.CONFLICT,
            f"The externalId “{external_id[:100]}” belongs to the batch {batch.public_id}, which differs in: {said}.",
        )
    return batch


@transaction.atomic
def _make(caller: Caller, dataset: Dataset, meant: dict[str, Any]) -> Batch:
    public_id = new_batch_id()
    batch = Batch.objects.create(
        **meant,
        public_id=public_id,
        owner=f"batch/{public_id}",
        self_promoting=True,
        mode=Mode.MERGE if is_upsert(dataset) else Mode.APPEND,
        organisation=caller.organisation,
        sandbox=caller.sandbox,
        created_client=caller.client_id,
        created_user=caller.user,
        updated_user=caller.user,
        touched_at=Now(),
    )
    lifecycle.opened(batch, actor=actor_of(caller))
    return batch


def is_upsert(dataset: Dataset) -> bool:
    """Whether its batches change live records: its tags say so, and it has a key to find them by."""
    return bool(dataset.key) and all(mark in _marks(dataset.tags.get(tag)) for tag, mark in UPSERT)


def _marks(values: object) -> set[str]:
    """ "isUpsert: true" and "isUpsert:true" are the same."""
    listed: Iterable[object] = values if isinstance(values, list) else [values]
    return {"".join(str(value).split()).lower() for value in listed}
