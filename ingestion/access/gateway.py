"""The gateway of the batch API: from the headers of a request to its Caller, or a documented refusal."""

from __future__ import annotations

from typing import Any

from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.request import Request
from rest_framework.response import Response

from ingestion.access.caller import Caller
from ingestion.access.errors import GatewayError

__all__ = ["Gateway", "GatewayError", "SessionCaller", "gateway_response"]


class Gateway(BaseAuthentication):
    """Programs: `Authorization: Bearer`, x-api-key, x-gw-ims-org-id and x-sandbox-name. Answers or raises, never
    passes on: it goes last among a view's authentication classes."""

    def authenticate(self, request: Request) -> tuple[Any, Caller]:
        raise NotImplementedError


class SessionCaller(SessionAuthentication):
    """People signed in to the admin. Passes on whatever brings an Authorization header; goes before Gateway."""

    def authenticate(self, request: Request) -> tuple[Any, Caller] | None:  # type: ignore[override]
        raise NotImplementedError


def gateway_response(error: GatewayError) -> Response:
    """What an exception handler answers to a GatewayError: {"error_code", "message"}."""
    raise NotImplementedError
