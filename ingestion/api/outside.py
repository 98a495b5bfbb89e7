"""Errors that come about before a view of the batch API is reached, or beside all of them: a host that is not ours, an
address that leads nowhere. Programs get them in the API's own shape; whether somebody is one is told here, too."""

from __future__ import annotations

from typing import Final

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, JsonResponse

from ingestion.api.problems import Problem, bad_request, missing, problem_of
from ingestion.refusals import shown

AREAS: Final = ("/data/", "/ims/", "/oauth/")  # of programs; people have no pages there
HEADERS: Final = ("HTTP_X_API_KEY", "HTTP_X_GW_IMS_ORG_ID")


def is_programs(request: HttpRequest) -> bool:
    """Is this asked by a program: by its address, or by headers that browsers do not send?"""
    if f"{request.path}/".startswith(AREAS) or any(name in request.META for name in HEADERS):
        return True
    return str(request.META.get("HTTP_AUTHORIZATION", "")).strip().lower().startswith("bearer")


def not_found(request: HttpRequest) -> JsonResponse:
    return _answer(request, missing(f"There is no {shown(request.path, longest=200)} here."))


def refused(request: HttpRequest, error: Exception) -> JsonResponse:
    """For what Django itself turns down."""
    if isinstance(error, DisallowedHost):
        return _answer(request, bad_request(host_refused(request)))
    return _answer(request, problem_of(error, request_id=_request_id(request)))


def broken(request: HttpRequest) -> JsonResponse:
    """For what no view has caught; here nothing is known of it."""
    return _answer(request, problem_of(RuntimeError(), request_id=_request_id(request)))


def host_refused(request: HttpRequest) -> str:
    """What is wrong with the host that a request was sent to, and who can change it."""
    host = shown(str(request.META.get("HTTP_HOST") or request.META.get("SERVER_NAME", "")), longest=200)
    return (
        f"The request was sent to the host “{host}”, which is not one of this service's names. "
        "Use the address that you were given; whoever runs the service names its hosts in DJANGO_ALLOWED_HOSTS."
    )


def _answer(request: HttpRequest, problem: Problem) -> JsonResponse:
    headers = {**problem.headers, "X-Request-ID": _request_id(request)}
    return JsonResponse(problem.body(), status=problem.status_code, headers=headers)


def _request_id(request: HttpRequest) -> str:
    return str(request.META.get("HTTP_X_REQUEST_ID", ""))  # the outermost layer has seen to it
