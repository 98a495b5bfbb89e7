"""The list of API runs, and the addresses of the page of one. Rows are the machine's: nothing is edited here."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from unfold.admin import ModelAdmin

from connectors.models import DataSource
from runs.admin import bulk, export, going, listing, page, rowing, verbs
from runs.admin.beside import Beside
from runs.admin.caring import Care
from runs.admin.filters import OFFERED, RUN_FILTERS
from runs.admin.opened import Opened
from runs.admin.strip import counters, days
from runs.admin.view import View
from runs.models import Run
from runs.search import runs_with_status

STATUS_LETTERS = 3  # as many letters of a status name it in a search
FILTER_NAMES = (*(name for spec in RUN_FILTERS for name in (spec.parameter_name, *spec.also)), "from", "to")


@admin.register(Run)
class RunAdmin(ModelAdmin):  # type: ignore[misc]
    """The list is read by `listing`; the page itself is built in `page`, cancel, retry and close in `verbs`."""

    list_display = ("__str__",)
    list_filter = RUN_FILTERS
    list_select_related = ("source",)
    list_per_page = listing.PER_PAGE
    list_fullwidth = True
    show_full_result_count = False
    search_fields = ("=id", "source__name")
    search_help_text = "Run id, data source or status"
    actions = ("acknowledge_chosen", "cancel_chosen", "retry_chosen", "export_chosen")
    empty_words = "No API run yet. Add a data source, then start its first run; first runs are destructive."

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Run | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Run | None = None) -> bool:
        return False

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("runs.cancel_run")

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("runs.retry_run")

    def has_care_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("runs.care_run")

    @admin.action(description="Acknowledge …", permissions=["care"])
    def acknowledge_chosen(self, request: HttpRequest, chosen: QuerySet[Run]) -> HttpResponseBase:
        return bulk.ask(request, "acknowledge", chosen)

    @admin.action(description="Cancel …", permissions=["cancel"])
    def cancel_chosen(self, request: HttpRequest, chosen: QuerySet[Run]) -> HttpResponseBase:
        return bulk.ask(request, "cancel", chosen)

    @admin.action(description="Retry …", permissions=["retry"])
    def retry_chosen(self, request: HttpRequest, chosen: QuerySet[Run]) -> HttpResponseBase:
        return bulk.ask(request, "retry", chosen)

    @admin.action(description="Export CSV", permissions=["view"])
    def export_chosen(self, request: HttpRequest, chosen: QuerySet[Run]) -> HttpResponseBase:
        return export.answer(chosen)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return listing.RunList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Run], search_term: str
    ) -> tuple[QuerySet[Run], bool]:
        """An id, a part of a data source's name, or the beginning of a status in any spelling: each by its index."""
        text = search_term.replace("\0", "").strip()
        if not text:
            return queryset, False
        sources = DataSource.objects.filter(name__icontains=text).values_list("pk", flat=True)[:OFFERED]
        found = Q(source__in=list(sources))
        if text.isdecimal() and len(text) < 19:
            found |= Q(pk=int(text))
        if len(text) >= STATUS_LETTERS and (statuses := runs_with_status(text)):
            found |= Q(status__in=statuses)
        return queryset.filter(found), False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Run]:
        queryset: QuerySet[Run] = super().get_queryset(request)
        return queryset.select_related("source")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list. Reached without any filter, it returns to the person's last ones."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method == "GET" and (better := listing.better_address(request, FILTER_NAMES)):
            return HttpResponseRedirect(better)
        now = timezone.now()
        context = {"strip": counters(request.GET.dict(), now=now), "days": days(request.GET.dict(), now=now)}
        answer: HttpResponse = super().changelist_view(
            request, {**(extra_context or {}), **context, "title": "API runs"}
        )
        self._add_rows(request, answer)
        return answer

    def _add_rows(self, request: HttpRequest, answer: HttpResponse) -> None:
        """The rows are made once the list is known; redirects and exports have none."""
        shown = getattr(answer, "context_data", None)
        if shown and "cl" in shown:
            shown["rows"] = rowing.rows_of(shown["cl"].result_list, request.user)
            shown["verbs"] = self.get_actions(request)

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """All that the filters find, as a file; the newest ten thousand of them."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return export.answer(self.get_changelist_instance(request).queryset)

    def get_urls(self) -> list[URLPattern]:
        """The page's fragment and its verbs, before the addresses of every admin page."""
        wrap = self.admin_site.admin_view
        beside = Beside(self)
        own = [
            *Care(self).urls(wrap),
            path("<int:run_id>/compare/", wrap(beside.compare), name="runs_run_compare"),
            path("<int:run_id>/bundle/", wrap(beside.bundle), name="runs_run_bundle"),
            path("go/", wrap(going.go), name="runs_run_go"),
            path("export/", wrap(self.export_view), name="runs_run_export"),
            path("bulk/<str:verb>/", wrap(bulk.Bulk.as_view(screen=self)), name="runs_run_bulk"),
            *Opened(self).urls(wrap),
            path("<int:run_id>/cancel/", wrap(verbs.Cancel(self).view), name="runs_run_cancel"),
            path("<int:run_id>/retry/", wrap(verbs.Retry(self).view), name="runs_run_retry"),
            path("<int:run_id>/close/", wrap(verbs.Close(self).view), name="runs_run_close"),
        ]
        urls: list[URLPattern] = super().get_urls()
        return own + urls

    def run_or_404(self, request: HttpRequest, run_id: int | str) -> Run:
        """The run with all that its header names. Raises PermissionDenied, Http404."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        related = ("source", "config", "blocked_by", "retry_of", "data_load", "retried_by", "assignee")
        run = Run.objects.select_related(*related).filter(pk=run_id).first() if str(run_id).isdecimal() else None
        if run is None:
            raise Http404(f"There is no run {run_id}.")
        return run

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The API Run page; of it the panel of tasks alone where a search as one types asks for that."""
        run = self.run_or_404(request, object_id)
        if _wants_panel(request):
            context = page.search_context(run, request.GET)
            return TemplateResponse(request, "admin/runs/run/panel.html", context)
        context = {
            **self.admin_site.each_context(request),
            **page.context(run, request.user, request.GET),
            "title": f"Run {run.pk}",
            "opts": self.opts,
            "original": run,
        }
        return TemplateResponse(request, "admin/runs/run/page.html", context)


def _wants_panel(request: HttpRequest) -> bool:
    """Asked by htmx for tasks; a step back in the history, though, asks for the whole page."""
    asked = request.headers.get("HX-Target") == "run-panel" and "HX-History-Restore-Request" not in request.headers
    return asked and View.read(request.GET).tab == "tasks"


def runs_of(source_id: int) -> str:
    """The address of the list, filtered to one data source."""
    return f"{reverse('admin:runs_run_changelist')}?{urlencode({'source': source_id})}"
