"""Every error of the API as a problem (RFC 9457): a sentence for people, a code for programs, never a stack trace."""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from django.core.exceptions import DisallowedHost, PermissionDenied, SuspiciousOperation
from django.db import OperationalError
from django.http import Http404, HttpRequest, JsonResponse
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from connectors.api.schema import PROBLEM
from connectors.manifest import ManifestError
from connectors.protocol import Fault, SourceError
from connectors.secrets import SealError
from ingestion.api.outside import host_refused
from ingestion.errors import IngestionError
from runs.errors import Refused

log = logging.getLogger(__name__)
REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
SOURCE_STATUS: Final[Mapping[str, int]] = {Fault.RATE_LIMITED: 503, Fault.CONFIG: 409, Fault.SCHEMA: 409}


@dataclass(frozen=True, kw_only=True)
class Problem:
    """An error on its way out. `more` are members beyond the usual ones."""

    status: int
    code: str
    detail: str
    more: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def body(self, *, instance: str, request_id: str) -> dict[str, Any]:
        return {
            "type": f"urn:headgate:problem:{self.code}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "instance": instance,
            "request_id": request_id,
            **self.more,
        }


def handle(error: Exception, context: dict[str, Any]) -> Response:
    """The framework's exception handler: called once for whatever a view raised."""
    request = context["request"]
    request_id = _request_id(request)
    problem = problem_of(error, request_id=request_id)
    if problem.status == 500:
        log.error("request %s to %s failed", request_id, request.path, exc_info=error)
    set_rollback()
    response = Response(
        problem.body(instance=request.path, request_id=request_id),
        status=problem.status,
        headers={"X-Request-ID": request_id, **problem.headers},
    )
    renderer = getattr(request, "accepted_renderer", None)
    if renderer is None or renderer.format == "json":
        response.content_type = PROBLEM
    return response


def of_project(request: HttpRequest, error: Exception) -> JsonResponse:
    """The answer below /api/ to what came about outside of all views, 404 or 400."""
    request_id = _request_id(request)
    problem = Problem(status=404, code="not_found", detail=f"There is no {request.path} here. See /api/ for what is.")
    if isinstance(error, SuspiciousOperation):
        is_host = isinstance(error, DisallowedHost)
        detail = host_refused(request) if is_host else "The request breaks the rules of HTTP, so it cannot be answered."
        problem = Problem(status=400, code="bad_request", detail=detail)
    body = problem.body(instance=request.path, request_id=request_id)
    headers = {"X-Request-ID": request_id}
    return JsonResponse(body, status=problem.status, content_type=PROBLEM, headers=headers)


def _request_id(request: Any) -> str:
    """The one that the client or a proxy gave, so that logs can be matched; else a new one."""
    given = request.META.get("HTTP_X_REQUEST_ID", "")
    return given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


def problem_of(error: Exception, *, request_id: str) -> Problem:
    """The problem that an error is shown as. What is not known here is a fault of ours: 500, without its text."""
    for kind, shown in SHOWN.items():
        if isinstance(error, kind):
            return shown(error)
    detail = f"Something went wrong on our side. Nothing more is known here; give support the id {request_id}."
    return Problem(status=500, code="internal", detail=detail)


def _refused(error: Refused) -> Problem:
    ids = {"run_id": error.run_id, "blocker_id": error.blocker_id}
    more = {name: value for name, value in ids.items() if value is not None}
    return Problem(status=409, code=error.code, detail=error.message, more=more)


def _manifest(error: ManifestError) -> Problem:
    errors = [{"field": problem.path, "message": problem.message} for problem in error.problems]
    detail = f"The connector's manifest cannot be used; it has {len(errors)} problem{'s' if len(errors) != 1 else ''}."
    advice = "Correct the manifest on the connector's page; /api/connectors/validate/ checks a text without saving it."
    return Problem(status=409, code="manifest", detail=detail, more={"errors": errors, "advice": advice})


def _source(error: SourceError) -> Problem:
    headers = {"Retry-After": f"{error.retry_after:.0f}"} if error.retry_after is not None else {}
    status = SOURCE_STATUS.get(error.fault, 502)
    code = f"source_{error.fault}"
    return Problem(status=status, code=code, detail=error.message, more=_advice(error.advice), headers=headers)


def _ingestion(error: IngestionError) -> Problem:
    status = 503 if error.transient else 409
    return Problem(status=status, code=f"warehouse_{error.fault}", detail=error.message, more=_advice(error.advice))


def _seal(error: SealError) -> Problem:
    advice = "Enter the credentials anew on the data source's page, or give the server the key they were sealed with."
    return Problem(status=409, code="sealed", detail=str(error), more={"advice": advice})


def _database(error: OperationalError) -> Problem:
    log.warning("the database did not answer a request: %s", type(error).__name__)
    detail = "The control database is busy or away. Nothing was changed; try again in a moment."
    return Problem(status=503, code="database", detail=detail, headers={"Retry-After": "2"})


def _advice(advice: str) -> dict[str, str]:
    return {"advice": advice} if advice else {}


def _invalid(error: exceptions.ValidationError) -> Problem:
    errors = list(_errors("", error.detail))
    said = [f"{item['field']}: {item['message']}" if item["field"] else item["message"] for item in errors]
    return Problem(status=400, code="invalid", detail=" ".join(said), more={"errors": errors})


def _errors(path: str, detail: Any) -> Iterator[dict[str, str]]:
    """Nested errors of serializers and filters, flattened; errors of the whole have no field."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            at = path if name == "non_field_errors" else f"{path}.{name}".strip(".")
            yield from _errors(at, inner)
    elif isinstance(detail, list):
        for inner in detail:
            yield from _errors(path, inner)
    else:
        yield {"field": path, "message": str(detail)}


def _framework(error: exceptions.APIException) -> Problem:
    code = error.get_codes()
    headers = {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = f"{wait:.0f}"
    word = code if isinstance(code, str) else error.default_code
    return Problem(status=error.status_code, code=word, detail=str(error.detail), headers=headers)


def _missing(error: Http404) -> Problem:
    return Problem(status=404, code="not_found", detail=str(error) or "There is nothing at this address.")


def _denied(error: PermissionDenied) -> Problem:
    detail = str(error) or "Your account may not do this; ask an administrator."
    return Problem(status=403, code="permission_denied", detail=detail)


SHOWN: Final[Mapping[type[Exception], Callable[[Any], Problem]]] = {
    Refused: _refused,
    ManifestError: _manifest,
    SourceError: _source,
    IngestionError: _ingestion,
    SealError: _seal,
    OperationalError: _database,
    exceptions.ValidationError: _invalid,
    exceptions.APIException: _framework,
    Http404: _missing,
    PermissionDenied: _denied,
}
