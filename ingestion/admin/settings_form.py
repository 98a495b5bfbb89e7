"""The three settings of a client's dataset that an operator may change, and what a change would do at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django import forms
from django.db.models import Count, Sum
from django.utils import timezone

from ingestion.cataloguing import Description, change
from ingestion.cataloguing.describing import LONGEST_RETENTION, POLICIES
from ingestion.models import Dataset
from ingestion.states import BatchStatus

POLICY_WORDS: Final = {
    "evolve": "Evolve: new columns are added, types are widened",
    "freeze": "Freeze: a batch with other columns fails",
    "discard_columns": "Discard columns: what is not known is left out",
}


class SettingsForm(forms.Form):
    """Read from what was sent; its errors are shown above the form."""

    retention_days = forms.IntegerField(
        label="Days that batches stay live", required=False, min_value=1, max_value=LONGEST_RETENTION
    )
    schema_policy = forms.ChoiceField(
        label="Schema policy", choices=[(name, POLICY_WORDS.get(name, name)) for name in POLICIES]
    )
    error_diagnostics = forms.BooleanField(label="Keep every bad row of new batches", required=False)

    @property
    def said(self) -> str:
        """What is wrong, in one line for each field."""
        return " ".join(
            f"{self.fields[name].label}: {' '.join(map(str, found))}" for name, found in self.errors.items()
        )


@dataclass(frozen=True, kw_only=True)
class Expiring:
    """Live batches that are older than a retention would keep them."""

    batches: int
    rows: int


def would_expire(dataset: Dataset, days: int | None) -> Expiring:
    """What the monitor would take out of view at its next look, if the retention were so."""
    if days is None or (dataset.retention_days is not None and days >= dataset.retention_days):
        return Expiring(batches=0, rows=0)
    since = timezone.now() - timedelta(days=days)
    old = dataset.batches.filter(status=BatchStatus.SUCCESS, self_promoting=True, finished_at__lt=since)
    totals = old.aggregate(batches=Count("pk"), rows=Sum("loaded_count"))
    return Expiring(batches=totals["batches"], rows=totals["rows"] or 0)


def differences(dataset: Dataset, wanted: dict[str, Any]) -> list[str]:
    """What would be different, in words for the history."""
    return [
        f"{name.replace('_', ' ')}: {_word(getattr(dataset, name))} → {_word(value)}"
        for name, value in wanted.items()
        if getattr(dataset, name) != value
    ]


def _word(value: Any) -> str:
    return {None: "for ever", True: "on", False: "off"}.get(value, str(value))


def apply(dataset: Dataset, wanted: dict[str, Any], *, user: str) -> None:
    """Describe the dataset as it was, but for these settings. Raises Refused, also when somebody else was faster."""
    as_it_is: dict[str, Any] = {
        "title": dataset.title,
        "description": dataset.description,
        "tags": dataset.tags,
        "schema": dataset.schema,
        "key": tuple(dataset.key),
        "schema_policy": dataset.schema_policy,
        "file_format": dataset.file_format,
        "error_diagnostics": dataset.error_diagnostics,
        "retention_days": dataset.retention_days,
        "others": dataset.wire,
    }
    change(dataset, Description(**{**as_it_is, **wanted}), user=user)
