"""Organisations with their sandboxes. Names are given once: data lies under them."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from oauth2_provider import admin as toolkit
from unfold.admin import ModelAdmin, TabularInline

from ingestion.access.clients import add_first_sandbox
from ingestion.access.models import Organisation, Sandbox

for model in (
    toolkit.application_model, toolkit.access_token_model, toolkit.grant_model, toolkit.id_token_model,
    toolkit.refresh_token_model,
):  # fmt: skip
    admin.site.unregister(model)  # what of them concerns people is on the pages of API clients


class SandboxForm(forms.ModelForm[Sandbox]):
    class Meta:
        model = Sandbox
        fields = ("name", "title")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():  # a table of fields shows no labels but its columns' titles
            field.widget.attrs["aria-label"] = f"{field.label or name} of the sandbox"
        if self.instance.pk and "name" in self.fields:
            self.fields["name"].disabled = True


class SandboxInline(TabularInline):  # type: ignore[misc]
    model = Sandbox
    form = SandboxForm
    extra = 0
    can_delete = False
    show_title = False
    hide_title = True


@admin.register(Organisation)
class OrganisationAdmin(ModelAdmin):  # type: ignore[misc]
    list_display = ("name", "title", "sandbox_count", "client_count")
    search_fields = ("name", "title")
    fields = ("name", "title")
    inlines = (SandboxInline,)
    actions = None
    show_full_result_count = False
    empty_words = "No organisation yet."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Organisation]:
        queryset: QuerySet[Organisation] = super().get_queryset(request)
        return queryset.annotate(
            sandbox_count=Count("sandboxes", distinct=True), client_count=Count("clients", distinct=True)
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Organisation | None = None) -> tuple[str, ...]:
        return ("name",) if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        add_first_sandbox(form.instance)

    @admin.display(description="Sandboxes", ordering="sandbox_count")
    def sandbox_count(self, organisation: Any) -> int:
        return int(organisation.sandbox_count)

    @admin.display(description="API clients", ordering="client_count")
    def client_count(self, organisation: Any) -> int:
        return int(organisation.client_count)
