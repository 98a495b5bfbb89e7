"""The export service, below /data/foundation/export."""

from __future__ import annotations

from django.urls import URLPattern

from ingestion.api.base import route
from ingestion.api.export.files import FilesOfBatch, OneFile
from ingestion.api.export.findings import Failed, Meta
from ingestion.api.export.preview import Preview

urlpatterns: list[URLPattern] = [
    route("batches/<str:batch_id>/files", FilesOfBatch.as_view()),
    route("batches/<str:batch_id>/failed", Failed.as_view()),
    route("batches/<str:batch_id>/meta", Meta.as_view()),
    route("files/<str:file_id>", OneFile.as_view()),
    route("datasets/<str:dataset_id>/preview", Preview.as_view()),
    route("dataSets/<str:dataset_id>/preview", Preview.as_view(schema=None)),
]
