"""A caller's batch by its public id; what is another tenant's is not there."""

from __future__ import annotations

import re
from typing import Final

from django.db.models import QuerySet

from ingestion.access.caller import Caller
from ingestion.models import Batch
from ingestion.refusals import Refused, Why, shown
from ingestion.states import BatchStatus

PUBLIC_ID: Final = re.compile(r"[0-9A-Za-z]{1,26}")
NOT_NOW: Final = "ERR-BI-104"  # the action is not valid in this state


def batches_of(caller: Caller) -> QuerySet[Batch]:
    return Batch.objects.of(caller.organisation, caller.sandbox)


def the_batch(batches: QuerySet[Batch], public_id: str, dataset_id: str | None = None) -> Batch:
    """The one with this id, with its dataset. Raises Refused: MISSING, also when it is for another dataset."""
    found = next(iter(batches.select_related("dataset").filter(public_id=named(public_id)).order_by()[:1]), None)
    return there(found, public_id, dataset_id)


def named(public_id: str) -> str:
    """The id, if it can be one; no batch has an empty one."""
    return public_id if PUBLIC_ID.fullmatch(public_id) else ""


def there(batch: Batch | None, public_id: str, dataset_id: str | None = None) -> Batch:
    """What was found under an id. Raises Refused: MISSING for nothing, and for what is for another dataset."""
    if batch is None:
        raise Refused(Why.MISSING, f"There is no batch {shown(public_id)} in this sandbox.")
    if dataset_id is not None and batch.dataset.public_id != dataset_id:
        raise Refused(Why.MISSING, f"The batch {public_id} is not for the dataset {shown(dataset_id)}.")
    return batch


def must_take_files(batch: Batch) -> None:
    """Raises Refused: CONFLICT, unless its client is still writing."""
    if not batch.self_promoting:
        raise Refused(Why.CONFLICT, "This batch belongs to an API run, which writes its files itself.")
    if batch.status != BatchStatus.LOADING:
        said = f"The batch {batch.public_id} is {batch.status}: it takes no more files. Send them in a new batch."
        raise Refused(Why.CONFLICT, said)


def not_now(batch: Batch, wanted: str) -> Refused:
    if not batch.self_promoting:
        said = f"This batch belongs to an API run, so it cannot be {wanted} here."
    else:
        said = f"The batch {batch.public_id} is {batch.status}, so it cannot be {wanted}."
    return Refused(Why.STATE, said, code=NOT_NOW)


def actor_of(caller: Caller) -> str:
    """Who stands in a batch's history."""
    return (caller.user or caller.client_id)[:150]
