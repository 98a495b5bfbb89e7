"""The data source's page with its runs: status, last run, how long runs take, "Run now"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_http_methods
from unfold.views import ChangeList

from connectors import engines
from connectors.admin.sources import TROUBLE, DataSourceScreen
from connectors.models import DataSource
from ingestion.models import Dataset
from runs import planning
from runs.admin.runs import runs_of
from runs.admin.verbs import REFUSALS, address_of
from runs.lifecycle import starting
from runs.models import Run
from runs.states import RUN_OPEN, RunMode, RunStatus
from runs.templatetags.headgate import badge, lasted, moment, number

RIGHTS = {RunMode.INCREMENTAL: "connectors.start_run", RunMode.DESTRUCTIVE: "connectors.start_destructive_run"}
# A rejected run gives its source its status only while the run that was in its way is open.
SHOWN = ~Q(status=RunStatus.REJECTED) | Q(blocked_by__status__in=RUN_OPEN)


@dataclass(frozen=True, kw_only=True)
class Start:
    """One entry of the "Run now" menu. `reason` is empty where it may be used."""

    mode: str
    label: str
    help: str
    icon: str
    reason: str


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
        return found | {
            "source": source,
            "shown_run": runs.filter(SHOWN).first(),
            "last_of": [(mode.title(), run) for mode, run in ended.items()],
            "runs_address": runs_of(source.pk),
            "start_address": reverse("admin:connectors_datasource_start", args=[source.pk]),
            "starts": self._starts(request, source),
        }

    def _starts(self, request: HttpRequest, source: DataSource) -> list[Start]:
        texts = {
            RunMode.INCREMENTAL: (
                "Incremental run",
                "Adds and updates what changed since the last completed run.",
                "update",
            ),
            RunMode.DESTRUCTIVE: (
                "Destructive run",
                "Fetches everything and replaces what is live. Asks first.",
                "restart_alt",
            ),
        }
        return [
            Start(mode=mode, label=label, help=text, icon=icon, reason=self._why_not(request, source, mode))
            for mode, (label, text, icon) in texts.items()
        ]

    def _why_not(self, request: HttpRequest, source: DataSource, mode: RunMode) -> str:
        if not request.user.has_perm(RIGHTS[mode]):
            return f"You do not have the right to start {mode} runs; an administrator can give it to you."
        return "" if source.enabled else "This data source is disabled; enable it below first."

    def may_see_records(self, request: HttpRequest) -> bool:
        return super().may_see_records(request) and request.user.has_perm("runs.view_raw_data")

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        start = require_http_methods(["GET", "POST"])(self.start_view)
        return [path("<int:source_id>/start/", wrap(start), name="connectors_datasource_start"), *super().get_urls()]

    # Run now

    def start_view(self, request: HttpRequest, source_id: int) -> HttpResponseBase:
        """POST starts a run. A destructive one is started from the page that asks, which is what GET shows."""
        source = self._source_or_404(source_id)
        mode = RunMode.INCREMENTAL if request.POST.get("mode") == RunMode.INCREMENTAL else RunMode.DESTRUCTIVE
        if not (self.has_view_permission(request, source) and request.user.has_perm(RIGHTS[mode])):
            raise PermissionDenied
        if mode == RunMode.DESTRUCTIVE and request.POST.get("confirmed") != "yes":
            return self._ask(request, source)
        return self._start(request, source, mode)

    def _start(self, request: HttpRequest, source: DataSource, mode: RunMode) -> HttpResponseBase:
        asked = starting.Asked(actor=request.user.get_username(), trigger="person")
        try:
            run = starting.request(source.pk, mode, asked=asked)
        except (*REFUSALS, *TROUBLE) as refusal:
            messages.error(request, str(refusal))
            return HttpResponseRedirect(reverse("admin:connectors_datasource_change", args=[source.pk]))
        if run.status == RunStatus.REJECTED:
            messages.warning(request, f"Run {run.pk} was rejected: the previous one is still running.")
        else:
            messages.success(request, f"Run {run.pk} of “{source}” was started.")
        return HttpResponseRedirect(address_of(run))

    def _ask(self, request: HttpRequest, source: DataSource) -> HttpResponseBase:
        last = Run.objects.filter(source=source, mode=RunMode.DESTRUCTIVE, status=RunStatus.COMPLETED).first()
        took = f" The last completed one took {lasted(last)}." if last else ""
        points = [
            ("restart_alt", f"Everything is fetched from the source again.{took}"),
            (
                "shield",
                "The tables below are replaced in one step when all are ready; until then they stay as they are.",
            ),
        ]
        context = self._frame(request, f"Start a destructive run of {source}?", source) | {
            "points": points,
            "tables": tables_of(source),
            "fields": {"mode": RunMode.DESTRUCTIVE, "confirmed": "yes"},
            "submit": "Start the destructive run",
            "danger": True,
            "back": reverse("admin:connectors_datasource_change", args=[source.pk]),
        }
        return TemplateResponse(request, "admin/confirm.html", context)


def tables_of(source: DataSource) -> list[tuple[str, str]]:
    """The tables that a run of this source replaces, with the rows that are live now."""
    datasets = Dataset.objects.filter(
        organisation=settings.ORGANISATION, sandbox=settings.SANDBOX, namespace=source.namespace
    )
    live = {dataset.source_name or dataset.name: dataset.live_rows for dataset in datasets}
    return [
        (f"{source.namespace}.{name}", number(live.get(name)) if live.get(name) is not None else "not there yet")
        for name in _planned(source)
    ]


def _planned(source: DataSource) -> list[str]:
    try:
        opened = engines.open_data_source(source)
    except TROUBLE:
        return []
    try:
        endpoints = planning.endpoints_of(opened, source.endpoints)
        return [table.name for endpoint in endpoints for table in endpoint.tables]
    finally:
        opened.close()
