"""Uploaded files and views of datasets in the catalogue, as older clients ask for them."""

from __future__ import annotations

import re
from typing import Any, Final

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from ingestion.api import wire
from ingestion.api.base import missing
from ingestion.api.catalog import asked, described, lists
from ingestion.api.catalog.asked import Query
from ingestion.api.catalog.base import ROOT, CatalogView
from ingestion.api.catalog.fields import DATASET
from ingestion.models import BatchFile, Dataset

FILE_ID: Final = re.compile(r"([0-9A-Za-z]{1,26})-([0-9]{1,9})")
FILE_PAGES: Final = [
    *(each for each in described.PAGES if each.name in ("limit", "start")),
    described.PROPERTIES,
    described.parameter("dataSetId", "Only files of this dataset; several with commas."),
    described.parameter("batchId", "Only files of this batch; several with commas."),
]
RESOURCES: Final = ("batches", "dataSets", "dataSetFiles", "dataSetViews", "lastBatches")


class FileView(CatalogView):
    @property
    def files(self) -> QuerySet[BatchFile]:
        """Whole files: of one that is still arriving nothing is shown."""
        return BatchFile.objects.filter(batch__in=self.batches, is_complete=True).select_related("batch__dataset")

    def listed(self, query: Query, files: QuerySet[BatchFile]) -> Response:
        limit = asked.number(query, "limit", default=asked.USUAL, least=1, most=asked.MOST)
        start = asked.number(query, "start", default=0, least=0, most=asked.DEEPEST)
        rows = files.order_by("-batch_id", "ordinal")[start : start + limit]
        shown = [wire.file_json(file) for file in rows]
        return Response({each["id"]: lists.cut(each, asked.members(query)) for each in shown})


class DatasetFiles(FileView):
    """Uploaded files."""

    @extend_schema(operation_id="catalog_files_list", parameters=FILE_PAGES, responses={200: described.BY_ID})
    def get(self, request: Request) -> Response:
        """Uploaded files by their id, those of the newest batches first. The export service has their bytes."""
        query = lists.query_of(request)
        files = self.files
        for name, column in (("dataSetId", "batch__dataset__public_id"), ("batchId", "batch__public_id")):
            if given := [each for value in query.get(name, ()) for each in value.split(",")]:
                files = files.filter(**{f"{column}__in": [each for each in given if "\0" not in each]})
        return self.listed(query, files)


class OneDatasetFile(FileView):
    """One uploaded file."""

    @extend_schema(operation_id="catalog_files_retrieve", responses={200: described.BY_ID})
    def get(self, request: Request, file_id: str) -> Response:
        """One uploaded file, by its id."""
        found = FILE_ID.fullmatch(file_id)
        file = self.files.filter(batch__public_id=found[1], ordinal=int(found[2])).first() if found else None
        if file is None:
            raise missing(f"There is no file {file_id[:64]!a} here.")
        return Response({file_id: wire.file_json(file)})


class ViewView(CatalogView):
    about = "dataset"


class DatasetViews(ViewView):
    """Views: each dataset has one, its live table."""

    @extend_schema(operation_id="catalog_views_list", parameters=described.PAGES, responses={200: described.BY_ID})
    def get(self, request: Request) -> Response:
        """Views of datasets by their id, which is the dataset's."""
        wanted = asked.read(lists.query_of(request))
        keys = lists.numbers(self.datasets, DATASET, wanted)
        return Response(lists.told(lists.in_order(self.datasets, keys), wire.view_json, wanted))


class OneDatasetView(ViewView):
    """One view."""

    @extend_schema(operation_id="catalog_views_retrieve", responses={200: described.BY_ID})
    def get(self, request: Request, view_id: str) -> Response:
        """One view, by its id."""
        return Response({view_id: wire.view_json(self.dataset(view_id))})


class ViewsOfDataset(ViewView):
    """The views of one dataset: one."""

    @extend_schema(operation_id="catalog_dataset_views_list", responses={200: described.BY_ID})
    def get(self, request: Request, dataset_id: str) -> Response:
        """The one view of a dataset."""
        return Response({dataset_id: wire.view_json(self.dataset(dataset_id))})


class ViewOfDataset(ViewView):
    """One view of one dataset."""

    @extend_schema(operation_id="catalog_dataset_views_retrieve", responses={200: described.BY_ID})
    def get(self, request: Request, dataset_id: str, view_id: str) -> Response:
        """The one view of a dataset, by both ids."""
        return Response({view_id: wire.view_json(_same(self.dataset(dataset_id), view_id))})


class FilesOfView(FileView):
    """The files of a dataset."""

    @extend_schema(
        operation_id="catalog_dataset_view_files",
        parameters=FILE_PAGES[:3],
        responses={200: described.BY_ID},
    )
    def get(self, request: Request, dataset_id: str, view_id: str) -> Response:
        """Uploaded files of a dataset, those of the newest batches first."""
        dataset = _same(self.dataset(dataset_id), view_id)
        return self.listed(lists.query_of(request), self.files.filter(batch__dataset=dataset))


class Root(CatalogView):
    """What there is."""

    @extend_schema(operation_id="catalog_resources", responses={200: {"type": "object"}}, deprecated=True)
    def get(self, request: Request) -> Response:
        """The resources of the catalogue, with their addresses."""
        links: dict[str, Any] = {name: {"_links": {"self": {"href": self.at(name)}}} for name in RESOURCES}
        return Response(links)

    def at(self, name: str) -> str:
        return str(self.request.build_absolute_uri(f"{ROOT}/{name}"))


def _same(dataset: Dataset, view_id: str) -> Dataset:
    if dataset.public_id != view_id:
        raise missing(f"The dataset {dataset.public_id} has no view {view_id[:64]!a}.")
    return dataset
