"""Staged parts and uploaded files for people who may see somebody's values. Each download is written down."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseBase, HttpResponseRedirect, StreamingHttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_safe

from ingestion.admin import rights
from ingestion.errors import IngestionError
from ingestion.models import Batch, BatchFile, Part
from ingestion.rooms import store
from ingestion.staging.base import ObjectMissing

BLOCK: Final = 1 << 18
LINK_SECONDS: Final = 300


class Downloads:
    """Views that hang on the screen of batches."""

    def __init__(self, screen: Any) -> None:
        self.screen = screen

    def urls(self) -> list[URLPattern]:
        wrap = self.screen.admin_site.admin_view
        return [
            path("parts/<int:part_id>/download/", wrap(require_safe(self.part)), name="ingestion_batch_part"),
            path("files/<int:file_id>/download/", wrap(require_safe(self.file)), name="ingestion_batch_file"),
        ]

    def part(self, request: HttpRequest, part_id: int) -> HttpResponseBase:
        self._may(request)
        part = Part.objects.select_related("batch__dataset").filter(pk=part_id).first()
        if part is None:
            raise Http404("There is no such part.")
        name = f"{part.batch.dataset.name}-part-{part.number}.csv.gz"
        return self._answer(request, part.batch, [part.key], name=name, what=f"part {part.number}")

    def file(self, request: HttpRequest, file_id: int) -> HttpResponseBase:
        self._may(request)
        file = BatchFile.objects.select_related("batch").filter(pk=file_id).first()
        if file is None:
            raise Http404("There is no such file.")
        keys = list(file.pieces.order_by("first").values_list("key", flat=True))
        name = file.path.rpartition("/")[2]
        return self._answer(request, file.batch, keys, name=name, what=f"the file {file.path}"[:300])

    def _may(self, request: HttpRequest) -> None:
        if not self.screen.has_view_permission(request) or not request.user.has_perm(rights.RAW):
            raise PermissionDenied

    def _answer(
        self, request: HttpRequest, batch: Batch, keys: Sequence[str], *, name: str, what: str
    ) -> HttpResponseBase:
        try:
            answer = _link(keys, name) or _stream(keys, name)
        except ObjectMissing:
            messages.error(request, "It is not kept any more: files are deleted some days after their batch ended.")
        except IngestionError as error:
            messages.error(request, f"{error.message} {error.advice}".strip())
        else:
            if request.method == "GET":
                self.screen.log_change(request, batch, f"Downloaded {what}.")
            return answer
        return HttpResponseRedirect(reverse("admin:ingestion_batch_change", args=[batch.pk]))


def _link(keys: Sequence[str], name: str) -> HttpResponseBase | None:
    """An address of the store's own, where it has one and the bytes are one object."""
    address = store().presigned(keys[0], seconds=LINK_SECONDS, filename=name) if len(keys) == 1 else None
    return HttpResponseRedirect(address, headers={"Cache-Control": "no-store"}) if address else None


def _stream(keys: Sequence[str], name: str) -> HttpResponseBase:
    if not keys:
        raise ObjectMissing("There are no bytes of it.")
    store().open(keys[0]).close()  # what is missing is said before an answer begins
    headers = {
        "Content-Disposition": content_disposition_header(as_attachment=True, filename=name) or "attachment",
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    return StreamingHttpResponse(_blocks(keys), content_type="application/octet-stream", headers=headers)


def _blocks(keys: Sequence[str]) -> Iterator[bytes]:
    for key in keys:
        with store().open(key) as stream:
            while block := stream.read(BLOCK):
                yield block
