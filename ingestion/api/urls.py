"""The batch API's three services: import, catalog and export. Every other address below them is a 404 in JSON."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path, re_path

from ingestion.api.base import Nowhere

urlpatterns: list[URLPattern | URLResolver] = [
    path("data/foundation/import/", include("ingestion.api.imports.urls")),
    path("data/foundation/catalog/", include("ingestion.api.catalog.urls")),
    path("data/foundation/export/", include("ingestion.api.export.urls")),
    re_path(r"^data/foundation(/|$)", Nowhere.as_view()),
]
