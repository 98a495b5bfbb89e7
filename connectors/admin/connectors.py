"""The connector's page: its manifest, checked before it is saved, and what was found in it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminTextareaWidget

from connectors.manifest import Manifest, ManifestError, parse
from connectors.models import Connector


class ConnectorForm(forms.ModelForm[Connector]):
    """Refuses a manifest that cannot be used, with every problem and its place in the document."""

    class Meta:
        model = Connector
        fields = ("name", "manifest")
        widgets = {
            "manifest": UnfoldAdminTextareaWidget(
                attrs={"class": "hg-code", "rows": 32, "spellcheck": "false", "wrap": "off", "autocapitalize": "off"}
            )
        }

    def clean_manifest(self) -> str:
        text: str = self.cleaned_data["manifest"]
        try:
            parse(text)
        except ManifestError as error:
            raise ValidationError([str(problem) for problem in error.problems]) from error
        return text


@admin.register(Connector)
class ConnectorAdmin(ModelAdmin):  # type: ignore[misc]
    form = ConnectorForm
    change_form_template = "admin/connectors/connector_form.html"
    list_display = ("name", "endpoint_count", "source_count", "changed")
    search_fields = ("name",)
    fields = ("name", "manifest", "found")
    readonly_fields = ("found",)
    show_full_result_count = False
    empty_words = "No connector yet. A connector describes one kind of API; data sources are configured from it."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Connector]:
        queryset: QuerySet[Connector] = super().get_queryset(request)
        return queryset.annotate(source_count=Count("sources"))

    @admin.display(description="Endpoints")
    def endpoint_count(self, connector: Connector) -> str:
        manifest = read(connector.manifest)
        return str(len(manifest.endpoints)) if manifest else "The manifest has problems"

    @admin.display(description="Data sources", ordering="source_count")
    def source_count(self, connector: Any) -> int:
        return int(connector.source_count)

    @admin.display(description="Changed", ordering="updated_at")
    def changed(self, connector: Connector) -> str:
        return timezone.localtime(connector.updated_at).strftime("%d %b %Y %H:%M")

    @admin.display(description="Found in it")
    def found(self, connector: Connector) -> SafeString | str:
        """The endpoints and tables of the manifest as it is saved."""
        manifest = read(connector.manifest) if connector.pk else None
        if manifest is None:
            return "Endpoints and tables are listed here once a manifest without problems has been saved."
        return render_to_string("admin/connectors/found.html", {"manifest": manifest})


def read(text: str) -> Manifest | None:
    """The manifest, or None where it cannot be used any more (it was saved by an older release)."""
    try:
        return parse(text)
    except ManifestError:
        return None
