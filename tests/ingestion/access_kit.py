"""Clients and requests for the tests of access: the gateway in front of a view that answers who called."""

from dataclasses import asdict

from django.urls import include, path
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView, exception_handler

from ingestion.access import clients
from ingestion.access.gateway import Gateway, GatewayError, SessionCaller, gateway_response
from ingestion.access.models import Sandbox


class WhoCalls(APIView):
    authentication_classes = (SessionCaller, Gateway)
    permission_classes = (IsAuthenticated,)

    def get(self, request):
        return Response({**asdict(request.auth), "username": request.user.get_username()})

    post = get

    def get_exception_handler(self):
        return answer_error


def answer_error(error, context):
    return gateway_response(error) if isinstance(error, GatewayError) else exception_handler(error, context)


urlpatterns = [path("who/", WhoCalls.as_view()), path("", include("config.urls"))]


def organisation(name="default", *sandboxes):
    """An organisation with `prod`, and these besides."""
    made = clients.add_organisation(name=name)
    for sandbox in sandboxes:
        Sandbox.objects.get_or_create(organisation=made, name=sandbox)
    return made


def program(name="Nightly", *, of=None, only=()):
    """A client's credentials; `only` names the sandboxes it is limited to."""
    owner = of or organisation()
    sandboxes = Sandbox.objects.filter(organisation=owner, name__in=only)
    return clients.create(organisation=owner, name=name, sandboxes=sandboxes, by="anna")


def form(given, **changes):
    """The fields of a token request."""
    usual = {"grant_type": "client_credentials", "client_id": given.client_id, "client_secret": given.secret}
    return {**usual, **changes}


def token_of(http, given):
    answer = http.post("/oauth/token/", form(given))
    assert answer.status_code == 200, answer.content
    return answer.json()["access_token"]


def headers(given, token, **changes):
    """The headers of a request; one that is None is left out."""
    usual = {
        "authorization": f"Bearer {token}",
        "x-api-key": given.client_id,
        "x-gw-ims-org-id": given.client.organisation.name,
    }
    wanted = {**usual, **{name.replace("_", "-"): value for name, value in changes.items()}}
    return {name: value for name, value in wanted.items() if value is not None}
