"""The page of one batch, from top to bottom: what a support person needs to know before any detail."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.db.models import Count, Q
from django.urls import reverse
from django.utils import timezone

from ingestion.access.models import ApiClient
from ingestion.admin import rights, words
from ingestion.admin.buttons import buttons, menu
from ingestion.admin.panels import panel
from ingestion.admin.samples import BadRow, samples_of
from ingestion.admin.sentences import Files, Story, sentence
from ingestion.admin.stages import stages_of
from ingestion.admin.view import TABS, View
from ingestion.admin.words import NOTHING, exact, number, size
from ingestion.models import Batch, BatchEvent
from ingestion.promotion.asked import is_under_way
from ingestion.promotion.reverting import TAKEN_BACK
from ingestion.states import OPEN
from ingestion.states import BatchStatus as S
from ingestion.warehouse.base import Mode

MOVES: Final = 200  # of a history; more are on its own tab
BUSY, QUIET = 3, 10  # seconds between two looks: while it is at work, and while nothing moves
LATELY: Final = timedelta(seconds=15)
FIRST_BAD: Final = 3
TITLES: Final = {
    "106": "A file is empty",
    "118": "A file has an empty header row",
    "140": "The data could not be processed",
    "INGEST-1211-400": "Bad rows",
    "INGEST-1212-400": "Bad rows",
}

MODES: Final[dict[str, str]] = {
    Mode.APPEND: "Added to the table",
    Mode.MERGE: "Added; those of the same key are replaced",
    Mode.REPLACE: "Put in place of the whole table",
    Mode.WINDOW: "Put in place of the same period",
}


@dataclass(frozen=True, kw_only=True)
class Failure:
    """The card of a batch that failed: what, why, what it did to the data, what to do."""

    title: str
    cause: str
    advice: str
    codes: str


@dataclass(frozen=True, kw_only=True)
class Link:
    """One station of the counts from upload to live."""

    word: str
    value: str
    about: str
    loud: bool = False


def context(batch: Batch, user: Any, query: Mapping[str, str]) -> dict[str, Any]:
    """All that the page and its live fragment are drawn from. A fixed number of queries, whatever the batch holds."""
    now = timezone.now()
    raw = user.has_perm(rights.RAW)
    view = View.read(query, usual=_usual_tab(batch))
    files, moves = _count_files(batch, now), list(batch.events.order_by("-pk")[:MOVES])[::-1]
    move = moves[-1] if moves else None
    bad = _first_bad(batch) if raw and view.tab != "rows" else ()
    return {
        "batch": batch,
        "now": now,
        "view": view,
        "live": is_moving(batch),
        "poll": poll_seconds(batch, moves, now=now),
        "stages": stages_of(batch, moves, now=now),
        "partly": partly(batch),
        "first_bad": bad,
        "badge": words.badge(batch.status),
        "status_word": words.status_word(batch.status),
        "dataset_link": words.link(
            reverse("admin:ingestion_dataset_change", args=[batch.dataset_id]), words.name_of(batch.dataset)
        ),
        "run_link": "" if batch.self_promoting else words.owner_link(batch),
        "sentence": sentence(Story(batch=batch, files=files, move=move, now=now)),
        "failure": failure_of(batch, move.reason if move else ""),
        "warned": batch.status == S.SUCCESS and batch.rejected_count > 0,
        "buttons": buttons(batch, user),
        "menu": menu(batch, user),
        "chain": chain(batch, files),
        "facts": [*_facts(batch, now), *_client_facts(batch), *_metrics(batch)],
        "tabs": [(name, word, view.link(tab=name), _tab_count(name, batch, files)) for name, word in TABS.items()],
        "support_url": settings.SUPPORT_URL,
        "panel_template": f"admin/ingestion/batch/{view.tab}.html",
        "pager": view,
        **panel(batch, view, raw=raw),
    }


def poll_seconds(batch: Batch, moves: Sequence[BatchEvent], *, now: datetime) -> int:
    """How soon an open page should look again; 0 when nothing will change any more."""
    if not is_moving(batch):
        return 0
    if batch.status not in OPEN:
        return BUSY
    lately = bool(moves) and now - moves[-1].at < LATELY
    return BUSY if lately or batch.status in (S.LOADED, S.STAGING) else QUIET


def is_moving(batch: Batch) -> bool:
    """May the page change by itself, other than by housekeeping in its time?"""
    return batch.status in OPEN or is_under_way(batch)


def partly(batch: Batch) -> str:
    """What went live of a batch that lost rows on the way, in a sentence; nothing where all or none did."""
    if batch.status != S.SUCCESS or not batch.rejected_count:
        return ""
    live, read = words.plural(batch.loaded_count or 0, "row"), number(batch.extracted_count)
    return f"{live} of {read} went live; {words.plural(batch.rejected_count, 'bad row')} were left out."


def _first_bad(batch: Batch) -> tuple[BadRow, ...]:
    """For the cards of a batch that has ended: an open one is asked for again and again."""
    if batch.status not in (S.FAILED, S.SUCCESS) or not batch.rejected_count:
        return ()
    return samples_of(batch).rows[:FIRST_BAD]


def mark(batch: Batch, *, now: datetime) -> str:
    """What of the page may change while it is open. The minute is in it since sentences tell how long something has
    lasted."""
    seen = (
        batch.version, batch.files_left, batch.extracted_count, batch.staged_count, batch.input_size, batch.failures,
        batch.dataset.publisher_token, batch.dataset.publisher != "", is_under_way(batch), int(now.timestamp()) // 60,
    )  # fmt: skip
    return "-".join(str(int(each)) for each in seen)


def _usual_tab(batch: Batch) -> str:
    """What somebody who opens the page is after: of bad rows the reasons, of a run's batch where it went."""
    if batch.errors:
        return "errors"
    return "files" if batch.self_promoting else "lineage"


def _count_files(batch: Batch, now: datetime) -> Files:
    lost = Q(checked_at=None, lease_until__lt=now) if batch.status == S.STAGING else Q(pk=None)
    totals = batch.files.aggregate(
        count=Count("pk"),
        checked=Count("pk", filter=Q(checked_at__isnull=False)),
        unfinished=Count("pk", filter=Q(is_complete=False)),
        silent=Count("pk", filter=lost),
    )
    return Files(**totals)


def _tab_count(name: str, batch: Batch, files: Files) -> str:
    counts = {"files": files.count, "errors": len(batch.errors), "rows": batch.rejected_count}
    return number(counts[name]) if name in counts else ""


def failure_of(batch: Batch, reason: str) -> Failure | None:
    """The card. What came back first is the cause; the rest stands in the errors."""
    if batch.status != S.FAILED:
        return None
    entries = [entry for entry in batch.errors if isinstance(entry, dict)]
    codes = list(dict.fromkeys(str(entry.get("code", "")) for entry in entries))
    detailed = next((entry for entry in entries if entry.get("rows") or len(entries) == 1), None)
    cause = str((detailed or (entries[0] if entries else {})).get("description") or reason)
    return Failure(
        title=TITLES.get(codes[0], "The data could not be taken") if codes else "The batch failed",
        cause=cause or "Nobody left a reason; the history says how it ended.",
        advice=_advice(batch),
        codes=", ".join(filter(None, (_in_words(code) for code in codes[:5]))),
    )


def _in_words(code: str) -> str:
    """ "bad rows (INGEST-1212-400)": the code is what its client finds in the documentation."""
    return f"{TITLES[code].lower()} ({code})" if code in TITLES else code


def _advice(batch: Batch) -> str:
    if not batch.self_promoting:
        return "Look at its run: it says what happened and what to do."
    told = (
        "Tell the client the batch id and the errors below. It mends the data and sends a new batch; this one is over."
    )
    if batch.rejected_count and not batch.diagnostics:
        return f"{told} With enableErrorDiagnostics the new batch would name every bad row."
    return told


def chain(batch: Batch, files: Files) -> list[Link]:
    """From what was uploaded to what is live. Where two neighbours differ, the one between says why."""
    live, kept = _live(batch)
    first = (
        Link(word="Uploaded", value=size(batch.input_size), about=words.plural(files.count, "file"))
        if batch.self_promoting
        else Link(word="From", value=batch.owner.replace("run/", "Run "), about="Fetched by an API run")
    )
    replaced = batch.superseded_count
    return [
        first,
        Link(word="Rows read", value=number(batch.extracted_count), about=_read(batch, files)),
        Link(
            word="Bad rows", value=number(batch.rejected_count), about=_share(batch), loud=batch.rejected_count > 0
        ),
        Link(
            word="Staged",
            value=number(batch.staged_count),
            about=f"{number(replaced)} replaced by later rows of their key" if replaced else "What passed the checks",
        ),
        Link(word="Live", value=live, about=kept),
    ]  # fmt: skip


def _read(batch: Batch, files: Files) -> str:
    if not batch.self_promoting:
        return "From its source"
    return (
        "All files are checked" if files.checked == files.count else f"{files.checked} of {files.count} files checked"
    )


def _share(batch: Batch) -> str:
    allowed = "None may be" if batch.error_percent is None else f"Up to {batch.error_percent:g} % may be"
    if not batch.rejected_count or not batch.extracted_count:
        return allowed if batch.self_promoting else "Left out"
    percent = 100 * batch.rejected_count / batch.extracted_count
    return f"{percent:.3g} % of those read. {allowed if batch.self_promoting else ''}".strip()


def _live(batch: Batch) -> tuple[str, str]:
    rows = batch.loaded_count or 0
    if batch.status == S.SUCCESS:
        return number(rows), f"Since {exact(batch.finished_at)}"
    if batch.status in TAKEN_BACK:
        return "0", f"Once {words.plural(rows, 'row')}, taken out of view"
    return "0", "Not yet" if batch.status in OPEN else "Never was"


def _facts(batch: Batch, now: datetime) -> list[tuple[str, Any]]:
    again = batch.not_before and batch.status == S.RETRYING
    return [
        ("Batch id", batch.public_id),
        ("Created", exact(batch.created_at)),
        *([("Client completed it", exact(batch.completed_at))] if batch.self_promoting else []),
        *([("Checking began", exact(batch.started_at))] if batch.self_promoting else []),
        ("Ended", exact(batch.finished_at)),
        ("Took", words.lasted(batch, now=now)),
        *([("Tried again", exact(batch.not_before))] if again else []),
        *([("Setbacks", number(batch.failures))] if batch.failures else []),
        *([("Replaced by", words.batch_link(batch.successor))] if batch.successor else []),
        ("Table", str(batch.dataset)),
        ("Rows are", MODES.get(batch.mode, batch.mode)),
        ("Window", f"{batch.cursor} from {batch.window_from}" if batch.window_from else "Everything")
        if not batch.self_promoting
        else ("Bad rows allowed", "None" if batch.error_percent is None else f"{batch.error_percent:g} %"),
    ]


def _client_facts(batch: Batch) -> list[tuple[str, Any]]:
    if not batch.self_promoting:
        return [("Belongs to", words.owner_link(batch))]
    client = ApiClient.objects.filter(application__client_id=batch.created_client).only("name", "pk").first()
    named = (
        words.link(reverse("admin:access_apiclient_change", args=[client.pk]), client.name)
        if client
        else batch.created_client or NOTHING
    )
    options = [f"{name} {_told(value)}" for name, value in batch.input_format.items() if name != "format"]
    return [
        ("Client", named),
        ("Created by", batch.created_user or NOTHING),
        ("Organisation / sandbox", words.where(batch)),
        ("External id", batch.external_id or NOTHING),
        ("Format", ", ".join([batch.format or NOTHING, *options])),
        ("Error diagnostics", "Every bad row is kept" if batch.diagnostics else "Off"),
        ("Tags", _tags(batch.tags)),
    ]  # fmt: skip


def _told(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _tags(tags: Mapping[str, Any]) -> str:
    told = [
        f"{name}: {', '.join(map(str, value)) if isinstance(value, list) else value}" for name, value in tags.items()
    ]
    return "; ".join(told) or NOTHING


def _metrics(batch: Batch) -> list[tuple[str, Any]]:
    """What the warehouse said of it."""
    if batch.status != S.SUCCESS and batch.status not in TAKEN_BACK:
        return []
    return [
        ("New rows", number(batch.inserted_count)),
        ("Rows changed", number(batch.updated_count)),
        *([("Rows removed", number(batch.deleted_count))] if batch.deleted_count is not None else []),
        ("Staged size", size(batch.output_size)),
        ("Rows in the table after it", number(batch.live_count)),
    ]
