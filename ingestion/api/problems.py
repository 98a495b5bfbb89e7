"""Every error of the batch API in the shapes that its clients know: the gateway's, and {"type", "status", "title",
"detail"}. What is not known here is a fault of ours: 500, without its text."""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import DataError, InterfaceError, OperationalError
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from ingestion.access.gateway import GatewayError, gateway_response
from ingestion.errors import IngestionError, WrongState
from ingestion.refusals import Refused, Why

log = logging.getLogger(__name__)
REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
STATUS: Final[Mapping[Why, int]] = {
    Why.INVALID: 400,
    Why.MISSING: 404,
    Why.CONFLICT: 409,
    Why.BUSY: 409,
    Why.STATE: 428,
    Why.TOO_LARGE: 413,
    Why.REUSED: 422,
}
NOT_NOW: Final = "ERR-BI-104"  # the action is not valid in this state
AWAY_SECONDS: Final = 10  # when to ask again after trouble of ours


class Problem(Exception):
    """An error on its way out; a view may raise one itself. `code` is one of ERR-BI-nnn, where there is one."""

    def __init__(self, status: int, detail: str, *, code: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status_code, self.detail, self.code = status, detail, code
        self.headers = dict(headers or {})

    @property
    def title(self) -> str:
        """NotFoundError, BadRequestError …: the status as a name, which some clients compare."""
        return re.sub(r"\W", "", HTTPStatus(self.status_code).phrase.title()).removesuffix("Error") + "Error"

    def body(self) -> dict[str, Any]:
        word = self.code or self.title
        shown = {"type": f"urn:headgate:problem:{word}", "status": self.status_code, "title": self.title}
        return {**shown, "detail": self.detail, **({"code": self.code} if self.code else {})}


def bad_request(detail: str, *, code: str = "") -> Problem:
    return Problem(400, detail, code=code)


def missing(detail: str) -> Problem:
    return Problem(404, detail)


def handle(error: Exception, context: dict[str, Any]) -> Response:
    """The exception handler of the batch API: called once for whatever a view raised."""
    request = context["request"]
    request_id = _request_id(request)
    set_rollback()
    if isinstance(error, GatewayError):
        response = gateway_response(error)
    else:
        problem = problem_of(error, request_id=request_id)
        if problem.status_code == 500:
            log.error("request %s to %s failed", request_id, request.path, exc_info=error)
        response = Response(problem.body(), status=problem.status_code, headers=problem.headers)
    response["X-Request-ID"] = request_id
    return response


def problem_of(error: Exception, *, request_id: str = "") -> Problem:
    """The problem that an error is shown as."""
    if isinstance(error, Problem):
        return error
    for kind, shown in SHOWN.items():
        if isinstance(error, kind):
            return shown(error)
    detail = f"Something went wrong on our side. Nothing more is known here; give support the id {request_id}."
    return Problem(500, detail)


def _request_id(request: Any) -> str:
    """The one that the client or a proxy gave, so that logs can be matched; else a new one."""
    given = request.META.get("HTTP_X_REQUEST_ID", "")
    return given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


def _refused(error: Refused) -> Problem:
    wait = error.retry_after
    headers = {"Retry-After": str(wait)} if wait is not None else None
    return Problem(STATUS[error.why], error.message, code=error.code, headers=headers)


def _ingestion(error: IngestionError) -> Problem:
    detail = " ".join(part for part in (error.message, error.advice) if part)
    if isinstance(error, WrongState):
        return Problem(428, detail, code=NOT_NOW)
    if error.transient or error.fault == "config":
        return Problem(503, detail, headers={"Retry-After": str(AWAY_SECONDS)})
    return Problem(409, detail)


def _database(error: Exception) -> Problem:
    log.warning("the database did not answer a request: %s", type(error).__name__)
    detail = "The control database is busy or away. Nothing was changed; try again in a moment."
    return Problem(503, detail, headers={"Retry-After": "2"})


def _out_of_range(error: Exception) -> Problem:
    log.warning("the database refused a value of a request: %s", type(error).__name__)
    return bad_request("A value of the request is out of the range that can be stored.")


def _framework(error: exceptions.APIException) -> Problem:
    headers = {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = f"{wait:.0f}"
    return Problem(error.status_code, str(error.detail), headers=headers)


def _nowhere(error: Http404) -> Problem:
    return missing(str(error) or "There is nothing at this address.")


def _denied(error: PermissionDenied) -> Problem:
    return Problem(403, str(error) or "Your account may not do this; ask an administrator.")


def _suspicious(error: SuspiciousOperation) -> Problem:
    return bad_request("The request is not one that can be answered: its headers or its body break the rules of HTTP.")


SHOWN: Final[Mapping[type[Exception], Callable[[Any], Problem]]] = {
    Refused: _refused,
    IngestionError: _ingestion,
    OperationalError: _database,
    InterfaceError: _database,
    DataError: _out_of_range,
    exceptions.APIException: _framework,
    Http404: _nowhere,
    PermissionDenied: _denied,
    SuspiciousOperation: _suspicious,
}
