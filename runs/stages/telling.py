"""What stages write into the log of a run, in words. Counts, times and names of tables; never a value of a record."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from connectors.protocol import Page, Usage
from ingestion.batches import Flushed
from ingestion.models import Batch
from ingestion.warehouse.base import Published
from runs.runlog import Lines

EVERY_PAGE = 2_000  # pages of a task that each get a line; then every tenth, and from ten times as many every hundredth
UNITS = ("bytes", "kB", "MB", "GB", "TB")


def size_words(size: float) -> str:
    """ "512 bytes", "1.2 MB"."""
    unit = 0
    while size >= 1000 and unit < len(UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:,.1f} {UNITS[unit]}" if unit else f"{size:,.0f} {UNITS[0]}"


def tell_page(log: Lines, page: Page) -> None:
    """At most one line a page, fewer in long tasks."""
    step = 1 if page.number <= EVERY_PAGE else 10 if page.number <= 10 * EVERY_PAGE else 100
    if page.number % step:
        return
    took, who = f"{page.seconds * 1000:,.0f} ms", f", request {page.request_id}" if page.request_id else ""
    size = size_words(page.wire_bytes)
    log.info("page", f"Page {page.number:,}: {page.count:,} records, {size} in {took}, answer {page.status}{who}")


def tell_incidents(log: Lines, usage: Usage) -> None:
    while usage.incidents:
        incident = usage.incidents.popleft()
        log.warn("retry", incident.text, at=incident.at)


def tell_parts(log: Lines, done: Flushed, *, number: int) -> None:
    last = done.pages[-1].number
    for _, _, part in done.parts:
        size = size_words(part.size)
        log.info("staged", f"Part {number:,} of “{part.table}”: {part.rows:,} rows, {size}, up to page {last:,}")


def tell_columns(log: Lines, table: str, *, columns: int, parts: int, changes: Sequence[Mapping[str, Any]]) -> None:
    decided = "; ".join(change_words(change) for change in changes[:20]) or "no change"
    more = f"; and {len(changes) - 20:,} more" if len(changes) > 20 else ""
    log.info("columns", f"“{table}”: {columns:,} columns agreed over {parts:,} parts; {decided}{more}")


def change_words(change: Mapping[str, Any]) -> str:
    """A change of columns without a verb: "new: origin (text)"."""
    column, before, after = (str(change.get(key) or "") for key in ("column", "before", "after"))
    if change.get("kind") == "widened":
        return f"wider: {column} ({before} → {after})"
    if change.get("kind") == "added":
        return f"new: {column} ({after})" if after else f"new: {column}"
    return f"{change.get('kind')}: {column}"


def tell_loaded(log: Lines, batch: Batch, *, rows: int, seconds: float) -> None:
    speed = f", {rows / seconds:,.0f} rows/s" if seconds > 0 else ""
    log.info("loaded", f"“{batch.dataset.name}”: {rows:,} rows are in the temporary table after {seconds:.1f} s{speed}")


def tell_published(log: Lines, answer: Published, batches: Iterable[Batch]) -> None:
    names = {batch.dataset_id: batch.dataset.name for batch in batches}
    if answer.already:
        log.info("published", "The ledger says that this load was live already: nothing was loaded twice")
    for effect in answer.effects:
        counts = f"{effect.inserted:,} inserted, {effect.updated:,} updated, {effect.deleted:,} deleted"
        log.info("published", f"“{names.get(effect.dataset, effect.dataset)}”: {counts}, {effect.live:,} live")
