"""The data source's screen: its form, "Test connection", "Show ten records". `runs` adds runs and registers it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST
from unfold.admin import ModelAdmin

from connectors import engines
from connectors.admin.connectors import read
from connectors.admin.forms import CREDENTIAL, SETTING, DataSourceForm, build
from connectors.admin.records import Records, records_of
from connectors.admin.telling import ABOUT, WEBHOOK
from connectors.manifest import Manifest, ManifestError
from connectors.models import Connector, DataSource
from connectors.protocol import CheckStep, SourceError
from connectors.secrets import SealError

TROUBLE = (SourceError, ManifestError, SealError)
PLAIN = ("name", "connector", "namespace", "enabled")
READING = ("endpoints", "schema_policy", "on_failure", "max_hours")


class DataSourceScreen(ModelAdmin):  # type: ignore[misc]
    """Not registered here: the page shows runs too."""

    change_form_template = "admin/connectors/datasource_form.html"
    search_fields = ("name", "connector__name", "namespace")
    show_full_result_count = False

    # The form, made for the connector

    def _connector(self, request: HttpRequest, source: DataSource | None) -> Connector | None:
        if source:
            return source.connector
        asked = request.POST.get("connector") or request.GET.get("connector") or ""
        return Connector.objects.filter(pk=asked).first() if asked.isdecimal() else None

    def _manifest(self, request: HttpRequest, source: DataSource | None) -> tuple[Connector | None, Manifest | None]:
        """Read once a request: the form and its fieldsets both ask."""
        kept: Any = request
        if not hasattr(kept, "connector_and_manifest"):
            connector = self._connector(request, source)
            kept.connector_and_manifest = connector, read(connector.manifest) if connector else None
        found: tuple[Connector | None, Manifest | None] = kept.connector_and_manifest
        return found

    def get_form(self, request: HttpRequest, obj: DataSource | None = None, change: bool = False, **kwargs: Any) -> Any:
        connector, manifest = self._manifest(request, obj)
        return super().get_form(request, obj, change=change, form=build(connector, manifest), **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: DataSource | None = None) -> list[Any]:
        _, manifest = self._manifest(request, obj)
        if obj and not self.has_change_permission(request, obj):
            return [(None, {"fields": (*PLAIN, "settings", *READING)})]
        found: list[Any] = [(None, {"fields": PLAIN})]
        if manifest and manifest.settings:
            found.append(("Settings", {"fields": [SETTING + item.name for item in manifest.settings]}))
        if manifest and manifest.credentials:
            found.append(("Credentials", {"fields": [CREDENTIAL + item.name for item in manifest.credentials]}))
        found.append(("What is read, and how", {"fields": READING}))
        return [*found, ("Webhook", {"fields": WEBHOOK, "description": ABOUT})]

    # Pages

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """First which connector, then its form."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        if request.method == "GET" and self._connector(request, None) is None:
            return self._choose(request)
        return super().add_view(request, form_url, {**self.offers(request, None), **(extra_context or {})})  # type: ignore[no-any-return]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        source = (
            DataSource.objects.select_related("connector").filter(pk=object_id).first()
            if object_id.isdecimal()
            else None
        )
        if source and read(source.connector.manifest) is None:
            text = f"The manifest of “{source.connector}” has problems: correct it before this source can be used."
            messages.warning(request, text)
        offers = self.offers(request, source) if source else {}
        return super().change_view(request, object_id, form_url, {**offers, **(extra_context or {})})  # type: ignore[no-any-return]

    def _choose(self, request: HttpRequest) -> HttpResponse:
        choices = [(connector, read(connector.manifest)) for connector in Connector.objects.all()]
        context = {**self._frame(request, "Add a data source"), "choices": choices}
        return TemplateResponse(request, "admin/connectors/choose.html", context)

    def _frame(self, request: HttpRequest, title: str, source: DataSource | None = None) -> dict[str, Any]:
        return {
            **self.admin_site.each_context(request),
            "title": title,
            "opts": self.opts,
            "original": source,
            "source": source,
        }

    def offers(self, request: HttpRequest, source: DataSource | None) -> dict[str, Any]:
        """What the form's page offers besides saving."""
        test = reverse("admin:connectors_datasource_test")
        return {
            "test_address": f"{test}?source={source.pk}" if source else test,
            "may_test": request.user.has_perm("connectors.test_source"),
            "may_see_records": self.may_see_records(request),
        }

    def may_see_records(self, request: HttpRequest) -> bool:
        return request.user.has_perm("connectors.test_source")

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        own = [
            path("test/", wrap(require_POST(self.test_view)), name="connectors_datasource_test"),
            path(
                "<int:source_id>/records/",
                wrap(require_http_methods(["GET", "POST"])(self.records_view)),
                name="connectors_datasource_records",
            ),
        ]
        urls: list[URLPattern] = super().get_urls()
        return own + urls

    # Test connection

    def test_view(self, request: HttpRequest) -> HttpResponseBase:
        """Try the values of the form as they stand; nothing is saved."""
        source = self._source_or_404(request.GET.get("source", "")) if request.GET.get("source") else None
        may = self.has_change_permission(request, source) if source else self.has_add_permission(request)
        if not (may and request.user.has_perm("connectors.test_source")):
            raise PermissionDenied
        form = self.get_form(request, source, change=source is not None)(request.POST, instance=source)
        context = {
            **self._frame(request, "Test connection", self._saved(source)),
            "steps": list(steps_of(form)),
            "errors": [(form[name].label if name in form.fields else "", text) for name, text in _flat(form.errors)],
        }
        template = "admin/connectors/steps.html" if request.headers.get("HX-Request") else "admin/connectors/test.html"
        return TemplateResponse(request, template, context, headers={"Cache-Control": "no-store"})

    def _saved(self, source: DataSource | None) -> DataSource | None:
        """The source under its saved name: the form has already changed the one it was given."""
        return DataSource.objects.get(pk=source.pk) if source else None

    def _source_or_404(self, pk: int | str) -> DataSource:
        found = DataSource.objects.select_related("connector").filter(pk=pk).first() if str(pk).isdecimal() else None
        if found is None:
            raise Http404(f"There is no data source {pk}.")
        return found

    # Show ten records

    def records_view(self, request: HttpRequest, source_id: int) -> HttpResponseBase:
        """Choose an endpoint; the POST fetches its first records and shows them. Nothing of them is kept."""
        source = self._source_or_404(source_id)
        if not (self.has_view_permission(request, source) and self.may_see_records(request)):
            raise PermissionDenied
        manifest = read(source.connector.manifest)
        chosen = request.POST.get("endpoint", "") if request.method == "POST" else ""
        known = [(endpoint.name, endpoint.title) for endpoint in manifest.endpoints] if manifest else []
        context = {**self._frame(request, f"First records of {source}", source), "endpoints": known, "chosen": chosen}
        if chosen in dict(known):
            context |= first_records(source, chosen)
        return TemplateResponse(
            request, "admin/connectors/records.html", context, headers={"Cache-Control": "no-store"}
        )


def steps_of(form: DataSourceForm) -> Iterable[CheckStep]:
    """The steps of the test, in order; an invalid form has none."""
    if not form.is_valid():
        return
    try:
        yield from engines.check(engines.open_data_source(form.applied()))
    except SourceError as error:
        yield CheckStep(name="Open the source", ok=False, detail=error.message, advice=error.advice)
    except (ManifestError, SealError) as error:
        yield CheckStep(
            name="Read the configuration", ok=False, detail=str(error), advice="Correct it; then test again."
        )


def first_records(source: DataSource, endpoint: str) -> dict[str, Any]:
    """The records for the template, or what went wrong in words."""
    try:
        sample = engines.sample(engines.open_data_source(source), endpoint, now=timezone.now().isoformat())
        records: Records | None = records_of(sample)
    except SourceError as error:
        return {"problem": error.message, "advice": error.advice}
    except TROUBLE as error:
        return {"problem": str(error), "advice": "Correct the data source or its connector; then try again."}
    return {"records": records}


def _flat(errors: Any) -> list[tuple[str, str]]:
    return [(name, str(text)) for name, texts in errors.items() for text in texts]
