"""The batches that a new one is to replace: named by the client, resolved to our ids, and fit to be replaced."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from django.db.models import Q

from ingestion.access.caller import Caller
from ingestion.models import Batch, Dataset
from ingestion.refusals import Refused, Why
from ingestion.states import BatchStatus
from ingestion.uploads.creation import Creation
from ingestion.uploads.finding import batches_of


def named_predecessors(caller: Caller, creation: Creation) -> list[Batch]:
    """The batches that a replay names, by id or external id. Raises Refused for one that is not there."""
    by_id, by_external = creation.predecessors, creation.predecessors_by_external_id
    if not by_id and not by_external:
        return []
    wanted = Q(public_id__in=[*by_id, *by_external]) | Q(external_id__in=by_external)
    found = list(batches_of(caller).filter(wanted).order_by("pk"))
    by_ids = {batch.public_id: batch for batch in found}
    meant = [by_ids.get(name) or _not_there(name) for name in by_id]
    meant += [_known_as(name, found) for name in by_external]
    return sorted(set(meant), key=lambda batch: batch.pk)


def _known_as(name: str, found: Sequence[Batch]) -> Batch:
    """The batch of an external id. One that was not given is the batch's own id."""
    known = [batch for batch in found if name in (batch.external_id, batch.public_id)]
    if len(known) > 1:
        said = f"The external id {name} is that of one batch and the id of another: name the one you mean by its id."
        raise Refused(Why.INVALID, said)
    return known[0] if known else _not_there(name)


def _not_there(name: str) -> NoReturn:
    raise Refused(Why.INVALID, f"The batch {name} that is to be replaced does not exist in this sandbox.")


def replay_of(creation: Creation, predecessors: Sequence[Batch]) -> dict[str, Any]:
    """What is kept on the batch and shown to clients; nothing where it replaces none."""
    if not predecessors:
        return {}
    told: dict[str, Any] = {"predecessors": [batch.public_id for batch in predecessors]}
    if creation.predecessors_by_external_id:
        told["predecessorsByExternalId"] = list(creation.predecessors_by_external_id)
    return {**told, **({"reason": creation.reason} if creation.reason else {})}


def must_be_replaceable(predecessors: Sequence[Batch], dataset: Dataset) -> None:
    """Raises Refused, naming the first that cannot be replaced and why."""
    for batch in predecessors:
        if reason := _why_not(batch, dataset):
            raise Refused(Why.INVALID, f"The batch {batch.public_id} cannot be replaced: {reason}.")


def _why_not(batch: Batch, dataset: Dataset) -> str:
    if batch.dataset_id != dataset.pk:
        return "it belongs to another dataset"
    if not batch.self_promoting:
        return "it belongs to an API run"
    if batch.successor_id is not None:
        return "another batch has replaced it already"
    if batch.status != BatchStatus.SUCCESS:
        return f"it is {batch.status}, and only a batch in success has data to replace"
    return ""
