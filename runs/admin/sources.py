"""The data source's page with its runs: status, last run, how long runs take, "Run now"."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest, HttpResponseBase
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_http_methods
from unfold.views import ChangeList

from connectors.admin.sources import DataSourceScreen
from connectors.models import DataSource
from runs.admin import source_page, starting
from runs.admin.runs import runs_of
from runs.admin.verbs import address_of
from runs.models import Run
from runs.states import RUN_OPEN, RunMode, RunStatus
from runs.templatetags.headgate import badge, lasted, moment

# A rejected run gives its source its status only while the run that was in its way is open.
SHOWN = ~Q(status=RunStatus.REJECTED) | Q(blocked_by__status__in=RUN_OPEN)


class SourceList(ChangeList):  # type: ignore[misc]
    """Gives each listed source the run that its status comes from, in one query for the page."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        listed: list[Any] = list(self.result_list)
        found = Run.objects.in_bulk([source.shown_run_id for source in listed if source.shown_run_id])
        for source in listed:
            source.shown_run = found.get(source.shown_run_id)
        self.result_list: list[Any] = listed


@admin.register(DataSource)
class SourceAdmin(DataSourceScreen):
    change_form_template = "admin/runs/source.html"
    list_display = (
        "name",
        "state",
        "last_run",
        "last_ended",
        "last_took",
        "connector",
        "namespace",
        "on_or_off",
        "runs",
    )
    list_filter = ("connector", "enabled")
    list_select_related = ("connector",)
    actions = None
    empty_words = "No data source yet. Add one, test its connection, then start its first run."

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[SourceList]:
        return SourceList

    def get_queryset(self, request: HttpRequest) -> QuerySet[DataSource]:
        newest = Run.objects.filter(SHOWN, source=OuterRef("pk")).order_by("-pk").values("pk")[:1]
        queryset: QuerySet[DataSource] = super().get_queryset(request)
        return queryset.annotate(shown_run_id=Subquery(newest)).select_related("connector")

    # Columns

    @admin.display(description="Status")
    def state(self, source: Any) -> SafeString | str:
        return badge(source.shown_run.status) if source.shown_run else "No run yet"

    @admin.display(description="Last run")
    def last_run(self, source: Any) -> SafeString | str:
        run: Run | None = source.shown_run
        if run is None:
            return "–"
        return format_html(
            '<a class="hg-link" href="{}">Run {}</a> · {}', address_of(run), run.pk, run.get_mode_display()
        )

    @admin.display(description="Ended")
    def last_ended(self, source: Any) -> SafeString | str:
        return moment(source.shown_run.finished_at) if source.shown_run else "–"

    @admin.display(description="Duration")
    def last_took(self, source: Any) -> SafeString | str:
        return lasted(source.shown_run) if source.shown_run else "–"

    @admin.display(description="Takes runs", ordering="enabled")
    def on_or_off(self, source: DataSource) -> str:
        return "Yes" if source.enabled else "No, disabled"

    @admin.display(description="API runs")
    def runs(self, source: DataSource) -> SafeString:
        return format_html('<a class="hg-link" href="{}">View API runs</a>', runs_of(source.pk))

    # The page

    def offers(self, request: HttpRequest, source: DataSource | None) -> dict[str, Any]:
        found = super().offers(request, source)
        if source is None:
            return found
        runs = Run.objects.filter(source=source).order_by("-pk")
        ended = {mode: runs.filter(mode=mode, status=RunStatus.COMPLETED).first() for mode in RunMode}
        shown = runs.filter(SHOWN).select_related("blocked_by").first()
        return found | {
            **source_page.context(source, shown, request.GET),
            "source": source,
            "shown_run": shown,
            "last_of": [(mode.title(), run) for mode, run in ended.items()],
            "runs_address": runs_of(source.pk),
            **starting.card(source, request.user),
        }

    def may_see_records(self, request: HttpRequest) -> bool:
        return super().may_see_records(request) and request.user.has_perm("runs.view_raw_data")

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        start = require_http_methods(["GET", "POST"])(self.start_view)
        return [path("<int:source_id>/start/", wrap(start), name="connectors_datasource_start"), *super().get_urls()]

    # Run now

    def start_view(self, request: HttpRequest, source_id: int) -> HttpResponseBase:
        return starting.view(self, request, source_id)

    def source_or_404(self, source_id: int) -> DataSource:
        return self._source_or_404(source_id)

    def frame(self, request: HttpRequest, title: str, source: DataSource) -> dict[str, Any]:
        return self._frame(request, title, source)
