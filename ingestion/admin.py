"""Datasets and batches, to look at. Nothing here is edited: machines write these rows."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.paginator import InfinitePaginator

from ingestion.models import Batch, Dataset
from ingestion.states import BatchStatus as S

NOTHING = "–"
PARTS_SHOWN = 100
# status → (class of its colour, shape of its icon)
LOOKS: dict[str, tuple[str, str]] = {
    S.LOADING: ("running", "autorenew"),
    S.LOADED: ("waiting", "hourglass_empty"),
    S.STAGING: ("running", "autorenew"),
    S.RETRYING: ("canceling", "pending"),
    S.STALLED: ("rejected", "front_hand"),
    S.SUCCESS: ("completed", "check_circle"),
    S.FAILED: ("failed", "error"),
    S.ABORTED: ("cancelled", "do_not_disturb_on"),
    S.ABANDONED: ("cancelled", "do_not_disturb_on"),
}


def badge(status: str) -> SafeString:
    """A batch's status: word, shape and colour."""
    tone, shape = LOOKS.get(status, ("skipped", "step_over"))
    icon = format_html('<span class="material-symbols-outlined hg-icon" aria-hidden="true">{}</span>', shape)
    return format_html('<span class="hg-badge hg-{}">{}<span>{}</span></span>', tone, icon, status.capitalize())


def number(value: int | None) -> str:
    return NOTHING if value is None else f"{value:,}"


def moment(value: datetime | None) -> str:
    return timezone.localtime(value).strftime("%d %b %Y %H:%M:%S") if value else NOTHING


class ReadOnly(ModelAdmin):  # type: ignore[misc]
    """A screen on which nothing can be added, changed or deleted."""

    actions = None
    show_full_result_count = False
    paginator = InfinitePaginator  # never counts a whole table
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        extra = {"show_save": False, "show_save_and_continue": False, **(extra_context or {})}
        return super().change_view(request, object_id, form_url, extra)  # type: ignore[no-any-return]


@admin.register(Dataset)
class DatasetAdmin(ReadOnly):
    list_display = ("table", "about", "column_count", "rows_live", "last_load", "live_since")
    list_filter = ("namespace",)
    search_fields = ("namespace", "name", "source_name")
    fields = (
        "table",
        "about",
        "source_name",
        "key_words",
        "schema_policy",
        "rows_live",
        "last_load",
        "live_since",
        "columns_found",
    )
    readonly_fields = fields
    empty_words = "No dataset yet. A dataset appears when a run first names its table."

    @admin.display(description="Table", ordering="name")
    def table(self, dataset: Dataset) -> str:
        return str(dataset)

    @admin.display(description="Description")
    def about(self, dataset: Dataset) -> str:
        return dataset.description or NOTHING

    @admin.display(description="Columns")
    def column_count(self, dataset: Dataset) -> str:
        return number(len(dataset.blueprint))

    @admin.display(description="Live rows", ordering="live_rows")
    def rows_live(self, dataset: Dataset) -> str:
        return number(dataset.live_rows)

    @admin.display(description="Last load", ordering="live_load")
    def last_load(self, dataset: Dataset) -> str:
        return f"Load {dataset.live_load}" if dataset.live_load else "Nothing is live yet"

    @admin.display(description="Live since", ordering="live_at")
    def live_since(self, dataset: Dataset) -> str:
        return moment(dataset.live_at)

    @admin.display(description="Key")
    def key_words(self, dataset: Dataset) -> str:
        return ", ".join(str(path) for path in dataset.key) or "No key: records are not matched with earlier ones"

    @admin.display(description="Columns")
    def columns_found(self, dataset: Dataset) -> SafeString | str:
        columns = dataset.columns.columns
        return render_to_string("admin/ingestion/columns.html", {"columns": columns}) if columns else "None yet."


@admin.register(Batch)
class BatchAdmin(ReadOnly):
    list_display = (
        "batch_id",
        "state",
        "table",
        "owner",
        "mode",
        "extracted",
        "staged_rows",
        "loaded",
        "live",
        "created",
    )
    list_display_links = ("batch_id",)
    list_filter = ("status", "mode")
    list_select_related = ("dataset",)
    search_fields = ("=id", "=owner", "dataset__name")
    search_help_text = "Batch id, owner (run/31548) or table"
    fields = (
        "batch_id", "state", "table", "owner", "mode", "window", "counts",
        "changes_found", "parts_found", "events_found", "created", "finished",
    )  # fmt: skip
    readonly_fields = fields
    empty_words = "No batch yet. Everything that lands in a table lands as a batch."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Batch]:
        queryset: QuerySet[Batch] = super().get_queryset(request)
        return queryset.select_related("dataset")

    @admin.display(description="Batch", ordering="pk")
    def batch_id(self, batch: Batch) -> str:
        return str(batch.pk)

    @admin.display(description="Status", ordering="status")
    def state(self, batch: Batch) -> SafeString:
        return badge(batch.status)

    @admin.display(description="Table", ordering="dataset__name")
    def table(self, batch: Batch) -> str:
        return str(batch.dataset)

    @admin.display(description="Extracted", ordering="extracted_count")
    def extracted(self, batch: Batch) -> str:
        return number(batch.extracted_count)

    @admin.display(description="Staged", ordering="staged_count")
    def staged_rows(self, batch: Batch) -> str:
        return number(batch.staged_count)

    @admin.display(description="Loaded", ordering="loaded_count")
    def loaded(self, batch: Batch) -> str:
        return number(batch.loaded_count)

    @admin.display(description="Live in the table", ordering="live_count")
    def live(self, batch: Batch) -> str:
        return number(batch.live_count)

    @admin.display(description="Created", ordering="created_at")
    def created(self, batch: Batch) -> str:
        return moment(batch.created_at)

    @admin.display(description="Ended")
    def finished(self, batch: Batch) -> str:
        return moment(batch.finished_at)

    @admin.display(description="Window")
    def window(self, batch: Batch) -> str:
        return f"{batch.cursor} from {batch.window_from}" if batch.window_from else "Everything"

    @admin.display(description="Counts")
    def counts(self, batch: Batch) -> SafeString:
        """The chain of the counts: what came, what was left out and why, what is live."""
        chain = [
            ("Extracted", batch.extracted_count),
            ("Rejected", batch.rejected_count),
            ("Superseded", batch.superseded_count),
            ("Staged", batch.staged_count),
            ("Loaded", batch.loaded_count),
            ("Inserted", batch.inserted_count),
            ("Updated", batch.updated_count),
            ("Deleted", batch.deleted_count),
            ("Live", batch.live_count),
        ]
        return render_to_string(
            "admin/ingestion/counts.html", {"chain": [(word, number(count)) for word, count in chain]}
        )

    @admin.display(description="Changes of columns")
    def changes_found(self, batch: Batch) -> SafeString | str:
        return (
            render_to_string("admin/ingestion/changes.html", {"changes": batch.changes}) if batch.changes else "None."
        )

    @admin.display(description="Parts")
    def parts_found(self, batch: Batch) -> SafeString | str:
        totals = batch.parts.aggregate(count=Count("pk"), rows=Sum("row_count"), size=Sum("size"))
        if not totals["count"]:
            return "None yet."
        parts = batch.parts.only("number", "label", "row_count", "size", "key", "merged_into")[:PARTS_SHOWN]
        rows = [(part, number(part.row_count)) for part in parts]
        totals |= {"rows": number(totals["rows"])}
        return render_to_string("admin/ingestion/parts.html", {"parts": rows, "totals": totals, "shown": PARTS_SHOWN})

    @admin.display(description="History")
    def events_found(self, batch: Batch) -> SafeString | str:
        events = list(batch.events.all())
        return render_to_string("admin/ingestion/events.html", {"events": events}) if events else "None yet."
