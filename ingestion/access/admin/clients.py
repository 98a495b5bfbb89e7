"""API clients: who may call the batch API, and when each of them last asked for a token."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from oauth2_provider.models import AccessToken
from unfold.admin import ModelAdmin

from ingestion.access import clients
from ingestion.access.admin import verbs
from ingestion.access.admin.forms import ApiClientForm
from ingestion.access.admin.secret import show_once
from ingestion.access.admin.words import where
from ingestion.access.errors import AccessError
from ingestion.access.models import ApiClient

BREAK = mark_safe("<wbr>")  # narrow pages may break an id here; copied, it is whole


@admin.register(ApiClient)
class ApiClientAdmin(ModelAdmin):  # type: ignore[misc]
    form = ApiClientForm
    change_form_template = "access/client.html"
    list_display = ("name", "state", "organisation", "sandbox_words", "client_id", "last_token", "made_by")
    list_filter = ("organisation", "active")
    list_select_related = ("organisation", "application")
    search_fields = ("name", "organisation__name", "=application__client_id", "technical_account")
    search_help_text = "Name, organisation, client id or technical account"
    fields = ("organisation", "name", "sandboxes_allowed", "technical_account")
    actions = None
    show_full_result_count = False
    empty_words = "No API client yet. Add one to give a program an id and a secret for the batch API."

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiClient]:
        newest = AccessToken.objects.filter(application=OuterRef("application")).order_by("-created")
        queryset: QuerySet[ApiClient] = super().get_queryset(request)
        queryset = queryset.select_related("organisation", "application").prefetch_related("sandboxes")
        return queryset.annotate(last_token_at=Subquery(newest.values("created")[:1]))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # switched off instead: its batches go on to name it

    # Columns

    @admin.display(description="Status", ordering="active")
    def state(self, client: ApiClient) -> SafeString:
        tone, shape, word = (
            ("completed", "check_circle", "Active") if client.active else ("cancelled", "do_not_disturb_on", "Off")
        )
        icon = format_html('<span class="material-symbols-outlined hg-icon" aria-hidden="true">{}</span>', shape)
        return format_html('<span class="hg-badge hg-{}">{}<span>{}</span></span>', tone, icon, word)

    @admin.display(description="Sandboxes")
    def sandbox_words(self, client: ApiClient) -> str:
        return where(client)

    @admin.display(description="Client id")
    def client_id(self, client: ApiClient) -> SafeString:
        whole = client.application.client_id
        pieces = [(whole[start : start + 8],) for start in range(0, len(whole), 8)]
        return format_html("<code>{}</code>", format_html_join(BREAK, "{}", pieces))

    @admin.display(description="Last token", ordering="last_token_at")
    def last_token(self, client: Any) -> str:
        return moment(client.last_token_at) if client.last_token_at else "None lately"

    @admin.display(description="Made by", ordering="created_by")
    def made_by(self, client: ApiClient) -> str:
        return f"{client.created_by}, {moment(client.created_at)}"

    # Saving

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        extra = {"show_save_and_add_another": False, "show_save_and_continue": False, **(extra_context or {})}
        try:
            answer: HttpResponse = super().add_view(request, form_url, extra)
        except AccessError as refusal:  # two people with the same name in the same moment
            messages.error(request, str(refusal))
            return HttpResponseRedirect(request.get_full_path())
        return answer

    def save_model(self, request: Any, obj: ApiClient, form: Any, change: bool) -> None:
        allowed = form.cleaned_data["sandboxes_allowed"]
        if change:
            super().save_model(request, obj, form, change)
            clients.limit(obj, to=allowed)
            return
        obj.created_by = request.user.get_username()
        request.credentials = clients.register(obj, sandboxes=allowed)

    def response_add(self, request: Any, obj: ApiClient, post_url_continue: str | None = None) -> HttpResponse:
        return show_once(self, request, request.credentials)

    # The page

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        client = self.get_object(request, object_id)
        facts = self._facts(request, client) if client else {}
        return super().change_view(request, object_id, form_url, {**facts, **(extra_context or {})})  # type: ignore[no-any-return]

    def _facts(self, request: HttpRequest, client: Any) -> dict[str, Any]:
        living = AccessToken.objects.filter(application=client.application, expires__gt=timezone.now()).count()
        return {
            "client": client,
            "badge": self.state(client),
            "may_change": self.has_change_permission(request, client),
            "facts": [
                ("Secret made", moment(client.secret_made_at)),
                ("Last token", self.last_token(client)),
                ("Tokens that work now", f"{living:,}"),
                ("Made by", self.made_by(client)),
            ],
            "secret_address": reverse("admin:access_apiclient_secret", args=[client.pk]),
            "switch_address": reverse("admin:access_apiclient_switch", args=[client.pk]),
            "show_save_and_add_another": False,
        }

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        own = [
            path(f"<int:client_id>/{name}/", wrap(verb(self).view), name=f"access_apiclient_{name}")
            for name, verb in verbs.VERBS.items()
        ]
        urls: list[URLPattern] = super().get_urls()
        return own + urls


def moment(value: datetime) -> str:
    return timezone.localtime(value).strftime("%d %b %Y %H:%M")
