"""The files of a batch as they were uploaded: listed, described, and their bytes."""

from __future__ import annotations

import re
from typing import Any, Final

from django.db.models import F
from django.http import HttpResponse, HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from ingestion.api import wire
from ingestion.api.base import bad_request, missing
from ingestion.api.export import answers
from ingestion.api.export.base import ANSWERS, LISTING, PAGES, PATH, RANGE, ExportView
from ingestion.api.export.content import Content, stored
from ingestion.models import Batch, BatchFile
from ingestion.uploads.files import are_kept, kept_how_long

FILE_ID: Final = re.compile(r"([0-9A-Za-z]{1,26})-([0-9]{1,9})")
MEDIA: Final = {"json": "application/json", "parquet": "application/parquet", "csv": "text/csv"}


class FilesOfBatch(ExportView):
    """The files of a batch."""

    @extend_schema(operation_id="export_batch_files", parameters=PAGES, responses={200: LISTING})
    def get(self, request: Request, batch_id: str) -> Response:
        """The files of a batch that have arrived whole, as they were uploaded."""
        batch = self.batch(batch_id)
        start, limit = answers.page_of(request)
        rows = batch.files.filter(is_complete=True).order_by("ordinal")[start : start + limit + 1]
        entries = [self._entry(batch, file) for file in rows]
        return Response(answers.envelope(request, entries, start=start, limit=limit))

    def _entry(self, batch: Batch, file: BatchFile) -> dict[str, Any]:
        public_id = wire.file_id(batch.public_id, file.ordinal)
        href = self.request.build_absolute_uri(f"/data/foundation/export/files/{public_id}")
        return {
            "dataSetFileId": public_id,
            "dataSetViewId": batch.dataset.public_id,
            "version": wire.version(0),
            "created": str(wire.milliseconds(file.created_at)),
            "updated": str(wire.milliseconds(file.updated_at)),
            "size": str(file.size),
            **({"records": str(file.read_count)} if file.checked_at else {}),
            "isValid": file.problem is None,
            "_links": {"self": {"href": href}},
        }


class OneFile(ExportView):
    """One file of a batch."""

    @extend_schema(operation_id="export_file", parameters=[*PAGES, PATH, RANGE], responses=ANSWERS)
    def get(self, request: Request, file_id: str) -> Response | HttpResponseBase:
        """The name and the length of a file; with `path`, which is that name, its bytes or a range of them."""
        file = self._file(file_id)
        if "path" in request.query_params:
            return answers.download(request, _content(_named(file, request.query_params["path"])))
        start, limit = answers.page_of(request, named=True)
        entries = [answers.entry(request, file.path, file.size)]
        name = request.query_params.get("start", "")
        is_past = file.path < name if name and not name.isdigit() else start > 0
        return Response(answers.envelope(request, [] if is_past else entries, start=start, limit=limit))

    def head(self, request: Request, file_id: str) -> HttpResponse:
        """The length and the type of a file's bytes. `path` is required."""
        file = self._file(file_id)
        if "path" not in request.query_params:
            raise bad_request("path: it is required. It is the name of the file.")
        return answers.facts(_content(_named(file, request.query_params["path"])))

    def _file(self, file_id: str) -> BatchFile:
        found = FILE_ID.fullmatch(file_id)
        files = BatchFile.objects.filter(batch__in=self.batches, is_complete=True)
        named = files.annotate(input_format=F("batch__input_format"))
        file = named.filter(batch__public_id=found[1], ordinal=int(found[2])).first() if found else None
        if file is None:
            raise missing(f"There is no file {file_id[:64]!a} here.")
        return file


def _named(file: BatchFile, path: str) -> BatchFile:
    """The file, when it has this name, in full or without its folders. Raises Problem: 404."""
    if path not in (file.path, file.path.rpartition("/")[2]):
        raise missing(f"The file has not the name {path[:100]!a}: it is “{file.path}”.")
    return file


def _content(file: BatchFile) -> Content:
    """Raises Problem: 404 for bytes that are kept no more."""
    pieces = list(file.pieces.order_by("first"))
    if not are_kept(file, pieces):
        raise missing(f"The bytes of “{file.path}” are kept no more. {kept_how_long()}")
    media = MEDIA.get(getattr(file, "input_format", {}).get("format", ""), "application/octet-stream")
    return Content(
        name=file.path,
        segments=tuple(stored(piece.key, piece.last - piece.first + 1) for piece in pieces),
        media_type=media,
        tag=f'"{file.pk}-{pieces[-1].pk if pieces else 0}"',
    )
