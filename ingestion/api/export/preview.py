"""The first live rows of a dataset."""

from __future__ import annotations

from typing import Final

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from ingestion.api.export.base import LISTING, ExportView
from ingestion.rooms import warehouse

ROWS: Final = 100


class Preview(ExportView):
    """The first live rows of a dataset."""

    about = "dataset"

    @extend_schema(operation_id="export_dataset_preview", responses={200: LISTING})
    def get(self, request: Request, dataset_id: str) -> Response:
        """The first 100 live rows: numbers with decimals as exact text, times in ISO 8601. None before the first batch
        is live."""
        dataset = self.dataset(dataset_id)
        rows = [] if dataset.live_load is None else warehouse().rows(dataset.target(dataset.columns), limit=ROWS)
        return Response({"data": rows, "_page": {"limit": ROWS, "count": len(rows)}})
