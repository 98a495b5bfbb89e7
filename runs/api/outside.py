"""The project's handlers of errors outside of all views: problems for programs, the usual pages for people."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseBase
from django.views import defaults

from ingestion.api import outside
from runs.api.problems import of_project


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """handler400: a host that is not ours, a request that breaks a rule."""
    if request.path.startswith("/api/"):
        return of_project(request, exception)
    if outside.is_programs(request):
        return outside.refused(request, exception)
    return defaults.bad_request(request, exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """handler404."""
    if request.path.startswith("/api/"):
        return of_project(request, exception)
    if outside.is_programs(request):
        return outside.not_found(request)
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponseBase:
    """handler500: what a view or a middleware let fail. It is in the log already."""
    if outside.is_programs(request):
        return outside.broken(request)
    return defaults.server_error(request)
