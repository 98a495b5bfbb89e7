"""The form of a data source: its own fields, and one for each setting and credential that its manifest declares.

Credentials go in and never come out: no value, no mask, no length of one is ever rendered.
"""

from __future__ import annotations

import re
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from connectors.admin.telling import WebhookForm
from connectors.manifest import Credential, Manifest, Setting
from connectors.models import Connector, DataSource
from connectors.secrets import SealError

SETTING, CREDENTIAL = "setting_", "credential_"
TAKEN = ("headgate_books", "headgate_store", "information_schema", "system", "temp")


class DataSourceForm(WebhookForm):
    """`build` gives it the fields of one connector."""

    manifest: Manifest | None = None

    class Meta:
        model = DataSource
        fields = (
            "name", "connector", "namespace", "enabled", "endpoints", "schema_policy", "on_failure", "max_hours",
            "webhook_enabled", "webhook_url",
        )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.stored, self.sealed_shut = stored_credentials(self.instance)
        if self.instance.pk and "namespace" in self.fields:
            self.fields["namespace"].disabled = True
            self.fields["namespace"].help_text = "The schema in the warehouse. It stays as it is: tables live in it."
        for name, value in (self.instance.settings or {}).items():
            self.initial[SETTING + name] = value
        for credential in self._declared():
            field = self.fields.get(CREDENTIAL + credential.name)
            if field is not None:
                field.help_text = self._state_of(credential)

    def _declared(self) -> tuple[Credential, ...]:
        return self.manifest.credentials if self.manifest else ()

    def _state_of(self, credential: Credential) -> str:
        if self.sealed_shut:
            return "Not readable with the keys of this server. Enter it again."
        return "Set. Leave it empty to keep it." if self.stored.get(credential.name) else "Not set."

    def clean_namespace(self) -> str:
        """Schemas of a warehouse's own, or of ours in it, are no place for tables: a run would fail at its very end."""
        namespace: str = self.cleaned_data["namespace"]
        if not self.instance.pk and (namespace in TAKEN or namespace.startswith("pg_")):
            raise ValidationError(f"“{namespace}” is a schema that the warehouse needs itself: choose another name.")
        return namespace

    def clean_max_hours(self) -> float:
        hours: float = self.cleaned_data["max_hours"]
        if not 0 < hours <= 24 * 30:
            raise ValidationError("Use a number of hours above 0, and at most 720 (30 days).")
        return hours

    def clean(self) -> dict[str, Any]:
        """A stored secret is never sent to an address that it was not given for: a changed address asks for it anew."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if self.instance.pk and self._leads_elsewhere(cleaned):
            for credential in self._declared():
                name = CREDENTIAL + credential.name
                if credential.secret and self.stored.get(credential.name) and not cleaned.get(name):
                    self.add_error(name, "The address has changed: enter it again for the new one.")
        return cleaned

    def _leads_elsewhere(self, cleaned: dict[str, Any]) -> bool:
        if self.manifest is None:
            return False
        addresses = f"{self.manifest.base_url} {self.manifest.auth.token_url}"
        before = self.instance.settings or {}
        return any(
            (cleaned.get(SETTING + setting.name) or "") != before.get(setting.name, "")
            for setting in self.manifest.settings
            if re.search(rf"settings\.{setting.name}\b", addresses)
        )

    def applied(self) -> DataSource:
        """The source as the form describes it, unsaved. Call on a valid form."""
        source = self.instance
        source.settings = self._given(
            SETTING, [setting.name for setting in self.manifest.settings] if self.manifest else []
        )
        names = [credential.name for credential in self._declared()]
        kept = {name: value for name, value in self.stored.items() if name in names}
        fresh = self._given(CREDENTIAL, names)
        if fresh or kept != self.stored:
            source.seal(kept | fresh)
        return source

    def _given(self, prefix: str, names: list[str]) -> dict[str, str]:
        values = {name: str(self.cleaned_data.get(prefix + name) or "") for name in names}
        return {name: value for name, value in values.items() if value}

    def save(self, commit: bool = True) -> DataSource:
        if self.manifest is not None:
            self.applied()
        saved: DataSource = super().save(commit=commit)
        return saved


def stored_credentials(source: DataSource) -> tuple[dict[str, str], bool]:
    """What is sealed, and whether it can no longer be opened."""
    try:
        return source.credentials, False
    except SealError:
        return {}, True


def build(connector: Connector | None, manifest: Manifest | None) -> type[DataSourceForm]:
    """The form for one connector's data sources."""
    fields: dict[str, Any] = {"manifest": manifest, "connector": _connector_field(connector)}
    if manifest is not None:
        fields |= {SETTING + setting.name: _setting_field(setting) for setting in manifest.settings}
        fields |= {CREDENTIAL + item.name: _credential_field(item) for item in manifest.credentials}
        fields["endpoints"] = _endpoints_field(manifest)
    return type("DataSourceForm", (DataSourceForm,), fields)


def _connector_field(connector: Connector | None) -> forms.ModelChoiceField[Connector]:
    chosen = Connector.objects.filter(pk=connector.pk) if connector else Connector.objects.all()
    return forms.ModelChoiceField(
        chosen,
        initial=connector.pk if connector else None,
        empty_label=None if connector else "Choose a connector",
        widget=UnfoldAdminSelectWidget(),
    )


def _setting_field(setting: Setting) -> forms.Field:
    usual = f" Usually {setting.default}." if setting.default else ""
    return forms.CharField(
        label=setting.title,
        help_text=f"{setting.help}{usual}".strip(),
        required=setting.default is None,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": setting.default or "", "spellcheck": "false"}),
    )


def _credential_field(credential: Credential) -> forms.Field:
    attrs = {"autocomplete": "new-password", "spellcheck": "false"}
    return forms.CharField(
        label=credential.title,
        required=False,
        strip=not credential.secret,
        widget=UnfoldAdminPasswordWidget(attrs=attrs, render_value=False),
    )


def _endpoints_field(manifest: Manifest) -> forms.Field:
    return forms.MultipleChoiceField(
        label="Endpoints",
        required=False,
        choices=[(endpoint.name, endpoint.title) for endpoint in manifest.endpoints],
        help_text="What is read. With none chosen, every endpoint is.",
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
    )
