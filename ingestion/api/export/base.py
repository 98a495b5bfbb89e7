"""What the views of the export service have in common: they show records, which not everybody of the staff may see."""

from __future__ import annotations

from typing import Any, Final

from django.core.exceptions import PermissionDenied
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from ingestion.api.catalog.base import CatalogView
from ingestion.api.catalog.described import parameter

RAW_DATA: Final = "runs.view_raw_data"
PAGES: Final = [
    parameter("limit", "1 to 100; 100 where it is left out.", kind=OpenApiTypes.INT),
    parameter("start", "How many to step over.", kind=OpenApiTypes.INT),
]
PATH: Final = parameter("path", "The name of a file: its bytes are sent.")
RANGE: Final = OpenApiParameter(
    "Range", OpenApiTypes.STR, OpenApiParameter.HEADER, description="`bytes=0-99`, `bytes=100-`, `bytes=-100`."
)
_LINKS: Final[dict[str, Any]] = {"type": "object", "additionalProperties": {"type": "object"}}
LISTING: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "data": {"type": "array", "items": {"type": "object", "additionalProperties": True}},
        "_page": {"type": "object", "properties": {"limit": {"type": "integer"}, "count": {"type": "integer"}}},
        "_links": _LINKS,
    },
    "required": ["data"],
}
BYTES: Final = OpenApiTypes.BINARY
ANSWERS: Final[dict[Any, Any]] = {
    (200, "application/json"): LISTING,
    (200, "application/octet-stream"): BYTES,
    (206, "application/octet-stream"): BYTES,
}


class ExportView(CatalogView):
    """A person needs the right to see raw data besides the right to see batches; a program needs neither."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if self.caller.staff and not request.user.has_perm(RAW_DATA):
            raise PermissionDenied(f"Your account may not see records: it needs the permission {RAW_DATA}.")
