"""How the batch API describes itself as OpenAPI: its logins, and the problem that every operation may answer."""

from __future__ import annotations

from typing import Any, Literal

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers


class BatchApiProblemSerializer(serializers.Serializer[Any]):
    """What went wrong. The gateway's own refusals are {"error_code", "message"} instead."""

    type = serializers.CharField()
    status = serializers.IntegerField()
    title = serializers.CharField(help_text="The status as a name: NotFoundError, BadRequestError.")
    detail = serializers.CharField(help_text="A sentence for a person.")
    code = serializers.CharField(required=False, help_text="ERR-BI-nnn, where there is one.")


class GatewayScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """A token of /oauth/token/ (or /ims/token/v3); x-api-key and x-gw-ims-org-id go with it."""

    target_class = "ingestion.access.gateway.Gateway"
    name = "gatewayToken"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        return {"type": "http", "scheme": "bearer", "description": (self.__doc__ or "").strip()}


class SessionCallerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """People of the admin."""

    target_class = "ingestion.access.gateway.SessionCaller"
    name = "adminSession"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        return {"type": "apiKey", "in": "cookie", "name": "sessionid"}


def _header(name: str, description: str) -> OpenApiParameter:
    return OpenApiParameter(name, location=OpenApiParameter.HEADER, description=description)


HEADERS = [
    _header("x-api-key", "The client id that the token was issued to."),
    _header("x-gw-ims-org-id", "The organisation."),
    _header("x-sandbox-name", "The sandbox; `prod` where it is left out."),
]


class Described(AutoSchema):
    """The usual description, with the gateway's headers and the problem as the default answer of every operation."""

    def get_override_parameters(self) -> list[Any]:
        return list(HEADERS)

    def _get_response_bodies(self, direction: Literal["request", "response"] = "response") -> dict[str, Any]:
        bodies: dict[str, Any] = super()._get_response_bodies(direction)
        problem = self.resolve_serializer(BatchApiProblemSerializer, direction)
        content = {"application/json": {"schema": problem.ref}}
        bodies["default"] = {"description": "A problem: `detail` says which.", "content": content}
        return bodies
