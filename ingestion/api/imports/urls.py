"""Addresses of the Import API, below /data/foundation/import/."""

from __future__ import annotations

from typing import Final

from django.urls import URLPattern

from ingestion.api.base import route
from ingestion.api.imports.batches import BatchActions, Batches
from ingestion.api.imports.files import BatchFileView
from ingestion.api.imports.previews import BatchPreview

FILE: Final = "files/<path:file_path>"

urlpatterns: list[URLPattern] = [
    route("batches", Batches.as_view(), name="import-batches"),
    route("batches/<str:batch_id>", BatchActions.as_view(), name="import-batch"),
    route(f"batches/<str:batch_id>/datasets/<str:dataset_id>/{FILE}", BatchFileView.as_view(), name="import-file"),
    route(f"batches/<str:batch_id>/dataSets/<str:dataset_id>/{FILE}", BatchFileView.as_view(schema=None)),
    route("batches/<str:batch_id>/datasets/<str:dataset_id>/preview", BatchPreview.as_view(), name="import-preview"),
    route("batches/<str:batch_id>/dataSets/<str:dataset_id>/preview", BatchPreview.as_view(schema=None)),
]
