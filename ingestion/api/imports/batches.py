"""Batches of the Import API: create one, and say what becomes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from ingestion.access.caller import Caller
from ingestion.api.base import WireView, bad_request
from ingestion.api.imports.shapes import CreateSerializer, header, query
from ingestion.api.wire import batch_json, milliseconds, version
from ingestion.models import Batch
from ingestion.promotion.aborting import abort_stalled
from ingestion.promotion.reverting import revert
from ingestion.states import BatchStatus
from ingestion.uploads import completing
from ingestion.uploads.answering import Answer, once
from ingestion.uploads.creating import create
from ingestion.uploads.creation import read_creation
from ingestion.uploads.finding import actor_of, batches_of, the_batch

KEY_HEADER: Final = "Idempotency-Key"


@dataclass(frozen=True)
class Creating:
    """One create request on its way."""

    caller: Caller
    body: dict[str, Any]

    def answer(self) -> Answer:
        return Answer(201, batch_json(create(self.caller, read_creation(self.body))))


class Batches(WireView):
    """The collection takes new batches only; the catalog lists them."""

    @extend_schema(
        request=CreateSerializer,
        responses={201: OpenApiTypes.OBJECT},
        parameters=[header(KEY_HEADER, "The same key and body again get the first answer again.")],
        operation_id="import_batch_create",
    )
    def post(self, request: Request) -> Response:
        """Create a batch. The same externalId with the same meaning answers the same batch; with another, 409."""
        creating = Creating(self.caller, self.document())
        key = request.headers.get(KEY_HEADER)
        if key is None:
            answer = creating.answer()
        else:
            dataset_id = read_creation(creating.body).dataset_id
            answer = once(self.caller, dataset_id=dataset_id, key=key, document=creating.body, answer=creating.answer)
        return Response(answer.body, status=answer.status)

    @extend_schema(exclude=True)
    def patch(self, request: Request) -> Response:
        """As POST: one client sends its replays so."""
        return self.post(request)


class BatchActions(WireView):
    """One batch: what its client wants done with it."""

    @extend_schema(
        request=None,
        responses={200: OpenApiTypes.OBJECT},
        parameters=[query("action", "In any case.", required=True, values=["COMPLETE", "ABORT", "FAIL", "REVERT"])],
        operation_id="import_batch_action",
    )
    def post(self, request: Request, batch_id: str) -> Response:
        """COMPLETE has the batch promoted, ABORT and FAIL give it up while it is loading, REVERT takes a promoted one
        back. Each may be repeated. 428 with ERR-BI-104 where the batch's status does not allow it."""
        action = ACTIONS.get(request.query_params.get("action", "").upper())
        if action is None:
            raise bad_request(f"The query parameter “action” must be one of {', '.join(ACTIONS)}.")
        return Response(action(self.caller, batch_id))


def _complete(caller: Caller, batch_id: str) -> dict[str, Any]:
    batch, moved = completing.complete(caller, batch_id)
    shown = batch_json(batch)
    if not moved:
        return shown
    now = {"status": str(BatchStatus.LOADED), "updated": milliseconds(timezone.now())}
    return {**shown, **now, "version": version(batch.version + 1), "updatedUser": caller.user}


def _abort(caller: Caller, batch_id: str) -> dict[str, Any]:
    if caller.staff:
        batch = the_batch(batches_of(caller), batch_id)
        if batch.self_promoting and abort_stalled(batch, actor=actor_of(caller), reason="by support"):
            return _fresh(batch)
    return batch_json(completing.abort(caller, batch_id))


def _fail(caller: Caller, batch_id: str) -> dict[str, Any]:
    return batch_json(completing.fail(caller, batch_id))


def _revert(caller: Caller, batch_id: str) -> dict[str, Any]:
    batch = the_batch(batches_of(caller), batch_id)
    if revert(batch, actor=actor_of(caller)):
        Batch.objects.filter(pk=batch.pk).update(updated_user=caller.user)
    return _fresh(batch)


def _fresh(batch: Batch) -> dict[str, Any]:
    return batch_json(Batch.objects.select_related("dataset", "successor").get(pk=batch.pk))


ACTIONS: Final[dict[str, Callable[[Caller, str], dict[str, Any]]]] = {
    "COMPLETE": _complete,
    "ABORT": _abort,
    "FAIL": _fail,
    "REVERT": _revert,
}
