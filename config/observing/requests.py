"""The outermost layer of the web: answers who watches us, names each request, and writes one line about it."""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Callable
from time import monotonic
from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from config.observing import metrics
from config.observing.logs import REQUEST_ID
from config.observing.pages import PREFIXES, answer

access = logging.getLogger("headgate.access")
NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
AREAS: Final = (("/admin/", "admin"), ("/api/", "api"), ("/data/", "batch_api"), ("/static/", "static"))


class Observed:
    """Goes first among the middleware: health is answered for any host name, without login, session or database."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path.startswith(PREFIXES):
            return _watching(request)
        given = request.META.get("HTTP_X_REQUEST_ID", "")
        name = given if NAME.fullmatch(given) else uuid.uuid4().hex
        request.META["HTTP_X_REQUEST_ID"] = name  # so that all that answer speak of the same one
        token, began = REQUEST_ID.set(name), monotonic()
        try:
            response = self.get_response(request)
            response.headers.setdefault("X-Request-ID", name)
            _tell(request, response, monotonic() - began)
        finally:
            REQUEST_ID.reset(token)
        return response


def _watching(request: HttpRequest) -> HttpResponse:
    if request.path == "/metrics" and not settings.METRICS_TOKEN:
        return HttpResponse(
            b"Metrics are off here until METRICS_TOKEN is set.\n", status=404, content_type="text/plain"
        )
    given = answer(request.path, authorization=request.META.get("HTTP_AUTHORIZATION", ""), facts=_facts)
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return HttpResponse(given.body, status=given.status, content_type=given.type, headers=headers)


def _facts() -> dict[str, Any]:
    return {"kind": "web"}


def _tell(request: HttpRequest, response: HttpResponseBase, seconds: float) -> None:
    """The path without its query: that may name what is searched for, or hold a token."""
    match = request.resolver_match
    view = (match.view_name or match._func_path) if match else "none"
    area = next((name for prefix, name in AREAS if request.path.startswith(prefix)), "other")
    method = request.method if request.method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE") else "other"
    metrics.REQUESTS.labels(view, method, response.status_code).inc()
    metrics.REQUEST_SECONDS.labels(area).observe(seconds)
    metrics.look_at_self()
    access.info(
        "%s %s %s %.0f ms",
        request.method,
        request.path,
        response.status_code,
        seconds * 1000,
        extra={"status": response.status_code, "ms": round(seconds * 1000, 1), "view": view},
    )
