"""The panels of a batch's page: files, errors, bad rows, history, where it went. Each asks few queries."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.paginator import Page, Paginator
from django.db.models import Count, QuerySet, Sum
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from ingestion.admin.samples import samples_of
from ingestion.admin.view import View
from ingestion.admin.words import NOTHING, badge, batch_link, exact, moment, number, owner_link, size, words
from ingestion.downloads import download_url, upload_url
from ingestion.models import Batch, BatchEvent, BatchFile
from ingestion.promotion.archive import kept_of
from ingestion.states import BatchStatus as S

FILES_PER_PAGE: Final = 100
PARTS_PER_PAGE: Final = 100
EVENTS_SHOWN: Final = 500
MATES_SHOWN: Final = 20


def panel(batch: Batch, view: View, *, raw: bool) -> dict[str, Any]:
    """What the open tab shows, for its template."""
    if view.tab == "rows":
        return {"raw": raw, "samples": samples_of(batch) if raw else None}
    return {"raw": raw, **PANELS[view.tab](batch, view)}


def _files(batch: Batch, view: View) -> dict[str, Any]:
    files = batch.files.annotate(piece_count=Count("pieces")).order_by("ordinal")
    page = _page(files, FILES_PER_PAGE, view)
    now = timezone.now()
    return {"page": page, "rows": [_file(file, batch, now) for file in page]}


def _file(file: Any, batch: Batch, now: Any) -> dict[str, Any]:
    problem = file.problem or {}
    first = next(iter(file.errors), None)
    return {
        "path": file.path,
        "download": upload_url(file) if file.piece_count and file.is_complete else "",
        "size": size(file.size),
        "pieces": number(file.piece_count),
        "state": _file_state(file, batch, now),
        "read": number(file.read_count) if file.checked_at else NOTHING,
        "bad": file.bad_count,
        "bad_word": number(file.bad_count) if file.checked_at else NOTHING,
        "problem": problem.get("text") or (first or {}).get("text", ""),
        "code": problem.get("code") or (first or {}).get("code", ""),
        "more": max(len(file.errors) - 1, 0) if not problem else 0,
    }


def _file_state(file: BatchFile, batch: Batch, now: Any) -> SafeString | str:
    if file.checked_at:
        return moment(file.checked_at)
    if batch.status == S.LOADING:
        return "Uploaded" if file.is_complete else "Uploading"
    if file.lease_until and file.lease_until > now:
        again = f", attempt {file.attempt}" if file.attempt > 1 else ""
        return f"Being checked{again}"
    if file.lease_until and batch.status == S.STAGING:
        return f"No sign of life from its worker for {words(now - file.lease_until)}"
    return "Waits to be checked" if batch.status in (S.LOADED, S.STAGING, S.RETRYING, S.STALLED) else "Not checked"


def _errors(batch: Batch, view: View) -> dict[str, Any]:
    return {"errors": [_error(entry) for entry in batch.errors if isinstance(entry, dict)]}


def _error(entry: dict[str, Any]) -> dict[str, Any]:
    count = entry.get("recordCount")
    return {
        "code": str(entry.get("code", "")),
        "text": str(entry.get("description", "")),
        "count": number(count) if isinstance(count, int) else NOTHING,
        "spans": [str(span) for span in entry.get("rows") or ()],
    }


def _history(batch: Batch, view: View) -> dict[str, Any]:
    """Every move, and what people had housekeeping do, newest first."""
    moves = list(batch.events.order_by("-pk")[:EVENTS_SHOWN])
    asked = LogEntry.objects.filter(content_type=ContentType.objects.get_for_model(Batch), object_id=str(batch.pk))
    lines = [_move(event) for event in moves]
    lines += [_asked(entry) for entry in asked.select_related("user").order_by("-pk")[:EVENTS_SHOWN]]
    lines.sort(key=lambda line: line["at"], reverse=True)
    return {"moves": lines}


def _move(event: BatchEvent) -> dict[str, Any]:
    return {
        "at": event.at,
        "when": exact(event.at),
        "before": event.before.capitalize() or "New",
        "after": badge(event.after),
        "who": event.actor,
        "why": event.reason or NOTHING,
    }


def _asked(entry: LogEntry) -> dict[str, Any]:
    return {
        "at": entry.action_time,
        "when": exact(entry.action_time),
        "before": "",
        "after": "Asked by hand",
        "who": entry.user.get_username(),
        "why": entry.get_change_message() or NOTHING,
    }


def _lineage(batch: Batch, view: View) -> dict[str, Any]:
    totals = batch.parts.aggregate(count=Count("pk"), rows=Sum("row_count"), size=Sum("size"))
    parts = batch.parts.only("batch", "number", "label", "row_count", "size", "key", "merged_into").order_by("number")
    page = _page(parts, PARTS_PER_PAGE, view, count=totals["count"])
    return {
        "page": page,
        "parts": [_part(part) for part in page],
        "totals": {"count": totals["count"], "rows": number(totals["rows"] or 0), "size": size(totals["size"])},
        "facts_of_load": [*_load_facts(batch), *_archive_facts(batch)],
        "mates": _mates(batch),
        "replay": list(_replay_facts(batch)),
        "changes": batch.changes,
    }


def _part(part: Any) -> dict[str, Any]:
    return {
        "number": part.number,
        "label": part.label,
        "rows": number(part.row_count),
        "size": size(part.size),
        "key": part.key,
        "download": download_url(part),
        "merged": part.merged_into_id is not None,
    }


def _load_facts(batch: Batch) -> list[tuple[str, Any]]:
    if batch.load_id is None:
        return [("Load", "None yet: nothing was published")]
    return [
        ("Load", number(batch.load_id)),
        ("Manifest", batch.manifest_key or NOTHING),
        ("Manifest's checksum", batch.manifest_digest or NOTHING),
    ]


def _mates(batch: Batch) -> SafeString | str:
    """Those that became live in the same load."""
    if batch.load_id is None:
        return ""
    mates = list(Batch.objects.filter(load=batch.load_id).exclude(pk=batch.pk).only("public_id")[: MATES_SHOWN + 1])
    more = " and others" if len(mates) > MATES_SHOWN else ""
    return _listed([batch_link(mate) for mate in mates[:MATES_SHOWN]], more) if mates else ""


def _archive_facts(batch: Batch) -> list[tuple[str, Any]]:
    kept = kept_of(batch)
    if not kept:
        return []
    rows = kept.get("rows")
    return [
        ("Kept as", str(kept.get("key") or NOTHING)),
        ("Rows kept", number(rows) if isinstance(rows, int) else NOTHING),
        ("Size kept", size(kept.get("size"))),
    ]


def _replay_facts(batch: Batch) -> Iterable[tuple[str, Any]]:
    """What it takes the place of, and what took its own."""
    wanted = [str(each) for each in batch.replay.get("predecessors", ())]
    if wanted:
        known = {old.public_id: old for old in Batch.objects.filter(public_id__in=wanted).only("public_id", "status")}
        yield "Replaces", _listed([batch_link(known[each]) if each in known else each for each in wanted[:MATES_SHOWN]])
    if reason := batch.replay.get("reason"):
        yield "Reason of the replay", str(reason)
    if batch.successor:
        yield "Replaced by", batch_link(batch.successor)
    if not batch.self_promoting:
        yield "Belongs to", owner_link(batch)


def _listed(items: list[Any], more: str = "") -> SafeString:
    return format_html("{}{}", format_html_join(", ", "{}", ((item,) for item in items)), more)


def _page(queryset: QuerySet[Any], length: int, view: View, *, count: int | None = None) -> Page[Any]:
    paginator = Paginator(queryset, length)
    if count is not None:
        paginator.count = count
    return paginator.get_page(view.page)


PANELS: Final[dict[str, Callable[[Batch, View], dict[str, Any]]]] = {
    "files": _files,
    "errors": _errors,
    "history": _history,
    "lineage": _lineage,
}
