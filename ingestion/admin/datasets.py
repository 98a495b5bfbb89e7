"""The list of datasets and the page of one: its table, schema and columns, its settings, how its batches fare."""

from __future__ import annotations

import json
from typing import Any, Final
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from ingestion.admin import rights, words
from ingestion.admin.screens import ReadOnly
from ingestion.admin.settings_form import POLICY_WORDS, SettingsForm, apply, differences, would_expire
from ingestion.admin.tracing import search
from ingestion.admin.words import NOTHING, exact, moment, number
from ingestion.models import Dataset, Origin
from ingestion.refusals import Refused
from ingestion.states import BatchStatus

LAST_BATCHES: Final = 10
CHANGES_READ: Final = 100  # batches
BALLAST: Final = ("schema", "tags", "wire", "key")  # heavy, and not in the list


@admin.register(Dataset)
class DatasetAdmin(ReadOnly):
    """Columns and filters of the list; the page, and the one thing that can be changed on it."""

    list_display = ("called", "table", "origin_word", "where", "about", "column_count", "rows_live", "live_since")
    list_display_links = ("called",)
    list_filter = ("origin", "organisation", "sandbox", "namespace")
    search_fields = ("title", "namespace", "name", "source_name", "=public_id")
    search_help_text = "Name, table, or dataset id"
    empty_words = "No dataset yet. One appears when a client makes it, or when a run first names its table."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Dataset]:
        queryset: QuerySet[Dataset] = super().get_queryset(request)
        return queryset.defer(*BALLAST)

    @admin.display(description="Dataset", ordering="title")
    def called(self, dataset: Dataset) -> SafeString | str:
        gone = format_html(' <span class="hg-tag">{}</span>', "deleted") if dataset.deleted_at else ""
        return format_html("{}{}", words.name_of(dataset), gone)

    @admin.display(description="Table", ordering="name")
    def table(self, dataset: Dataset) -> str:
        return str(dataset)

    @admin.display(description="Filled by", ordering="origin")
    def origin_word(self, dataset: Dataset) -> str:
        return filled_by(dataset)

    @admin.display(description="Organisation / sandbox")
    def where(self, dataset: Dataset) -> str:
        return words.where(dataset)

    @admin.display(description="Description")
    def about(self, dataset: Dataset) -> str:
        return dataset.description[:200] or NOTHING

    @admin.display(description="Columns")
    def column_count(self, dataset: Dataset) -> str:
        return number(len(dataset.blueprint))

    @admin.display(description="Live rows", ordering="live_rows")
    def rows_live(self, dataset: Dataset) -> str:
        return number(dataset.live_rows)

    @admin.display(description="Live since", ordering="live_at")
    def live_since(self, dataset: Dataset) -> SafeString | str:
        return moment(dataset.live_at)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_POST(self.settings_view))
        urls: list[URLPattern] = super().get_urls()
        return [path("<int:dataset_id>/settings/", view, name="ingestion_dataset_settings"), *urls]

    def dataset_or_404(self, request: HttpRequest, dataset_id: int | str) -> Dataset:
        """By our number or by the id that clients know. Raises PermissionDenied, Http404."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        asked = str(dataset_id)
        dataset = Dataset.objects.filter(public_id=asked.lower()).first() if len(asked) == 24 else None
        if dataset is None and asked.isascii() and asked.isdecimal() and len(asked) < 19:
            dataset = Dataset.objects.filter(pk=int(asked)).first()
        if dataset is None:
            raise Http404(f"There is no dataset {asked[:64]}.")
        return dataset

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The page of one dataset."""
        dataset = self.dataset_or_404(request, object_id)
        raw = request.user.has_perm(rights.RAW)
        found = search(dataset, request.GET.getlist("key") if raw else ())
        context = {**self._frame(request, dataset), **_context(dataset, request.user), "raw": raw, "search": found}
        return TemplateResponse(request, "admin/ingestion/dataset/page.html", context)

    def settings_view(self, request: HttpRequest, dataset_id: int) -> HttpResponse:
        """Change settings; where that takes live rows out of view, ask first."""
        dataset = self.dataset_or_404(request, dataset_id)
        if not request.user.has_perm(rights.SETTINGS):
            raise PermissionDenied
        back = HttpResponseRedirect(reverse("admin:ingestion_dataset_change", args=[dataset.pk]))
        form = SettingsForm(request.POST)
        if refusal := why_not_change(dataset, request.user) or ("" if form.is_valid() else form.said):
            messages.error(request, f"{refusal} Nothing was changed.")
            return back
        expiring = would_expire(dataset, form.cleaned_data["retention_days"])
        if expiring.batches and request.POST.get("confirmed") != "yes":
            return self._ask(request, dataset, expiring, form.cleaned_data["retention_days"])
        self._change(request, dataset, form.cleaned_data)
        return back

    def _change(self, request: HttpRequest, dataset: Dataset, wanted: dict[str, Any]) -> None:
        changed = differences(dataset, wanted)
        if not changed:
            messages.info(request, "The settings were so already. Nothing was changed.")
            return
        try:
            apply(dataset, wanted, user=request.user.get_username())
        except Refused as refusal:
            messages.error(request, refusal.message)
            return
        self.log_change(request, dataset, "; ".join(changed))
        messages.success(request, f"The settings were changed. {'; '.join(changed)}.")

    def _ask(self, request: HttpRequest, dataset: Dataset, expiring: Any, days: int) -> HttpResponse:
        rows, batches = words.plural(expiring.rows, "row"), words.plural(expiring.batches, "live batch")
        sent = {name: request.POST[name] for name in SettingsForm.base_fields if name in request.POST}
        older = "is" if expiring.batches == 1 else "are"
        context = {
            **self._frame(request, dataset),
            "title": f"Keep batches of “{words.name_of(dataset)}” for {days:,} days only?",
            "points": [
                ("visibility_off", f"{batches} of it {older} older than that: {rows} leave the table within seconds."),
                ("block", "They cannot be made live again; the data would have to be sent in new batches."),
                ("schedule", "From then on, every batch leaves when it reaches that age."),
            ],
            "submit": "Change it, and let them go",
            "danger": True,
            "fields": {**sent, "confirmed": "yes"},
            "back": reverse("admin:ingestion_dataset_change", args=[dataset.pk]),
        }
        return TemplateResponse(request, "admin/confirm.html", context)

    def _frame(self, request: HttpRequest, dataset: Dataset) -> dict[str, Any]:
        title = words.name_of(dataset)
        each = self.admin_site.each_context(request)
        return {**each, "title": title, "opts": self.opts, "original": dataset, "dataset": dataset}


def filled_by(dataset: Dataset) -> str:
    return "Clients" if dataset.origin == Origin.CLIENTS else "API runs"


def why_not_change(dataset: Dataset, user: Any) -> str:
    """Why this person cannot change the settings, or nothing."""
    if said := rights.missing(user, rights.SETTINGS):
        return said
    if dataset.origin != Origin.CLIENTS:
        return "API runs fill this dataset: its settings are those of its data source."
    return "The dataset was deleted by its client." if dataset.deleted_at else ""


def _context(dataset: Dataset, user: Any) -> dict[str, Any]:
    """All that the page shows, in a fixed number of queries."""
    batches = list(dataset.batches.order_by("-pk").annotate(client_name=words.client_name())[:LAST_BATCHES])
    return {
        "called": words.name_of(dataset),
        "sentence": _sentence(dataset),
        "facts": _facts(dataset),
        "counters": _by_status(dataset),
        "rows": [_line(batch) for batch in batches],
        "batches_address": f"{reverse('admin:ingestion_batch_changelist')}?{urlencode(_all_of(dataset))}",
        "schema": json.dumps(dataset.schema, indent=2, ensure_ascii=False) if dataset.schema is not None else "",
        "columns": _columns(dataset),
        "tags": dataset.tags,
        "policies": list(POLICY_WORDS.items()),
        "cannot_change": why_not_change(dataset, user),
    }


def _all_of(dataset: Dataset, **more: str) -> dict[str, str]:
    return {"dataset": str(dataset.pk), "origin": "all", **more}


def _sentence(dataset: Dataset) -> str:
    if dataset.deleted_at:
        left = f"Its table {dataset} stays in the warehouse, with {words.plural(dataset.live_rows or 0, 'row')}."
        kept = left if dataset.live_at else "It never had a table."
        return f"Its client deleted it {exact(dataset.deleted_at)}: nothing more can be sent into it. {kept}"
    if dataset.live_at is None:
        who = "its first batch has gone through" if dataset.origin == Origin.CLIENTS else "its first run has completed"
        return f"Nothing is live yet. The table appears when {who}."
    rows = (
        f"{words.plural(dataset.live_rows or 0, 'row')} {'is' if dataset.live_rows == 1 else 'are'} live in {dataset}."
    )
    return f"{rows} Load {dataset.live_load} was the last to add to it."


def _facts(dataset: Dataset) -> list[tuple[str, Any]]:
    key = ", ".join(str(each) for each in dataset.key)
    days = dataset.retention_days
    return [
        ("Dataset id", dataset.public_id),
        ("Table", str(dataset)),
        ("Filled by", filled_by(dataset)),
        ("Organisation / sandbox", words.where(dataset)),
        ("At the source", dataset.source_name or NOTHING),
        ("Key", key or "No key: records are not matched with earlier ones"),
        ("Schema policy", POLICY_WORDS.get(dataset.schema_policy, dataset.schema_policy)),
        ("Batches stay live", "For ever" if days is None else words.plural(days, "day")),
        (
            "Error diagnostics",
            "Every bad row is kept" if dataset.error_diagnostics else "Only where a batch asks for it",
        ),
        ("Live rows", number(dataset.live_rows)),
        ("Last load", number(dataset.live_load) if dataset.live_load else "Nothing is live yet"),
        ("Live since", exact(dataset.live_at)),
        ("Created", exact(dataset.created_at)),
        ("Created by", dataset.created_user or dataset.created_client or NOTHING),
        ("Storage format on the wire", dataset.file_format),
        ("Description", dataset.description or NOTHING),
    ]


def _by_status(dataset: Dataset) -> list[dict[str, Any]]:
    """How many batches are in each status, by the index on dataset and status."""
    found = dict(dataset.batches.order_by().values_list("status").annotate(count=Count("pk")))
    listed = reverse("admin:ingestion_batch_changelist")
    return [
        {
            "badge": words.badge(status),
            "count": number(found[status]),
            "address": f"{listed}?{urlencode(_all_of(dataset, status=str(status)))}",
        }
        for status in BatchStatus
        if status in found
    ]


def _line(batch: Any) -> dict[str, Any]:
    live = batch.loaded_count if batch.status == BatchStatus.SUCCESS else 0
    return {
        "badge": words.badge(batch.status),
        "link": words.batch_link(batch),
        "from": batch.client_name or batch.created_user if batch.self_promoting else words.owner_link(batch),
        "read": number(batch.extracted_count),
        "bad": number(batch.rejected_count),
        "is_bad": batch.rejected_count > 0,
        "live": number(live),
        "created": moment(batch.created_at),
    }


def _columns(dataset: Dataset) -> list[dict[str, Any]]:
    """Each with whether it belongs to the key, and the batch that changed it last."""
    key, changed = set(dataset.key), _changed(dataset)
    return [
        {
            "name": column.name,
            "type": column.type.label,
            "source": column.source,
            "is_key": column.source in key,
            "changed": changed.get(column.name),
        }
        for column in dataset.columns.columns
    ]


def _changed(dataset: Dataset) -> dict[str, dict[str, Any]]:
    """What the last batches that changed columns did to each, by the column's name."""
    live = dataset.batches.filter(status=BatchStatus.SUCCESS).exclude(changes=[]).order_by("-pk")
    found: dict[str, dict[str, Any]] = {}
    for batch in live.only("public_id", "changes", "owner", "self_promoting")[:CHANGES_READ]:
        for change in batch.changes:
            told = {"kind": str(change.get("kind", "")), "link": words.batch_link(batch)}
            found.setdefault(str(change.get("column", "")), told)
    return found
