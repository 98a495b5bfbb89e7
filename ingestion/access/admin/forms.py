"""The form of an API client. It never holds a secret: one is made when a client is saved for the first time."""

from __future__ import annotations

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from ingestion.access.models import ApiClient, Sandbox


class ApiClientForm(forms.ModelForm[ApiClient]):
    sandboxes_allowed: forms.ModelMultipleChoiceField[Sandbox] = forms.ModelMultipleChoiceField(
        Sandbox.objects.select_related("organisation"),
        label="Sandboxes",
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
        help_text="Where it may work. With none chosen, in every sandbox of its organisation.",
    )

    class Meta:
        model = ApiClient
        fields = ("organisation", "name", "technical_account")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance.pk or "organisation" not in self.fields:
            return
        allowed = self.fields["sandboxes_allowed"]
        allowed.queryset = allowed.queryset.filter(organisation=self.instance.organisation)  # type: ignore[attr-defined]
        self.initial["sandboxes_allowed"] = list(self.instance.sandboxes.values_list("pk", flat=True))
        self.fields["organisation"].disabled = True
        self.fields["organisation"].help_text = "It stays as it is: the client's batches belong to it."

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        owner = cleaned.get("organisation")
        foreign = [
            str(one) for one in cleaned.get("sandboxes_allowed", ()) if owner and one.organisation_id != owner.pk
        ]
        if foreign:
            text = (
                f"{', '.join(foreign)} does not belong to the organisation “{owner}”. Choose among its own sandboxes."
            )
            self.add_error("sandboxes_allowed", text)
        return cleaned
