"""The gateway of the batch API: from the headers of a request to its Caller, or a documented refusal.

It reads one row for each request and writes none.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.request import Request
from rest_framework.response import Response

from ingestion.access import errors
from ingestion.access.caller import Caller, ClientUser
from ingestion.access.errors import GatewayError
from ingestion.access.lookup import holder_of
from ingestion.access.models import Sandbox

__all__ = ["Gateway", "GatewayError", "SessionCaller", "gateway_response"]


class Gateway(BaseAuthentication):
    """Programs: `Authorization: Bearer`, x-api-key, x-gw-ims-org-id and x-sandbox-name. Answers or raises, never
    passes on: it goes last among a view's authentication classes."""

    def authenticate(self, request: Request) -> tuple[ClientUser, Caller]:
        token = _bearer(request)
        if not token:
            raise errors.token_missing() if token is None else errors.token_invalid()
        key, organisation = _header(request, "x-api-key"), _header(request, "x-gw-ims-org-id")
        if not key:
            raise errors.key_missing()
        if not organisation:
            raise errors.organisation_missing()
        caller = _caller(token, key=key, organisation=organisation, sandbox=_sandbox(request))
        return ClientUser(caller.user), caller

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class SessionCaller(SessionAuthentication):
    """People signed in to the admin; their changes need the CSRF token. Passes on whatever brings a bearer token;
    goes before Gateway."""

    def authenticate(self, request: Request) -> tuple[Any, Caller] | None:
        if _bearer(request):
            return None
        user: Any = getattr(request._request, "user", None)
        if user is None or not (user.is_active and user.is_staff):
            return None
        self.enforce_csrf(request)
        organisation = _header(request, "x-gw-ims-org-id") or str(settings.ORGANISATION)
        sandbox = _sandbox(request)
        if (organisation, sandbox) != (settings.ORGANISATION, settings.SANDBOX):
            _check_named(organisation, sandbox)
        return user, Caller(
            organisation=organisation, sandbox=sandbox, client_id="", user=user.get_username(), staff=True
        )


def gateway_response(error: GatewayError) -> Response:
    """What an exception handler answers to a GatewayError: {"error_code", "message"}."""
    headers = {"WWW-Authenticate": error.auth_header} if error.auth_header else None
    return Response(
        {"error_code": error.error_code, "message": error.message}, status=error.status_code, headers=headers
    )


def _header(request: Request, name: str) -> str:
    value = str(request.META.get("HTTP_" + name.upper().replace("-", "_"), ""))
    return value.strip().replace("\0", "\ufffd")  # Postgres refuses NUL in text; the other is in no name


def _sandbox(request: Request) -> str:
    return _header(request, "x-sandbox-name") or str(settings.SANDBOX)


def _bearer(request: Request) -> str | None:
    """The token; nothing where there is none; an empty text where the header holds something else."""
    header = _header(request, "authorization")
    if not header or header.lower() == "bearer":
        return None
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _check_named(organisation: str, sandbox: str) -> None:
    known = set(Sandbox.objects.filter(organisation__name=organisation).values_list("name", flat=True))
    if not known:  # every organisation has one at least
        raise errors.organisation_refused()
    if sandbox not in known:
        raise errors.sandbox_refused(sandbox)


def _caller(token: str, *, key: str, organisation: str, sandbox: str) -> Caller:
    holder = holder_of(token, sandbox=sandbox, now=timezone.now())
    if holder is None:
        raise errors.token_invalid()
    if key != holder.client_id:
        raise errors.key_invalid()
    if organisation != holder.organisation:
        raise errors.organisation_refused()
    if not holder.may_enter:
        raise errors.sandbox_refused(sandbox)
    return Caller(organisation=organisation, sandbox=sandbox, client_id=key, user=holder.account)
