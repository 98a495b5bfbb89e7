"""The catalogue, below /data/foundation/catalog; and its older addresses, which the description leaves out."""

from __future__ import annotations

from django.urls import URLPattern

from ingestion.api.base import route
from ingestion.api.catalog.batches import Batches, OneBatch, UniqueValues
from ingestion.api.catalog.datasets import Datasets, LastBatches, OneDataset, OneDatasetDeeply
from ingestion.api.catalog.files import (
    DatasetFiles,
    DatasetViews,
    FilesOfView,
    OneDatasetFile,
    OneDatasetView,
    Root,
    ViewOfDataset,
    ViewsOfDataset,
)

urlpatterns: list[URLPattern] = [
    route("", Root.as_view()),
    route("batches", Batches.as_view()),
    route("batches/uniques/<str:field>", UniqueValues.as_view()),
    route("batches/<str:batch_id>", OneBatch.as_view()),
    route("lastBatches", LastBatches.as_view()),
    route("dataSets", Datasets.as_view()),
    route("dataSets/<str:dataset_id>", OneDataset.as_view()),
    route("v2/dataSets/<str:dataset_id>", OneDatasetDeeply.as_view()),
    route("dataSets/<str:dataset_id>/views", ViewsOfDataset.as_view()),
    route("dataSets/<str:dataset_id>/views/<str:view_id>", ViewOfDataset.as_view()),
    route("dataSets/<str:dataset_id>/views/<str:view_id>/files", FilesOfView.as_view()),
    route("dataSetFiles", DatasetFiles.as_view()),
    route("dataSetFiles/<str:file_id>", OneDatasetFile.as_view()),
    route("dataSetViews", DatasetViews.as_view()),
    route("dataSetViews/<str:view_id>", OneDatasetView.as_view()),
    # older addresses
    route("batch", Batches.as_view(schema=None)),
    route("batch/<str:batch_id>", OneBatch.as_view(schema=None)),
    route("dataSetView/<str:view_id>", OneDatasetView.as_view(schema=None)),
]
