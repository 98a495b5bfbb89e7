"""The token endpoint: an id and a secret for a bearer token, at our own address and at that of Adobe's IMS."""

from __future__ import annotations

import json
from typing import Any

from django.contrib.auth.hashers import make_password
from django.http import HttpRequest, HttpResponse, JsonResponse
from oauth2_provider.oauth2_validators import OAuth2Validator
from oauth2_provider.views import TokenView
from oauthlib.oauth2 import BackendApplicationServer  # type: ignore[import-untyped]
from oauthlib.oauth2.rfc6749.errors import InvalidClientError  # type: ignore[import-untyped]

from ingestion.access.models import ApiClient

ADVICE = (
    "The client id or the secret is wrong, or the client is switched off. Its page in the admin, "
    "under API clients, says whether it is on; a lost secret is replaced there."
)


class Validator(OAuth2Validator):  # type: ignore[misc]
    """Knows a client by its secret and nothing else; any scope may be asked for, and none means anything."""

    def authenticate_client(self, request: Any, *args: Any, **kwargs: Any) -> bool:
        by_header = bool(self._extract_basic_auth(request))
        known = self._authenticate_basic_auth(request) if by_header else self._authenticate_request_body(request)
        if request.client is None:
            make_password(getattr(request, "client_secret", "") or "")  # as slow as for an id that exists
        if not known or not ApiClient.objects.filter(application=request.client, active=True).exists():
            raise InvalidClientError(description=ADVICE, request=request)
        return True

    def _load_application(self, client_id: str | None, request: Any) -> Any:
        if "\0" in (client_id or ""):  # psycopg refuses it with an error that the toolkit does not expect
            return None
        return super()._load_application(client_id, request)

    def get_default_scopes(self, client_id: str, request: Any, *args: Any, **kwargs: Any) -> list[str]:
        return []

    def validate_scopes(
        self, client_id: str, scopes: list[str], client: Any, request: Any, *args: Any, **kwargs: Any
    ) -> bool:
        request.scopes = []
        return True


class Token(TokenView):  # type: ignore[misc]
    """POST with grant_type, client_id and client_secret as form fields, or the latter two as basic auth."""

    server_class = BackendApplicationServer
    validator_class = Validator

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.META.get("QUERY_STRING"):
            text = "Send the fields in the body, as a form: an address is written to logs, and a secret must not be."
            return JsonResponse({"error": "invalid_request", "error_description": text}, status=400)
        answer: HttpResponse = self.authorization_flow_token_response(request)
        if answer.status_code == 200:
            given = json.loads(answer.content)
            fields = {"access_token": given["access_token"], "token_type": "bearer", "expires_in": given["expires_in"]}
            answer.content = json.dumps(fields).encode()
        return answer
