"""The list of batches, and the addresses of the page of one. Rows are the machine's: nothing is edited here."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ingestion.admin import page, words
from ingestion.admin.chips import with_chips
from ingestion.admin.days import days
from ingestion.admin.downloads import Downloads
from ingestion.admin.filters import (
    CreatedFilter,
    DatasetFilter,
    FormatFilter,
    OriginFilter,
    SandboxFilter,
    StatusFilter,
    clients_exist,
)
from ingestion.admin.screens import ReadOnly
from ingestion.admin.searching import ID_LENGTH, by_id, search
from ingestion.admin.strip import counters
from ingestion.admin.verbs import VERBS
from ingestion.admin.words import NOTHING, client_name, number
from ingestion.models import Batch, BatchFile
from ingestion.states import BatchStatus as S

STOP_POLLING: Final = 286  # htmx's word for "this was the last one"
SHOWN: Final = (
    "public_id", "status", "self_promoting", "owner", "input_format", "extracted_count", "rejected_count",
    "loaded_count", "input_size", "output_size", "created_at", "completed_at", "finished_at", "created_client",
    "created_user", "organisation", "sandbox", "error_percent", "mode", "live_count",
    "dataset__title", "dataset__namespace", "dataset__name",
)  # fmt: skip


@admin.register(Batch)
class BatchAdmin(ReadOnly):
    """Columns and filters of the list; the page is built in `page`, what can be done in `verbs`."""

    list_display = (
        "state",
        "batch",
        "dataset_name",
        "format_word",
        "files_number",
        "read",
        "bad",
        "live",
        "size",
        "created",
        "took",
        "client",
    )
    list_display_links = None
    sortable_by = ("created",)
    ordering = ("-pk",)
    list_filter = (
        StatusFilter, OriginFilter, DatasetFilter, SandboxFilter, FormatFilter, CreatedFilter,
    )  # fmt: skip
    search_fields = ("public_id",)  # what is really searched is in `searching`
    search_help_text = "Batch id, external id, run/31548, or dataset"
    empty_words = "No batch yet. Everything that lands in a table lands as a batch."

    # The list

    def get_queryset(self, request: HttpRequest) -> QuerySet[Batch]:
        """With what the list shows, and nothing heavier."""
        files = BatchFile.objects.filter(batch=OuterRef("pk")).order_by().values("batch").annotate(n=Count("pk"))
        queryset: QuerySet[Batch] = super().get_queryset(request)
        return (
            queryset.select_related("dataset")
            .only(*SHOWN)
            .annotate(file_count=Coalesce(Subquery(files.values("n")), 0), client_name=client_name())
        )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Batch], search_term: str
    ) -> tuple[QuerySet[Batch], bool]:
        """In the list; the palette of all pages finds batches by their ids alone, since it shows all that is found."""
        if request.resolver_match and request.resolver_match.url_name == "search":
            return queryset.filter(pk__in=by_id(search_term)), False
        return search(queryset, search_term), False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        drawn: dict[str, Any] = {}
        if clients_exist(request):
            now, asked = timezone.now(), request.GET.dict()
            drawn = {"strip": counters(asked, now=now), "days": days(asked, now=now)}
        return with_chips(super().changelist_view(request, {**drawn, **(extra_context or {})}))

    @admin.display(description="Status")
    def state(self, batch: Batch) -> SafeString:
        warned = batch.status == S.SUCCESS and batch.rejected_count > 0
        more = format_html('<span class="hg-sub">{}</span>', "with bad rows") if warned else ""
        return format_html("{}{}", words.badge(batch.status), more)

    @admin.display(description="Batch")
    def batch(self, batch: Batch) -> SafeString:
        address = reverse("admin:ingestion_batch_change", args=[batch.pk])
        text = '<span class="hg-nowrap"><a class="hg-link" href="{}" title="{}">{}</a> {}</span>'
        copy = words.copy_button(batch.public_id, "batch id")
        return format_html(text, address, batch.public_id, words.short(batch.public_id), copy)

    @admin.display(description="Dataset")
    def dataset_name(self, batch: Batch) -> SafeString:
        return format_html(
            '<span>{}<span class="hg-sub">{}</span></span>', words.name_of(batch.dataset), words.where(batch)
        )

    @admin.display(description="Format")
    def format_word(self, batch: Batch) -> str:
        return batch.format or NOTHING

    @admin.display(description="Files")
    def files_number(self, batch: Any) -> str:
        return number(batch.file_count) if batch.self_promoting else NOTHING

    @admin.display(description="Rows read")
    def read(self, batch: Batch) -> str:
        return number(batch.extracted_count)

    @admin.display(description="Bad")
    def bad(self, batch: Batch) -> SafeString | str:
        if not batch.rejected_count:
            return "0"
        return format_html('<span class="hg-loud">{}</span>', number(batch.rejected_count))

    @admin.display(description="Live")
    def live(self, batch: Batch) -> str:
        return number(batch.loaded_count if batch.status == S.SUCCESS else 0)

    @admin.display(description="Size")
    def size(self, batch: Batch) -> str:
        return words.size(batch.input_size if batch.self_promoting else batch.output_size)

    @admin.display(description="Created", ordering="pk")
    def created(self, batch: Batch) -> SafeString | str:
        return words.moment(batch.created_at)

    @admin.display(description="Took")
    def took(self, batch: Batch) -> SafeString | str:
        return words.lasted(batch, now=timezone.now())

    @admin.display(description="Client")
    def client(self, batch: Any) -> SafeString | str:
        if not batch.self_promoting:
            return words.owner_link(batch)
        return batch.client_name or batch.created_client or NOTHING

    # The page

    def get_urls(self) -> list[URLPattern]:
        """The page's fragment and its verbs, before the addresses of every admin page."""
        wrap = self.admin_site.admin_view
        own = [
            path(f"<int:batch_id>/{verb.name}/", wrap(verb(self).view), name=f"ingestion_batch_{verb.name}")
            for verb in VERBS
        ]
        own.append(path("<int:batch_id>/live/", wrap(self.live_view), name="ingestion_batch_live"))
        urls: list[URLPattern] = super().get_urls()
        return own + Downloads(self).urls() + urls

    def batch_or_404(self, request: HttpRequest, batch_id: int | str) -> Batch:
        """The batch with its dataset, by our number or its public id. Raises PermissionDenied, Http404."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        asked = str(batch_id)
        found = Batch.objects.select_related("dataset", "successor", "load")
        batch = None
        if asked.isascii() and asked.isdecimal() and len(asked) < 19:
            batch = found.filter(pk=int(asked)).first()
        elif len(asked) == ID_LENGTH and asked.isascii() and asked.isalnum():
            batch = found.filter(public_id=asked.upper()).first()
        if batch is None:
            raise Http404(f"There is no batch {asked[:64]}.")
        return batch

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The page of one batch."""
        batch = self.batch_or_404(request, object_id)
        context = {
            **self.admin_site.each_context(request),
            **page.context(batch, request.user, request.GET),
            "title": f"Batch {batch.public_id}",
            "opts": self.opts,
            "original": batch,
        }
        return TemplateResponse(request, "admin/ingestion/batch/page.html", context)

    def live_view(self, request: HttpRequest, batch_id: int) -> HttpResponse:
        """The page's parts: 304 while nothing has changed, 286 with the last word of a batch that has ended."""
        batch = self.batch_or_404(request, batch_id)
        ended = not page.is_moving(batch)
        now = timezone.localtime()
        seen = f"{page.mark(batch, now=now)} {sorted(request.GET.items())}"
        tag = f'"{hashlib.sha256(seen.encode()).hexdigest()[:20]}"'
        facts = {"Cache-Control": "no-store", "X-Read-At": now.strftime("%H:%M:%S"), "ETag": tag}
        if not ended and request.headers.get("If-None-Match") == tag:
            return HttpResponse(status=304, headers=facts)
        context = page.context(batch, request.user, request.GET)
        status = STOP_POLLING if ended else 200
        answer = TemplateResponse(request, "admin/ingestion/batch/live.html", context, status=status, headers=facts)
        answer["X-Poll-Seconds"] = str(context["poll"])
        return answer
