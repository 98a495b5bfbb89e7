"""Data loads: that data has been brought in. Each leads back to the run, or the batch, that brought it; above the
list stand the runs at work, whose data loads are still to come."""

from collections.abc import Mapping
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin
from unfold.paginator import InfinitePaginator

from ingestion.admin.chips import with_chips
from ingestion.models import Batch
from runs.admin.filters import PeriodFilter
from runs.errors import Refused
from runs.lifecycle.steps import send_again
from runs.models import DataLoad, LoadStep
from runs.reading import loads, steps
from runs.states import LOAD_WORDS, LoadStatus
from runs.templatetags.headgate import badge, icon, moment, number

SEND_AGAIN = "runs.retry_run"


@admin.register(DataLoad)
class DataLoadAdmin(ModelAdmin):  # type: ignore[misc]
    list_display = ("load_id", "state", "data_source", "run_link", "tables", "rows", "created", "finished")
    list_display_links = ("load_id",)
    list_filter = ("run__source", "status", PeriodFilter)
    list_per_page = 50
    show_full_result_count = False
    paginator = InfinitePaginator
    search_fields = ("=id", "=run__id", "run__source__name", "=batch__public_id")
    search_help_text = "Data load, run id, batch id or data source"
    actions = None
    empty_words = "No data load yet. A data load appears when an API run has completed, or a batch is live."

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: DataLoad | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: DataLoad | None = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[DataLoad]:
        queryset: QuerySet[DataLoad] = super().get_queryset(request)
        return queryset.select_related("run__source", "batch__dataset")

    @admin.display(description="Data load", ordering="pk")
    def load_id(self, load: DataLoad) -> str:
        return str(load.pk)

    @admin.display(description="Status", ordering="status")
    def state(self, load: DataLoad) -> SafeString:
        return badge(load.status, LOAD_WORDS[load.status])

    @admin.display(description="Data source", ordering="run__source__name")
    def data_source(self, load: DataLoad) -> str:
        return load.source_name

    @admin.display(description="Brought in by", ordering="run")
    def run_link(self, load: DataLoad) -> SafeString:
        if load.batch_id:
            address = reverse("admin:ingestion_batch_change", args=[load.batch_id])
            return format_html('<a class="hg-link" href="{}">Batch {}</a>', address, load.batch_id)
        address = reverse("admin:runs_run_change", args=[load.run_id])
        shape = icon("info") if load.status == LoadStatus.RUNNING else ""
        return format_html('<a class="hg-link" href="{}">{} Run {}</a>', address, shape, load.run_id)

    @admin.display(description="Tables", ordering="table_count")
    def tables(self, load: DataLoad) -> str:
        return number(load.table_count)

    @admin.display(description="Rows", ordering="row_count")
    def rows(self, load: DataLoad) -> str:
        return number(load.row_count)

    @admin.display(description="Created", ordering="created_at")
    def created(self, load: DataLoad) -> SafeString | str:
        return moment(load.created_at)

    @admin.display(description="Completed", ordering="finished_at")
    def finished(self, load: DataLoad) -> SafeString | str:
        return moment(load.finished_at)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return with_chips(super().changelist_view(request, {"coming": loads.coming(), **(extra_context or {})}))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """One data load: its phases, tables, files and messages."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        load = self.get_queryset(request).filter(pk=object_id).first() if _whole(object_id) else None
        if load is None:
            raise Http404(f"There is no data load {object_id[:20]}.")
        context = {
            **self.admin_site.each_context(request),
            **_shown(load, request.GET),
            "may_send": request.user.has_perm(SEND_AGAIN),
            "title": f"Data load {load.pk}",
            "opts": self.opts,
            "original": load,
            "load": load,
        }
        return TemplateResponse(request, "admin/runs/dataload/page.html", context)

    # Steps after the load

    def get_urls(self) -> list[URLPattern]:
        send = self.admin_site.admin_view(require_POST(self.send_view))
        own = path("<int:load_id>/steps/<int:step_id>/send/", send, name="runs_dataload_send")
        urls: list[URLPattern] = super().get_urls()
        return [own, *urls]

    def send_view(self, request: HttpRequest, load_id: int, step_id: int) -> HttpResponseBase:
        """Have a step sent again, and go back to the page."""
        if not (self.has_view_permission(request) and request.user.has_perm(SEND_AGAIN)):
            raise PermissionDenied("You do not have the right to retry runs, nor to send messages about them again.")
        if not LoadStep.objects.filter(pk=step_id, load=load_id).exists():
            raise Http404(f"Data load {load_id} has no step {step_id}.")
        try:
            step = send_again(step_id, actor=request.user.get_username())
        except Refused as refusal:
            messages.warning(request, str(refusal))
        else:
            messages.success(request, f"“{step}” is sent again. This page shows how it went.")
        return HttpResponseRedirect(f"{reverse('admin:runs_dataload_change', args=[load_id])}#steps")


def _whole(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else 0


def _shown(load: DataLoad, query: Mapping[str, str]) -> dict[str, Any]:
    """A fixed number of queries. How many messages, and which page of files, are in the address."""
    owned = {"load": load.run.load_id, "owner": load.run.owner} if load.run else {"pk": load.batch_id}
    asked = _whole(query.get("files", ""))
    page, files = loads.files_of(load, max(asked, 1))
    count = _whole(query.get("messages", ""))
    after = steps.steps_of(load)
    return {
        "steps": after,
        "not_taken": steps.not_taken(after),
        "batches": Batch.objects.filter(**owned).select_related("dataset").order_by("dataset__name"),
        "phases": loads.phases_of(load),
        "stream": loads.stream_of(load, count),
        "states": loads.file_states(load),
        "files": files,
        "page": page,
        "files_open": asked > 0,
        "messages_asked": count,
    }
