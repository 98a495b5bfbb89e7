"""The state of a batch in plain words: what it is doing, whether that is fine, what is wrong, and what to do."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings

from ingestion.admin.words import clock, number, plural, size, words
from ingestion.models import Batch, BatchEvent
from ingestion.promotion.asked import Asked, asked_of
from ingestion.states import BatchStatus as S

SLOW_START: Final = timedelta(seconds=60)
QUIET: Final = timedelta(minutes=30)  # a client that has sent nothing for so long may have forgotten to complete
NOBODY: Final = "Nobody needs to do anything."


@dataclass(frozen=True, kw_only=True)
class Files:
    """A batch's files, counted."""

    count: int = 0
    checked: int = 0
    unfinished: int = 0  # large files whose last chunk has not come
    silent: int = 0  # claimed by a worker that gives no sign of life


@dataclass(frozen=True, kw_only=True)
class Story:
    """All that a sentence is made from. `move` is the last move of its history."""

    batch: Batch
    files: Files
    move: BatchEvent | None
    now: datetime

    @property
    def reason(self) -> str:
        """Why it was moved to where it is, as a sentence of its own."""
        return sentence_of(self.move.reason) if self.move else ""

    @property
    def actor(self) -> str:
        return self.move.actor if self.move else "somebody"


def sentence_of(text: str) -> str:
    """Begun with a capital and ended with a stop."""
    text = text.strip()
    return text and text[0].upper() + text[1:] + ("" if text[-1] in ".!?…" else ".")


def sentence(story: Story) -> str:
    if not story.batch.self_promoting:
        return _of_a_run(story)
    told = TELL[S(story.batch.status)](story)
    asked = asked_of(story.batch)
    return f"{_asked(asked, story.now)} {told}" if asked else told


def _asked(asked: Asked, now: datetime) -> str:
    """A step of housekeeping that somebody wants now."""
    wanted = {S.RETAINED: "moved to the archive", S.ARCHIVED: "moved to cold storage"}.get(S(asked.to), "deleted")
    since = clock(datetime.fromisoformat(asked.at), now=now)
    if asked.trouble:
        soon = plural(math.ceil(settings.TIDY_SECONDS / 60), "minute")
        return f"Not {wanted} yet, as {asked.by} asked at {since}: {asked.trouble} It is tried again within {soon}."
    return f"Being {wanted}, as {asked.by} asked at {since}: a worker is at it, and this page tells when it is done."


def _of_a_run(story: Story) -> str:
    batch = story.batch
    if batch.status == S.SUCCESS:
        return f"{plural(batch.loaded_count or 0, 'row')} of it went live together with the other tables of its run."
    if batch.status in (S.FAILED, S.ABORTED, S.ABANDONED):
        return f"Ended as “{batch.status}”. {story.reason} No row of it is live; its run says what happened.".replace(
            "  ", " "
        )
    return f"{plural(batch.staged_count, 'row')} staged so far. Its run moves it on; look there for how it is going."


def _loading(story: Story) -> str:
    batch, files = story.batch, story.files
    if not files.count:
        came = f"The client made the batch {words(story.now - batch.created_at)} ago and has sent nothing yet."
    else:
        part = f"; {plural(files.unfinished, 'file')} of them not whole yet" if files.unfinished else ""
        came = f"The client is uploading: {plural(files.count, 'file')} ({size(batch.input_size)}) came so far{part}."
    heard = batch.touched_at or batch.created_at
    ends = clock(heard + timedelta(hours=settings.ABANDON_HOURS), now=story.now)
    if story.now - heard < QUIET:
        return f"{came} {NOBODY}"
    return (
        f"{came} It has been silent for {words(story.now - heard)}: ask whether it forgot to send COMPLETE. "
        f"If nothing comes, the batch is abandoned at {ends}."
    )


def _loaded(story: Story) -> str:
    waited = story.now - (story.batch.completed_at or story.batch.updated_at)
    if waited > SLOW_START:
        return f"Everything is here, but no worker has taken it up for {words(waited)}: is one running?"
    return f"Everything is here; a worker takes it up in a moment. {NOBODY}"


def _staging(story: Story) -> str:
    batch, files = story.batch, story.files
    if files.silent:
        return (
            f"{plural(files.silent, 'file')} lost the worker that was checking it. Another takes it over by itself; "
            "if this lasts for minutes, look whether workers are running."
        )
    if batch.files_left:
        read = f", {plural(batch.extracted_count, 'row')} read so far" if batch.extracted_count else ""
        return f"Being checked: {number(files.checked)} of {plural(files.count, 'file')} done{read}. {NOBODY}"
    if batch.dataset.publisher:
        return f"Checked; {plural(batch.staged_count, 'row')} of it are being made live now. {NOBODY}"
    return f"Checked; {plural(batch.staged_count, 'row')} of it wait to be made live. {NOBODY}"


def _retrying(story: Story) -> str:
    batch = story.batch
    tries = len(settings.RETRY_WAITS) + 1
    due = batch.not_before
    when = f"at {clock(due, now=story.now)}" if due and due > story.now else "in a moment"
    return (
        f"Retrying: {story.reason or 'something did not answer.'} It is tried again {when} "
        f"(try {min(batch.failures + 1, tries)} of {tries}); nobody needs to do anything."
    )


def _stalled(story: Story) -> str:
    return (
        f"Stalled: {story.reason or 'it was tried again and again without success.'} No row of it is live. "
        "Have the cause mended, then resume it; or abort it, if the client is to send the data anew."
    )


def _success(story: Story) -> str:
    batch = story.batch
    rows = batch.loaded_count or 0
    if not batch.rejected_count:
        return f"Fine: all {plural(rows, 'row')} of it went live." if rows else "Fine, but it held no rows."
    allowed = "" if batch.error_percent is None else f" (up to {batch.error_percent:g} % may be)"
    return (
        f"{plural(rows, 'row')} of it went live; {plural(batch.rejected_count, 'bad row')} of "
        f"{number(batch.extracted_count)} were left out, as its client allows{allowed}. "
        "If they are wanted, the client must correct them and send them in a new batch."
    )


def _failed(story: Story) -> str:
    if story.batch.errors and all(not entry.get("rows") for entry in story.batch.errors):
        todo = "The client must mend what is said here and send a new batch."
    else:
        todo = "The client must correct the rows and send a new batch."
    return f"Failed: {story.reason or 'the history says how.'} No row of it is live. {todo}"


def _aborted(story: Story) -> str:
    return (
        f"Aborted by {story.actor}. {story.reason} No row of it is live. "
        "If the data is still wanted, the client must send it in a new batch."
    ).replace("  ", " ")


def _abandoned(story: Story) -> str:
    return (
        f"Abandoned: {story.reason or 'its client never completed it.'} No row of it is live. "
        "Ask the client whether the data is still wanted; it must be sent in a new batch."
    )


def _inactive(story: Story) -> str:
    step = "moved to the archive" if settings.ARCHIVE else "deleted"
    when = clock(story.batch.updated_at + timedelta(days=settings.INACTIVE_DAYS), now=story.now)
    why = f"replaced by the batch {story.batch.successor.public_id}" if story.batch.successor else story.reason
    said = f"Taken out of view by {story.actor}: {why.rstrip('.') or 'reverted'}."
    return f"{said} Readers see none of its rows any more. They are kept, and {step} after {when}."


def _retained(story: Story) -> str:
    when = clock(story.batch.updated_at + timedelta(days=settings.RETAINED_DAYS), now=story.now)
    return f"Put away: {_kept(story.batch)} in the archive, and moved to cold storage after {when}."


def _archived(story: Story) -> str:
    when = clock(story.batch.updated_at + timedelta(days=settings.ARCHIVED_DAYS), now=story.now)
    return f"Put away: {_kept(story.batch)} in cold storage, and deleted after {when}."


def _kept(batch: Batch) -> str:
    rows = batch.archive.get("rows")
    return f"its {plural(rows, 'row')} are kept as a Parquet file" if rows is not None else "it had no rows; it is kept"


def _deleted(story: Story) -> str:
    return "Its data has been deleted for good. Only this page and its history are left."


TELL: Final[dict[S, Callable[[Story], str]]] = {
    S.LOADING: _loading,
    S.LOADED: _loaded,
    S.STAGING: _staging,
    S.RETRYING: _retrying,
    S.STALLED: _stalled,
    S.SUCCESS: _success,
    S.FAILED: _failed,
    S.ABORTED: _aborted,
    S.ABANDONED: _abandoned,
    S.INACTIVE: _inactive,
    S.RETAINED: _retained,
    S.ARCHIVED: _archived,
    S.DELETED: _deleted,
}
