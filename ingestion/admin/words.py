"""How the pages of ingestion say statuses, times, durations, sizes and numbers: a status by word and shape."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.db.models import OuterRef, Subquery
from django.template.defaultfilters import filesizeformat
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ingestion.access.models import ApiClient
from ingestion.models import Batch, Dataset
from ingestion.states import BatchStatus as S
from ingestion.words import NOTHING, ago, exact, icon, moment, number, plural, words

__all__ = [
    "NOTHING",
    "ago",
    "badge",
    "batch_link",
    "client_name",
    "clock",
    "copy_button",
    "exact",
    "icon",
    "lasted",
    "link",
    "moment",
    "name_of",
    "number",
    "owner_link",
    "plural",
    "short",
    "size",
    "status_word",
    "where",
    "words",
]

# status → (class of its colour, shape of its icon)
LOOKS: Final[dict[str, tuple[str, str]]] = {
    S.LOADING: ("running", "upload"),
    S.LOADED: ("waiting", "hourglass_empty"),
    S.STAGING: ("running", "autorenew"),
    S.RETRYING: ("canceling", "pending"),
    S.STALLED: ("rejected", "front_hand"),
    S.SUCCESS: ("completed", "check_circle"),
    S.FAILED: ("failed", "error"),
    S.ABORTED: ("cancelled", "do_not_disturb_on"),
    S.ABANDONED: ("cancelled", "timer_off"),
    S.INACTIVE: ("skipped", "visibility_off"),
    S.RETAINED: ("skipped", "inventory_2"),
    S.ARCHIVED: ("skipped", "ac_unit"),
    S.DELETED: ("skipped", "delete"),
}


def badge(status: str) -> SafeString:
    """A batch's status: word, shape and colour."""
    tone, shape = LOOKS.get(status, ("skipped", "circle"))
    return format_html('<span class="hg-badge hg-{}">{}<span>{}</span></span>', tone, icon(shape), status_word(status))


def status_word(status: str) -> str:
    return str(status).capitalize()


def size(value: int | None) -> str:
    return str(filesizeformat(value)) if value else NOTHING


def clock(value: datetime, *, now: datetime) -> str:
    """The time of day, with the date where it is not today."""
    local, today = timezone.localtime(value), timezone.localtime(now)
    return local.strftime("%H:%M" if local.date() == today.date() else "%d %b %Y %H:%M")


def lasted(batch: Batch, *, now: datetime) -> SafeString | str:
    """How long a batch took from its client's last word (a run's: from its start) to its end; it goes on counting
    while it is at work, and stands still from then on."""
    since = batch.completed_at if batch.self_promoting else batch.created_at
    if since is None:
        return NOTHING
    if batch.finished_at:
        return words(batch.finished_at - since)
    return format_html('<span data-seconds="{}">{}</span>', int((now - since).total_seconds()), words(now - since))


def short(public_id: str) -> str:
    """Enough of an id to tell two apart by eye: when it was made, and its end."""
    return f"{public_id[:6]}…{public_id[-6:]}" if len(public_id) > 14 else public_id


def copy_button(text: str, what: str) -> SafeString:
    """Its last child is empty: the script writes “Copied” into it for a moment."""
    return format_html(
        '<button type="button" class="hg-button hg-small" data-copy="{}" aria-label="Copy {}" title="Copy {}">'
        "{}<span></span></button>",
        text, what, what, icon("content_copy"),
    )  # fmt: skip


def name_of(dataset: Dataset) -> str:
    """As clients call it; a run's, as it is called in the warehouse."""
    return dataset.title or str(dataset)


def where(item: Batch | Dataset) -> str:
    return f"{item.organisation} / {item.sandbox}"


def client_name() -> Subquery:
    """To annotate batches with: the name of the API client that made each."""
    made = ApiClient.objects.filter(application__client_id=OuterRef("created_client"))
    return Subquery(made.values("name")[:1])


def link(address: str, text: object) -> SafeString:
    return format_html('<a class="hg-link" href="{}">{}</a>', address, text)


def batch_link(batch: Batch) -> SafeString:
    return link(reverse("admin:ingestion_batch_change", args=[batch.pk]), batch.public_id)


def owner_link(batch: Batch) -> SafeString | str:
    """To the run that a run's batch belongs to. Its page is another app's, so it is known by name only."""
    kind, _, key = batch.owner.partition("/")
    if kind != "run" or not key.isdecimal():
        return batch.owner
    try:
        return link(reverse("admin:runs_run_change", args=[int(key)]), f"API run {key}")
    except NoReverseMatch:
        return batch.owner
