"""Batches in the catalogue: found, shown, and the few things of them that can be changed here."""

from __future__ import annotations

from typing import Any, Final

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from ingestion.api import wire
from ingestion.api.base import bad_request
from ingestion.api.catalog import asked, batch_verbs, described, lists, preconditions
from ingestion.api.catalog.base import CatalogView
from ingestion.api.catalog.fields import BATCH
from ingestion.models import Batch

TIMES: Final = ("created", "createdAfter", "createdBefore")
VALUES_AT_MOST: Final = 1_000


class Batches(CatalogView):
    """All batches."""

    @extend_schema(operation_id="catalog_batches_list", parameters=described.BATCHES, responses={200: described.BY_ID})
    def get(self, request: Request) -> Response:
        """Batches by their id, the newest first. `{}` when there is none."""
        wanted = asked.read(lists.query_of(request))
        is_by_time = any(condition.name in TIMES for condition in wanted.conditions)
        newest_first = ("-created_at", "-pk") if is_by_time else ("-pk",)  # each by an index of its own
        keys = lists.numbers(self.batches, BATCH, wanted, usual=newest_first)
        rows = lists.in_order(wire.shown(self.batches), keys)
        return Response(lists.told(rows, wire.batch_json, wanted))

    @extend_schema(operation_id="catalog_batches_create", request=described.BODY, responses={201: described.REFERENCE})
    def post(self, request: Request) -> Response:
        """Create a batch. `status` is required and may be any: a batch without files cannot be active, so it is
        created as `loading`, and takes files through the import service."""
        made = batch_verbs.create(self.caller, self.document())
        return self.changed(made.public_id, is_new=True)


class OneBatch(CatalogView):
    """One batch."""

    @extend_schema(
        operation_id="catalog_batches_retrieve",
        parameters=[
            described.PROPERTIES,
            described.parameter("aggregate", "`true` tells more of the related objects."),
        ],
        responses={200: described.BY_ID},
    )
    def get(self, request: Request, batch_id: str) -> Response:
        """One batch, by its id."""
        batch = self.batch(batch_id)
        shown = wire.batch_json(batch)
        if request.query_params.get("aggregate", "").lower() == "true":
            shown["relatedObjects"] = self._aggregated(batch, shown["relatedObjects"])
        body = {batch.public_id: lists.cut(shown, asked.members(lists.query_of(request)))}
        return Response(body, headers={"ETag": preconditions.tag(batch)})

    def _aggregated(self, batch: Batch, related: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Related batches with their status, errors and metrics; the dataset with its name."""
        ids = [each["id"] for each in related if each["type"] == "batch"]
        others = {
            other.public_id: wire.batch_json(other) for other in wire.shown(self.batches.filter(public_id__in=ids))
        }
        told = {each: _summary(other) for each, other in others.items()}
        told[batch.dataset.public_id] = {"name": wire.dataset_name(batch.dataset)}
        return [each | told.get(each["id"], {}) for each in related]

    @extend_schema(
        operation_id="catalog_batches_create_with_id", request=described.BODY, responses={201: described.REFERENCE}
    )
    def post(self, request: Request, batch_id: str) -> Response:
        """Create a batch with an id of your own choice, which must be a ULID."""
        made = batch_verbs.create(self.caller, self.document(), public_id=batch_id)
        return self.changed(made.public_id, is_new=True)

    @extend_schema(
        operation_id="catalog_batches_replace",
        parameters=described.IF_MATCH,
        request=described.BODY,
        responses={200: described.REFERENCE},
    )
    def put(self, request: Request, batch_id: str) -> Response:
        """Replace a batch's tags. Other members must be as they are, or left out."""
        batch = self.batch(batch_id)
        preconditions.check(request, batch)
        document = self.document()
        batch_verbs.change(self.caller, batch, {**document, "tags": document.get("tags") or {}})
        return self.changed(batch.public_id)

    @extend_schema(
        operation_id="catalog_batches_change",
        parameters=described.IF_MATCH,
        request=described.PATCH,
        responses={200: described.REFERENCE},
    )
    def patch(self, request: Request, batch_id: str) -> Response:
        """Change a batch's tags, by a merge patch or by operations (JSON Patch). Its status is changed by the actions
        of the import service."""
        batch = self.batch(batch_id)
        preconditions.check(request, batch)
        batch_verbs.patch(self.caller, batch, self.anything())
        return self.changed(batch.public_id)

    @extend_schema(
        operation_id="catalog_batches_delete", request=None, responses={200: described.REFERENCE}, deprecated=True
    )
    def delete(self, request: Request, batch_id: str) -> Response:
        """Abort a batch that is loading, or revert one that is live. Use the actions of the import service instead."""
        batch = self.batch(batch_id)
        preconditions.check(request, batch)
        batch_verbs.delete(self.caller, batch)
        return self.changed(batch.public_id)


class UniqueValues(CatalogView):
    """The different values of one member."""

    @extend_schema(
        operation_id="catalog_batches_unique_values",
        parameters=described.BATCHES,
        responses={200: described.VALUES},
        deprecated=True,
    )
    def get(self, request: Request, field: str) -> Response:
        """The different values that batches have for one member; at most 1,000."""
        if field not in BATCH.fields:
            raise bad_request(f"There is no “{field[:80]}” to be listed. There are: {', '.join(BATCH.fields)}.")
        wanted = asked.read(lists.query_of(request))
        return Response(lists.unique(self.batches, BATCH, field, wanted, at_most=VALUES_AT_MOST))


def _summary(shown: dict[str, Any]) -> dict[str, Any]:
    return {name: shown[name] for name in ("status", "errors", "metrics") if name in shown}
