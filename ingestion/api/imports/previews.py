"""The first rows of what was uploaded so far. Nothing has to be given: the batch's format is the usual one."""

from __future__ import annotations

from typing import Any, Final

from django.http import QueryDict
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from ingestion.api.base import WireView, bad_request
from ingestion.api.imports.shapes import PreviewSerializer, query
from ingestion.checking.base import Preview
from ingestion.models import Batch
from ingestion.uploads.creation import FORMATS, csv_charset, csv_mark, truth
from ingestion.uploads.previewing import batch_to_preview, preview

USUAL_ROWS: Final = 5
MOST_ROWS: Final = 100
USUAL_CSV: Final = {"delimiter": ",", "quote": '"', "escape": '"', "charset": "UTF-8", "header": True}
PARAMETERS: Final = [
    query("format", "json, parquet or csv; the batch's own where it is left out."),
    query("isMultiLineJson", "true or false."),
    *(query(name, "For CSV.") for name in USUAL_CSV),
    query("nrow", f"How many rows, at most {MOST_ROWS}; {USUAL_ROWS} where it is left out."),
]


class BatchPreview(WireView):
    """The first rows of a batch's first file."""

    @extend_schema(responses={200: PreviewSerializer}, parameters=PARAMETERS, operation_id="import_batch_preview")
    def get(self, request: Request, batch_id: str, dataset_id: str) -> Response:
        """The first rows, as text, of what was uploaded so far."""
        batch = batch_to_preview(self.caller, batch_id, dataset_id)
        told = _format(batch, request.query_params)
        found = preview(batch, told, rows=_rows(request.query_params))
        return Response({"formatParams": _shown(told), "preview": _table(found)})


def _format(batch: Batch, asked: QueryDict) -> dict[str, Any]:
    """What is asked for, else what the batch was created with, else what is usual."""
    given = {**batch.input_format, **{name: value for name, value in asked.items() if value and name in _KNOWN}}
    format_ = str(given.get("format", "")).lower()
    if format_ not in FORMATS:
        raise bad_request(f"“format” must be one of {', '.join(FORMATS)}.")
    marks = {name: csv_mark(given[name], name) for name in ("delimiter", "quote", "escape") if name in given}
    flags = {name: truth(given[name], name) for name in ("header", "isMultiLineJson") if name in given}
    charset = csv_charset(given.get("charset", USUAL_CSV["charset"]), "charset")
    marker = {"nullMarker": given["nullMarker"]} if "nullMarker" in given else {}
    return {**USUAL_CSV, **marks, **flags, **marker, "charset": charset, "format": format_}


_KNOWN: Final = frozenset({"format", "isMultiLineJson", *USUAL_CSV})


def _rows(asked: QueryDict) -> int:
    text = asked.get("nrow") or str(USUAL_ROWS)
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise bad_request(f"“nrow” must be a number from 0 to {MOST_ROWS}.")
    return min(int(text), MOST_ROWS)


def _shown(told: dict[str, Any]) -> dict[str, Any]:
    return {**told, "header": str(told["header"]).lower()}


def _table(found: Preview) -> dict[str, Any]:
    columns = [{"cid": f"c{number}", "name": name} for number, name in enumerate(found.columns)]
    rows = [{column["cid"]: value for column, value in zip(columns, row, strict=True)} for row in found.rows]
    return {"columns": columns, "rows": rows}
