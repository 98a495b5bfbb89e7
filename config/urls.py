"""Addresses: the admin, the API, its description."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView

urlpatterns: list[URLPattern | URLResolver] = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    path("api/", include("runs.api.urls")),
    path("", include("ingestion.access.urls")),
    path("", include("ingestion.api.urls")),
]
handler400 = "runs.api.outside.bad_request"
handler404 = "runs.api.outside.not_found"
handler500 = "runs.api.outside.server_error"
