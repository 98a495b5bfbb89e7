"""API clients."""

from django.contrib import admin
from unfold.admin import ModelAdmin

from ingestion.access.models import ApiClient


@admin.register(ApiClient)
class ApiClientAdmin(ModelAdmin):  # type: ignore[misc]
    list_display = ("name", "organisation")
