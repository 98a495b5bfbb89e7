"""Files of a batch over HTTP: in one request, or begun, sent in chunks and completed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from ingestion.api.base import Problem, WireView, bad_request
from ingestion.api.bodies import Body
from ingestion.api.imports.shapes import BYTES, FileSerializer, file_json, header, query
from ingestion.uploads import files, large
from ingestion.uploads.checksums import Checksums
from ingestion.uploads.files import FileFacts, Place
from ingestion.uploads.ranges import Span, read_content_range
from ingestion.uploads.spooling import stored

CHECKSUMS: Final = [
    header("Content-MD5", "Checked where given."),
    header("Content-Digest", "sha-256=:<base64>:, checked where given."),
    header("x-amz-checksum-sha256", "Checked where given."),
]


class BatchFileView(WireView):
    """One file of a batch, named by a path that may have folders."""

    @extend_schema(request=BYTES, responses={200: FileSerializer}, parameters=CHECKSUMS, operation_id="import_file_put")
    def put(self, request: Request, batch_id: str, dataset_id: str, file_path: str) -> Response:
        """Upload a file of at most 256 MB as it is. A second one of the same path takes the first one's place."""
        _must_be_bytes(request)
        _must_be_whole(request)
        checksums = Checksums(request.headers)
        place = files.place_for(self.caller, batch_id, dataset_id, file_path)
        body = Body(request._request, limit=settings.UPLOAD_FILE_BYTES, what="A file sent in one request")
        return Response(file_json(files.put(place, stored(place.batch, body, checksums))))

    @extend_schema(
        request=None,
        responses={200: FileSerializer, 201: FileSerializer},
        parameters=[query("action", "In any case.", required=True, values=["INITIALIZE", "COMPLETE"])],
        operation_id="import_large_file_action",
    )
    def post(self, request: Request, batch_id: str, dataset_id: str, file_path: str) -> Response:
        """INITIALIZE begins a large file (201), or begins it anew. COMPLETE ends it (200): 400 names the bytes that are
        missing or were sent twice."""
        action, status = ACTIONS.get(request.query_params.get("action", "").upper(), (None, 400))
        if action is None:
            raise bad_request(f"The query parameter “action” must be one of {', '.join(ACTIONS)}.")
        place = files.place_for(self.caller, batch_id, dataset_id, file_path)
        return Response(file_json(action(place)), status=status)

    @extend_schema(
        request=BYTES,
        responses={200: FileSerializer},
        parameters=[header("Content-Range", "bytes <first>-<last>[/<total>]", required=True), *CHECKSUMS],
        operation_id="import_large_file_chunk",
    )
    def patch(self, request: Request, batch_id: str, dataset_id: str, file_path: str) -> Response:
        """Send a chunk of at most 512,000,000 bytes of a large file, in any order. The same range again replaces it."""
        _must_be_bytes(request)
        chunk, checksums = read_content_range(request.headers.get("Content-Range")), Checksums(request.headers)
        body = Body(request._request, limit=settings.UPLOAD_CHUNK_BYTES, what="A chunk")
        place = large.place_of_chunk(self.caller, batch_id, dataset_id, file_path, chunk)
        file = large.put_chunk(place, chunk, stored(place.batch, body, checksums))
        return Response(file_json(file), headers={"Range": _range([chunk.span])})

    @extend_schema(responses={200: None}, operation_id="import_file_head")
    def head(self, request: Request, batch_id: str, dataset_id: str, file_path: str) -> Response:
        """What has arrived of a file, in the header Range: `bytes=0-99,200-299`. Without it, nothing has."""
        file, spans = large.arrived(self.caller, batch_id, dataset_id, file_path)
        return Response(file_json(file), headers={"Range": _range(spans)} if spans else None)


def _must_be_bytes(request: Request) -> None:
    if str(request.META.get("CONTENT_TYPE", "")).lower().startswith("multipart/"):
        raise Problem(415, "Send the file's bytes themselves as application/octet-stream, not a form (curl -F).")


def _must_be_whole(request: Request) -> None:
    """A part that was taken for the file would be replaced by the next part."""
    header = request.headers.get("Content-Range")
    if header is None:
        return
    told = read_content_range(header)
    if told.span.first or told.total != told.span.size:
        raise bad_request(
            f"PUT takes a whole file, and {told.span} is a part of one. Begin the file by POST with "
            "?action=INITIALIZE, send its chunks by PATCH, and end it by POST with ?action=COMPLETE."
        )


def _range(spans: list[Span]) -> str:
    return "bytes=" + ",".join(str(span) for span in spans)


ACTIONS: Final[dict[str, tuple[Callable[[Place], FileFacts], int]]] = {
    "INITIALIZE": (large.initialize, 201),
    "COMPLETE": (large.complete_file, 200),
}
