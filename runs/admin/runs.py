"""The list of API runs, and the addresses of the page of one. Rows are the machine's: nothing is edited here."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import Case, DurationField, ExpressionWrapper, F, QuerySet, Value, When
from django.db.models.functions import Coalesce, Now
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.paginator import InfinitePaginator

from runs.admin import bulk, columns, page, verbs
from runs.admin.beside import Beside
from runs.admin.caring import Care
from runs.admin.filters import FailureFilter, PeriodFilter, TriggerFilter
from runs.admin.strip import counters
from runs.models import Level, Run
from runs.states import RUN_ENDED, URGENCY, RunStatus
from runs.templatetags.headgate import badge, level_badge, moment, number, trigger_word

BY_URGENCY = Case(*(When(status=status, then=Value(place)) for place, status in enumerate(URGENCY)))
TOOK = ExpressionWrapper(Coalesce(F("finished_at"), Now()) - F("started_at"), output_field=DurationField())
WITH_WARNINGS = format_html('<span class="hg-sub">{}</span>', "with warnings")
STOP_POLLING = 286  # htmx's word for "this was the last one"


@admin.register(Run)
class RunAdmin(ModelAdmin):  # type: ignore[misc]
    """Columns and filters of the list; the page itself is built in `page`, cancel, retry and close in `verbs`."""

    list_display = (
        "state",
        "run_id",
        "data_source",
        "type_word",
        "trigger_by",
        "started",
        "completed",
        "took",
        "tasks_done",
        "rows",
        "messages_worst",
    )
    list_display_links = ("run_id",)
    list_filter = ("source", "status", "mode", PeriodFilter, TriggerFilter, FailureFilter)
    list_select_related = ("source",)
    list_per_page = 50
    list_fullwidth = True
    show_full_result_count = False
    paginator = InfinitePaginator
    search_fields = ("=id", "source__name")
    search_help_text = "Run id or data source"
    actions = ("cancel_chosen", "retry_chosen")
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

    @admin.action(description="Cancel the chosen runs …", permissions=["cancel"])
    def cancel_chosen(self, request: HttpRequest, chosen: QuerySet[Run]) -> HttpResponseBase:
        return bulk.ask(request, "cancel", chosen)

    @admin.action(description="Retry the chosen runs …", permissions=["retry"])
    def retry_chosen(self, request: HttpRequest, chosen: QuerySet[Run]) -> HttpResponseBase:
        return bulk.ask(request, "retry", chosen)

    @admin.display(description="Status", ordering=BY_URGENCY)
    def state(self, run: Run) -> SafeString:
        warned = run.status == RunStatus.COMPLETED and run.worst_level >= Level.WARNING
        return format_html(
            "{}{}{}", badge(run.status), WITH_WARNINGS if warned else "", columns.late(run, now=timezone.now())
        )

    @admin.display(description="Run id", ordering="pk")
    def run_id(self, run: Run) -> str:
        return str(run.pk)

    @admin.display(description="Data source", ordering="source__name")
    def data_source(self, run: Run) -> str:
        return run.source.name

    @admin.display(description="Type", ordering="mode")
    def type_word(self, run: Run) -> str:
        return run.get_mode_display()

    @admin.display(description="Trigger / by", ordering="trigger")
    def trigger_by(self, run: Run) -> str:
        return " · ".join(filter(None, (trigger_word(run.trigger), run.requested_by)))

    @admin.display(description="Started", ordering="started_at")
    def started(self, run: Run) -> SafeString | str:
        return moment(run.started_at)

    @admin.display(description="Completed", ordering="finished_at")
    def completed(self, run: Run) -> SafeString | str:
        return moment(run.finished_at)

    @admin.display(description="Duration", ordering=TOOK)
    def took(self, run: Run) -> SafeString | str:
        return columns.took(run)

    @admin.display(description="Tasks")
    def tasks_done(self, run: Run) -> SafeString:
        text = '<progress class="hg-progress" value="{}" max="{}"></progress> <span class="hg-nowrap">{} / {}</span>'
        most = max(run.task_count, 1)
        return format_html(text, run.ended_task_count, most, number(run.ended_task_count), number(run.task_count))

    @admin.display(description="Rows")
    def rows(self, run: Run) -> SafeString | str:
        return columns.rows(run)

    @admin.display(description="Messages")
    def messages_worst(self, run: Run) -> SafeString:
        address = f"{reverse('admin:runs_run_change', args=[run.pk])}?tab=messages"
        return format_html('<a href="{}">{}</a>', address, level_badge(run.worst_level, run.message_count))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Run]:
        queryset: QuerySet[Run] = super().get_queryset(request)
        return queryset.select_related("source")

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """The rows shown, those at work with what is usual for them: two queries for all of them together."""
        shown: ChangeList = super().get_changelist_instance(request)
        shown.result_list = columns.with_bands(shown.result_list)
        return shown

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        strip = counters(request.GET.dict(), now=timezone.now())
        answer: HttpResponse = super().changelist_view(request, {**(extra_context or {}), "strip": strip})
        return answer

    def get_urls(self) -> list[URLPattern]:
        """The page's fragment and its verbs, before the addresses of every admin page."""
        wrap = self.admin_site.admin_view
        beside = Beside(self)
        own = [
            *Care(self).urls(wrap),
            path("<int:run_id>/compare/", wrap(beside.compare), name="runs_run_compare"),
            path("<int:run_id>/bundle/", wrap(beside.bundle), name="runs_run_bundle"),
            path("bulk/<str:verb>/", wrap(bulk.Bulk.as_view(screen=self)), name="runs_run_bulk"),
            path("<int:run_id>/live/", wrap(self.live_view), name="runs_run_live"),
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
        """The API Run page."""
        run = self.run_or_404(request, object_id)
        context = {
            **self.admin_site.each_context(request),
            **page.context(run, request.user, request.GET),
            "title": f"Run {run.pk}",
            "opts": self.opts,
            "original": run,
        }
        return TemplateResponse(request, "admin/runs/run/page.html", context)

    def live_view(self, request: HttpRequest, run_id: int) -> HttpResponseBase:
        """What has changed since `?since=`: 204 for nothing, 286 with the last word of a run that has ended."""
        run = self.run_or_404(request, run_id)
        ended = run.status in RUN_ENDED
        facts = {"Cache-Control": "no-store", "X-Read-At": timezone.localtime().strftime("%H:%M:%S")}
        if not ended and request.GET.get("since") == str(run.version):
            return HttpResponse(status=204, headers=facts)
        context = page.context(run, request.user, request.GET)
        status = STOP_POLLING if ended else 200
        return TemplateResponse(request, "admin/runs/run/live.html", context, status=status, headers=facts)


def runs_of(source_id: int) -> str:
    """The address of the list, filtered to one data source."""
    return f"{reverse('admin:runs_run_changelist')}?{urlencode({'source__id__exact': source_id})}"
