"""The part of a data source's form that says whom to tell of its data loads. The secret goes in and never comes out."""

from __future__ import annotations

from typing import Any, Final

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import UnfoldAdminPasswordWidget

from connectors import webhooks
from connectors.models import DataSource

WEBHOOK: Final = ("webhook_enabled", "webhook_url", "webhook_secret")
ABOUT: Final = (
    "A program of yours can be told when new data is live: a short JSON message, signed, without any value of the "
    "data. A message that is not taken never touches the data; it can be sent again on the data load's page."
)


class WebhookForm(forms.ModelForm[DataSource]):
    """An address that will never be called is refused when it is saved."""

    webhook_secret = forms.CharField(
        label="Secret",
        required=False,
        widget=UnfoldAdminPasswordWidget(
            attrs={"autocomplete": "new-password", "spellcheck": "false"}, render_value=False
        ),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields.get("webhook_secret")
        if field is not None:
            kept = "Set. Leave it empty to keep it." if self.instance.sealed_webhook else "Not set."
            field.help_text = f"{kept} Messages are signed with it; the receiver needs the same."

    def clean_webhook_url(self) -> str:
        address: str = (self.cleaned_data["webhook_url"] or "").strip()
        if address and "webhook_url" in self.changed_data and (reason := webhooks.why_not(address)):
            raise ValidationError(reason)
        return address

    def clean_webhook_secret(self) -> str:
        secret: str = self.cleaned_data["webhook_secret"] or ""
        if secret and len(secret) < webhooks.SHORTEST_SECRET:
            raise ValidationError(f"Use at least {webhooks.SHORTEST_SECRET} characters.")
        return secret

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if cleaned.get("webhook_enabled"):
            if "webhook_url" not in self.errors and not cleaned.get("webhook_url"):
                self.add_error("webhook_url", "Without an address nobody can be told.")
            if not (cleaned.get("webhook_secret") or self.instance.sealed_webhook or "webhook_secret" in self.errors):
                self.add_error("webhook_secret", "Without a secret the receiver cannot know that it is us.")
        return cleaned

    def save(self, commit: bool = True) -> DataSource:
        if secret := self.cleaned_data.get("webhook_secret"):
            self.instance.seal_webhook(secret)
        saved: DataSource = super().save(commit=commit)
        return saved
