"""New secret, switch off, switch on: each asks on a page of its own, then calls one verb of access."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from ingestion.access import clients
from ingestion.access.admin.secret import show_once
from ingestion.access.errors import AccessError
from ingestion.access.models import ApiClient


class Verb:
    """A page that asks, and the POST that does it."""

    name: ClassVar[str]

    def __init__(self, screen: Any) -> None:
        self.screen = screen
        self.view = require_http_methods(["GET", "POST"])(self._view)

    def _view(self, request: HttpRequest, client_id: int) -> HttpResponse:
        client: ApiClient | None = self.screen.get_queryset(request).filter(pk=client_id).first()
        if client is None:
            raise Http404(f"There is no API client {client_id}.")
        if not self.screen.has_change_permission(request, client):
            raise PermissionDenied
        if request.method == "POST":
            try:
                return self.perform(request, client)
            except AccessError as refusal:
                messages.warning(request, str(refusal))
                return HttpResponseRedirect(address_of(client))
        context = {
            **self.screen.admin_site.each_context(request),
            "opts": self.screen.opts,
            "original": client,
            "back": address_of(client),
            **self.question(client),
        }
        return TemplateResponse(request, "admin/confirm.html", context)

    def question(self, client: ApiClient) -> dict[str, Any]:
        """What the page asks: title, points, submit, and what else the template knows."""
        raise NotImplementedError

    def perform(self, request: HttpRequest, client: ApiClient) -> HttpResponse:
        raise NotImplementedError


class NewSecret(Verb):
    """Which secret is replaced goes with the form, so that the same form sent again replaces nothing."""

    name = "secret"

    def question(self, client: ApiClient) -> dict[str, Any]:
        return {
            "title": f"Make a new secret for “{client}”?",
            "points": [
                ("key_off", "The secret it has now gets no more tokens, from this moment on."),
                ("visibility", "The new one is shown once, on the next page. Have a safe place for it ready."),
            ],
            "choices": [
                ("keep", "Let running programs go on", "Tokens that were given out work until they end."),
                ("revoke", "Cut them off", "Every token it has ends now. For a secret that others may know."),
            ],
            "fields": {"instead_of": client.secret_made_at.isoformat()},
            "submit": "Make a new secret",
            "danger": True,
        }

    def perform(self, request: HttpRequest, client: ApiClient) -> HttpResponse:
        instead_of = _moment(request.POST.get("instead_of", ""))
        revoke = request.POST.get("choice") == "revoke"
        given = clients.new_secret(client, instead_of=instead_of, revoke=revoke)
        cut = " and took back its tokens" if revoke else ""
        self.screen.log_change(request, client, f"Made a new secret{cut}.")
        return show_once(self.screen, request, given)


class Switch(Verb):
    """Off while it is on, on while it is off. Which of them was meant goes with the form."""

    name = "switch"

    def question(self, client: ApiClient) -> dict[str, Any]:
        if client.active:
            return {
                "title": f"Switch “{client}” off?",
                "points": [
                    ("key_off", "Its tokens end now, and it gets no more: every request of it is refused."),
                    ("shield", "Nothing that it has loaded is touched. Batches that it left open stay open."),
                    ("toggle_on", "It can be switched on again, with the same id and secret."),
                ],
                "fields": {"to": "off"},
                "submit": "Switch it off",
                "danger": True,
            }
        return {
            "title": f"Switch “{client}” on?",
            "points": [("key", "It gets tokens again, with the id and the secret that it had.")],
            "fields": {"to": "on"},
            "submit": "Switch it on",
        }

    def perform(self, request: HttpRequest, client: ApiClient) -> HttpResponse:
        on = request.POST.get("to") == "on"
        count = clients.switch(client, on=on)
        text = "Switched on." if on else f"Switched off; tokens taken back: {count:,}."
        self.screen.log_change(request, client, text)
        messages.success(request, f"“{client}”: {text}")
        return HttpResponseRedirect(address_of(client))


VERBS: dict[str, type[Verb]] = {verb.name: verb for verb in (NewSecret, Switch)}


def _moment(text: str) -> datetime:
    """A moment that a form of ours wrote; for anything else one at which no secret was made."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def address_of(client: ApiClient) -> str:
    return reverse("admin:access_apiclient_change", args=[client.pk])
