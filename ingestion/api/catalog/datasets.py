"""Datasets in the catalogue: found, made, changed and taken out of it. Those that runs fill can only be read."""

from __future__ import annotations

from typing import Any, Final

from django.db.models import Exists, OuterRef
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from ingestion import cataloguing
from ingestion.api import wire
from ingestion.api.catalog import asked, described, documents, lists, patches, preconditions
from ingestion.api.catalog.base import CatalogView
from ingestion.api.catalog.fields import DATASET
from ingestion.models import Batch, Dataset
from ingestion.uploads.finding import actor_of

OBSERVABLE: Final = "observableSchema"
MOST_OBSERVABLE: Final = 20  # with it an answer grows large


class DatasetView(CatalogView):
    about = "dataset"
    kind = "dataSets"


class Datasets(DatasetView):
    """All datasets."""

    @extend_schema(
        operation_id="catalog_datasets_list", parameters=described.DATASETS, responses={200: described.BY_ID}
    )
    def get(self, request: Request) -> Response:
        """Datasets by their id, the newest first. Those that API runs fill are among them."""
        wanted = asked.read(lists.query_of(request))
        is_observable = OBSERVABLE in (wanted.members or ())
        keys = lists.numbers(self.datasets, DATASET, wanted)[: MOST_OBSERVABLE if is_observable else None]
        rows = lists.datasets_with_last(self.datasets, keys)
        return Response(lists.told(rows, lambda row: wire.dataset_json(row, observable=is_observable), wanted))

    @extend_schema(
        operation_id="catalog_datasets_create",
        parameters=[described.parameter("requestDataSource", "Taken and without effect.")],
        request=described.BODY,
        responses={201: described.REFERENCE},
    )
    def post(self, request: Request) -> Response:
        """Make a dataset: `name`, and optionally `description`, `schemaRef`, `fileDescription`, `tags`,
        `enableErrorDiagnostics`. Ours: `schema` (a JSON Schema that every record is checked against), `key` (the field
        paths that identify a record; also `x-headgate-key` in the schema) and `schemaPolicy` (evolve, freeze,
        discard_columns)."""
        document = self.document()
        caller = self.caller
        owner = cataloguing.Owner(
            organisation=caller.organisation, sandbox=caller.sandbox, client=caller.client_id, user=actor_of(caller)
        )
        made = cataloguing.create(documents.read(document), owner=owner, table=documents.table_of(document))
        return self.changed(made.public_id, is_new=True)


class OneDataset(DatasetView):
    """One dataset."""

    @extend_schema(
        operation_id="catalog_datasets_retrieve", parameters=[described.PROPERTIES], responses={200: described.BY_ID}
    )
    def get(self, request: Request, dataset_id: str) -> Response:
        """One dataset, by its id. `properties=observableSchema` tells the columns seen so far."""
        found = self.dataset(dataset_id)
        members = asked.members(lists.query_of(request))
        dataset = lists.datasets_with_last(self.datasets, [found.pk])[0]
        shown = wire.dataset_json(dataset, observable=OBSERVABLE in (members or ()))
        return Response({dataset.public_id: lists.cut(shown, members)}, headers={"ETag": preconditions.tag(dataset)})

    @extend_schema(
        operation_id="catalog_datasets_replace",
        parameters=described.IF_MATCH,
        request=described.BODY,
        responses={200: described.REFERENCE},
    )
    def put(self, request: Request, dataset_id: str) -> Response:
        """Describe a dataset anew: what is left out is as on creating. Members that only the service writes are
        passed over."""
        return self._change(request, self.dataset(dataset_id), self.document())

    @extend_schema(
        operation_id="catalog_datasets_change",
        parameters=described.IF_MATCH,
        request=described.PATCH,
        responses={200: described.REFERENCE},
    )
    def patch(self, request: Request, dataset_id: str) -> Response:
        """Change a dataset, by a merge patch or by operations (JSON Patch), whatever the content type says."""
        return self._patch(request, dataset_id)

    @extend_schema(
        operation_id="catalog_datasets_delete",
        parameters=described.IF_MATCH,
        request=None,
        responses={200: described.REFERENCE},
    )
    def delete(self, request: Request, dataset_id: str) -> Response:
        """Take a dataset out of the catalogue. Refused while batches of it are open. Its live table stays until the
        janitor drops it."""
        dataset = self.dataset(dataset_id)
        preconditions.check(request, dataset)
        cataloguing.remove(dataset, user=actor_of(self.caller))
        return self.changed(dataset.public_id)

    def _patch(self, request: Request, dataset_id: str, *, makes_parents: bool = False) -> Response:
        dataset = self.dataset(dataset_id)
        before = documents.present(dataset)
        after = patches.applied(self.anything(), before, makes_parents=makes_parents)
        documents.must_leave_alone(before, after)
        return self._change(request, dataset, after)

    def _change(self, request: Request, dataset: Dataset, document: dict[str, Any]) -> Response:
        preconditions.check(request, dataset)
        cataloguing.change(dataset, documents.read(document), user=actor_of(self.caller))
        return self.changed(dataset.public_id)


class OneDatasetDeeply(OneDataset):
    """One dataset, by the second version of the service, which only changes."""

    http_method_names = ["patch", "options"]

    @extend_schema(
        operation_id="catalog_v2_datasets_change",
        parameters=described.IF_MATCH,
        request=described.PATCH,
        responses={200: described.REFERENCE},
    )
    def patch(self, request: Request, dataset_id: str) -> Response:
        """As the first version, and an operation's missing parents are made."""
        return self._patch(request, dataset_id, makes_parents=True)


class LastBatches(CatalogView):
    """The newest batches of datasets."""

    @extend_schema(
        operation_id="catalog_last_batches",
        parameters=[
            *described.PAGES,
            described.parameter("dataSetId", "One id, or several with commas."),
            described.parameter("lastBatchStatus", "Only datasets whose newest batch has this status."),
        ],
        responses={200: described.BY_ID},
    )
    def get(self, request: Request) -> Response:
        """By dataset: its newest batch, its newest one that succeeded, its newest one that failed."""
        query = lists.query_of(request)
        wanted = asked.read(query, besides=("dataSetId", "lastBatchStatus"))
        rows = self.datasets.filter(Exists(Batch.objects.filter(dataset=OuterRef("pk"))))
        if ids := [each.strip() for value in query.get("dataSetId", ()) for each in value.split(",") if each.strip()]:
            rows = rows.filter(public_id__in=[each for each in ids if "\0" not in each])
        if words := query.get("lastBatchStatus"):
            rows = lists.whose_last_is(rows, words)
        keys = lists.numbers(rows, DATASET, wanted)
        newest = lists.newest_batches(keys)
        datasets = lists.in_order(self.datasets, [key for key in keys if newest.get(key)])
        return Response(lists.told(datasets, lambda row: wire.last_batch_json(newest[row.pk]), wanted))
