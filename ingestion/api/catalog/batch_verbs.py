"""What a client may do with a batch through the catalogue: create it, tag it, take it away. Everything else of a batch
follows from its files and from the actions of the import service."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from django.db.models import F
from django.db.models.functions import Now

from ingestion.access.caller import Caller
from ingestion.api import wire
from ingestion.api.base import bad_request
from ingestion.api.catalog import patches
from ingestion.api.catalog.documents import read_tags
from ingestion.errors import WrongState
from ingestion.models import Batch
from ingestion.promotion.reverting import TAKEN_BACK, revert
from ingestion.refusals import Refused, Why
from ingestion.states import BatchStatus
from ingestion.uploads.completing import abort
from ingestion.uploads.creating import create as create_batch
from ingestion.uploads.creation import read_creation
from ingestion.uploads.finding import NOT_NOW, actor_of

ULID: Final = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
TOLD_TAGS: Final = frozenset({wire.SUCCESSOR_TAG, wire.DIAGNOSTICS_TAG, wire.PARTIAL_TAG})
CHANGEABLE: Final = ("tags",)


def create(caller: Caller, document: Mapping[str, Any], *, public_id: str = "") -> Batch:
    """A new batch, loading whatever status the document gives it. Raises Refused, Problem."""
    _check_status(document.get("status"))
    if public_id and not ULID.fullmatch(public_id):
        raise bad_request("The id must be a ULID: 26 digits and capital letters without I, L, O and U.")
    return create_batch(caller, read_creation({**document, "datasetId": _dataset_of(document)}), public_id=public_id)


def _check_status(word: Any) -> None:
    try:
        wire.statuses(word if isinstance(word, str) else "")
    except ValueError as error:
        raise bad_request("status: it is required, and must be a status of batches, such as “loading”.") from error


def _dataset_of(document: Mapping[str, Any]) -> Any:
    """`datasetId`, or the related object that is a dataset."""
    related = document.get("relatedObjects")
    if document.get("datasetId") is not None or not isinstance(related, list):
        return document.get("datasetId")
    ids = (each.get("id") for each in related if isinstance(each, dict) and each.get("type") == "dataSet")
    return next(ids, None)


def patch(caller: Caller, batch: Batch, patched: Any) -> None:
    """Apply a patch to a batch as it is shown. Raises Refused, Problem."""
    change(caller, batch, patches.applied(patched, {"tags": {}, **wire.batch_json(batch)}))


def change(caller: Caller, batch: Batch, document: Mapping[str, Any]) -> None:
    """Give a batch the tags of the document, whose other members must be as they are shown. Raises Refused, Problem."""
    shown = wire.batch_json(batch)
    if other := sorted(name for name, value in document.items() if name not in CHANGEABLE and value != shown.get(name)):
        raise bad_request(
            f"{', '.join(other)[:200]}: only tags can be changed here. A batch's status is changed by the actions "
            "COMPLETE, ABORT, FAIL and REVERT of the import service."
        )
    if not batch.self_promoting:
        raise Refused(Why.CONFLICT, "This batch belongs to an API run, and cannot be changed here.")
    tags = document.get("tags")
    if not isinstance(tags, dict):
        raise bad_request("tags: it must be an object {…}.")
    _tag(caller, batch, read_tags({name: values for name, values in tags.items() if name not in TOLD_TAGS}))


def _tag(caller: Caller, batch: Batch, tags: dict[str, list[str]]) -> None:
    changed = Batch.objects.filter(pk=batch.pk, version=batch.version).update(
        tags=tags, version=F("version") + 1, updated_at=Now(), updated_user=caller.user
    )
    if not changed:
        raise Refused(Why.CONFLICT, "The batch was changed by somebody else at the same time. Read it again.")


def delete(caller: Caller, batch: Batch) -> None:
    """Abort a batch that is loading, take back one that is live; one that is gone stays so. Raises Refused."""
    if batch.status != BatchStatus.SUCCESS and batch.status not in TAKEN_BACK:
        abort(caller, batch.public_id)
        return
    try:
        revert(batch, actor=actor_of(caller))
    except WrongState as error:
        raise Refused(Why.STATE, f"{error.message} {error.advice}", code=NOT_NOW) from error
