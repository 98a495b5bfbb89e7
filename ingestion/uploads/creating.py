"""Making a batch: once for each external id, however often it is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from django.db import IntegrityError, transaction
from django.db.models import Q
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


def create(caller: Caller, creation: Creation, *, public_id: str = "") -> Batch:
    """The batch that is asked for: a new one, or the one that was made by the same request before. `public_id` where
    the client chooses it.

    Raises Refused: MISSING for the dataset, CONFLICT when one of its ids is another batch's, INVALID otherwise.
    """
    dataset = _dataset(caller, creation.dataset_id)
    predecessors = named_predecessors(caller, creation)
    meant = _fields(creation, dataset, predecessors)
    if known := _known(caller, meant, public_id):
        return known
    must_be_replaceable(predecessors, dataset)
    try:
        return _make(caller, dataset, meant, public_id or new_batch_id())
    except IntegrityError:
        # the same id was taken beside us, between our look and our insert
        if known := _known(caller, meant, public_id):
            return known
        if public_id and Batch.objects.filter(public_id=public_id).exists():
            raise _taken(public_id) from None
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


def _known(caller: Caller, meant: dict[str, Any], public_id: str) -> Batch | None:
    """The organisation's batch of this external id, if it is what is meant now. Raises Refused: CONFLICT."""
    ids = {each for each in (meant["external_id"], public_id) if each}
    if not ids:
        return None
    batches = Batch.objects.filter(organisation=caller.organisation).select_related("dataset", "successor")
    found = list(batches.filter(Q(external_id__in=ids) | Q(public_id__in=ids)).order_by("pk"))
    external_id = meant["external_id"] or ""
    if any(batch.public_id == external_id != batch.external_id for batch in found):
        said = f"The externalId “{external_id[:100]}” is the id of another batch. Choose another, or leave it out."
        raise Refused(Why.CONFLICT, said)
    batch = next((each for each in found if external_id and each.external_id == external_id), None)
    if batch is not None:
        _must_be_meant(batch, caller, meant, public_id)
    elif found:
        raise _taken(public_id)
    return batch


def _must_be_meant(batch: Batch, caller: Caller, meant: dict[str, Any], public_id: str) -> None:
    """Raises Refused: CONFLICT for a batch of the same external id that is another."""
    said = f"The externalId “{(batch.external_id or '')[:100]}”"
    if batch.sandbox != caller.sandbox:
        raise Refused(Why.CONFLICT, f"{said} is taken by a batch in another sandbox of this organisation.")
    differences = [name.replace("_", " ") for name, value in meant.items() if getattr(batch, name) != value]
    differences += ["id"] if public_id not in ("", batch.public_id) else []
    if differences:
        differs = f"which differs in: {', '.join(differences)}"
        raise Refused(Why.CONFLICT, f"{said} belongs to the batch {batch.public_id}, {differs}.")


def _taken(public_id: str) -> Refused:
    return Refused(Why.CONFLICT, f"The id {public_id} is taken. Choose another, or leave it to us.")


@transaction.atomic
def _make(caller: Caller, dataset: Dataset, meant: dict[str, Any], public_id: str) -> Batch:
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
