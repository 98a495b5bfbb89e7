"""The page that shows a secret, once: the answer to the POST that made it, and nothing that is kept."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.debug import sensitive_variables

from ingestion.access.admin.words import where
from ingestion.access.clients import Credentials


@sensitive_variables()
def show_once(screen: Any, request: HttpRequest, given: Credentials) -> HttpResponse:
    """`screen` is the admin that asks. The page is not stored by browsers, and the secret goes nowhere else."""
    client = given.client
    context = {
        **screen.admin_site.each_context(request),
        "title": f"The secret of “{client}”",
        "opts": screen.opts,
        "original": client,
        "client": client,
        "given": [
            ("Client id", "client_id, and the header x-api-key", given.client_id),
            ("Client secret", "client_secret", given.secret),
            ("Organisation", "the header x-gw-ims-org-id", client.organisation.name),
        ],
        "where": where(client),
        "usual_sandbox": settings.SANDBOX,
        "token_example": token_example(request, given),
        "call_example": call_example(request, given),
        "back": reverse("admin:access_apiclient_change", args=[client.pk]),
    }
    headers = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    return TemplateResponse(request, "access/secret.html", context, headers=headers)


def token_example(request: HttpRequest, given: Credentials) -> str:
    lines = [
        f"curl {request.build_absolute_uri(reverse('access:token'))}",
        "-d grant_type=client_credentials",
        f"-d client_id={given.client_id}",
        f"-d client_secret={given.secret}",
    ]
    return " \\\n  ".join(lines)


def call_example(request: HttpRequest, given: Credentials) -> str:
    lines = [
        f"curl '{request.build_absolute_uri('/data/foundation/catalog/batches?limit=5')}'",
        "-H 'Authorization: Bearer <the access_token>'",
        f"-H 'x-api-key: {given.client_id}'",
        f"-H 'x-gw-ims-org-id: {given.client.organisation}'",
    ]
    limits = sorted(sandbox.name for sandbox in given.client.sandboxes.all())
    if limits and settings.SANDBOX not in limits:
        lines.append(f"-H 'x-sandbox-name: {limits[0]}'")
    return " \\\n  ".join(lines)
