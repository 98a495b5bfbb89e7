"""The verbs on a batch: each asks on a page of its own, then makes one call. GET shows what would happen; only POST
changes anything, and repeating it changes nothing more.
"""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from ingestion import lifecycle
from ingestion.admin.buttons import OFFERS, why_not
from ingestion.admin.words import name_of, number, plural
from ingestion.errors import IngestionError
from ingestion.models import Batch
from ingestion.promotion import asked
from ingestion.promotion.aborting import abort_stalled
from ingestion.promotion.failing import fail_waiting
from ingestion.promotion.reverting import revert
from ingestion.promotion.taking_up import go_on
from ingestion.states import BatchStatus
from ingestion.warehouse.base import Mode

LONGEST_REASON = 1000
Points = list[tuple[str, str]]


def address_of(batch: Batch) -> str:
    return reverse("admin:ingestion_batch_change", args=[batch.pk])


class Screen(Protocol):
    """What a verb needs of the screen that it hangs on."""

    admin_site: Any
    opts: Any

    def batch_or_404(self, request: HttpRequest, batch_id: int | str) -> Batch: ...

    def log_change(self, request: HttpRequest, obj: Batch, message: str) -> Any: ...


class Verb:
    """A page that asks for a reason, and the POST that does it."""

    name: ClassVar[str]
    title: ClassVar[str]
    submit: ClassVar[str]
    danger: ClassVar[bool] = True

    def __init__(self, screen: Screen) -> None:
        self.screen = screen
        self.view = require_http_methods(["GET", "POST"])(self._view)

    def _view(self, request: HttpRequest, batch_id: int) -> HttpResponse:
        batch = self.screen.batch_or_404(request, batch_id)
        if not request.user.has_perm(OFFERS[self.name].right):
            raise PermissionDenied
        if refusal := why_not(self.name, batch, request.user):
            messages.warning(request, refusal)
            return HttpResponseRedirect(address_of(batch))
        if request.method != "POST":
            return self._ask(request, batch)
        reason = request.POST.get("reason", "").replace("\0", "").strip()[:LONGEST_REASON]
        if not reason:
            return self._ask(request, batch, error="Say why: the reason is kept in the batch's history.")
        self._do(request, batch, reason)
        return HttpResponseRedirect(address_of(batch))

    def _ask(self, request: HttpRequest, batch: Batch, *, error: str = "") -> HttpResponse:
        context = {
            **self.screen.admin_site.each_context(request),
            "title": self.title.format(batch=batch.public_id, dataset=name_of(batch.dataset)),
            "opts": self.screen.opts,
            "original": batch,
            "points": self.points(batch),
            "submit": self.submit,
            "danger": self.danger,
            "needs_reason": True,
            "error": error,
            "back": address_of(batch),
        }
        return TemplateResponse(request, "admin/confirm.html", context)

    def _do(self, request: HttpRequest, batch: Batch, reason: str) -> None:
        try:
            done = self.perform(request, batch, reason)
        except IngestionError as trouble:
            kept = (
                "" if Batch.objects.get(pk=batch.pk).status != batch.status else f" The batch is still {batch.status}."
            )
            messages.error(request, f"{trouble.message} {trouble.advice}".strip() + kept)
            return
        batch.refresh_from_db()
        if done:
            messages.success(request, self.done(batch))
        else:
            messages.info(request, f"Nothing was changed: the batch had moved on already. It is “{batch.status}”.")

    def points(self, batch: Batch) -> Points:
        """What will happen: an icon and a sentence each."""
        raise NotImplementedError

    def perform(self, request: HttpRequest, batch: Batch, reason: str) -> bool:
        """Do it; true when this call did."""
        raise NotImplementedError

    def done(self, batch: Batch) -> str:
        return f"{self.said(batch)} It is “{batch.status}” now."

    def said(self, batch: Batch) -> str:
        """What is said once it is done."""
        raise NotImplementedError


def who(request: HttpRequest) -> str:
    return str(request.user.get_username())


class Abort(Verb):
    name, title, submit = "abort", "Abort the batch {batch}?", "Abort the batch"

    def points(self, batch: Batch) -> Points:
        return [
            ("shield", f"Nothing goes live: “{name_of(batch.dataset)}” stays as it is."),
            ("cloud_off", "Its client can send nothing more into it, and sees it as aborted."),
            ("inventory_2", f"What was uploaded is kept for {settings.KEEP_STAGED_DAYS} days, then removed."),
            ("block", "This is final. If the data is wanted after all, the client sends it in a new batch."),
        ]

    def perform(self, request: HttpRequest, batch: Batch, reason: str) -> bool:
        if batch.status == BatchStatus.STALLED:
            return abort_stalled(batch, actor=who(request), reason=reason)
        return lifecycle.abort_by_hand(batch.pk, actor=who(request), reason=reason, by_support=True)

    def said(self, batch: Batch) -> str:
        return "The batch was aborted. No row of it is live."


class Fail(Verb):
    name, title, submit = "fail", "Call the batch {batch} failed?", "Call it failed"

    def points(self, batch: Batch) -> Points:
        return [
            ("shield", f"Nothing of it goes live, and nothing tries again: “{name_of(batch.dataset)}” stays as it is."),
            ("chat", "Its client reads your reason among the errors of the batch, so say what is to be mended."),
            ("block", "This is final. The client sends the data in a new batch."),
        ]

    def perform(self, request: HttpRequest, batch: Batch, reason: str) -> bool:
        return fail_waiting(batch, actor=who(request), reason=reason)

    def said(self, batch: Batch) -> str:
        return "The batch was called failed, and its client can read why."


class Resume(Verb):
    name, title, submit, danger = "resume", "Resume the batch {batch}?", "Resume the batch", False

    def points(self, batch: Batch) -> Points:
        return [
            ("play_arrow", "It goes on where it stopped: what was checked already is not checked again."),
            ("build", f"If the cause is not mended, it stalls again after {len(settings.RETRY_WAITS) + 1} more tries."),
            *_mates(batch),
        ]

    def perform(self, request: HttpRequest, batch: Batch, reason: str) -> bool:
        return go_on(batch.pk, actor=who(request), reason=reason)

    def said(self, batch: Batch) -> str:
        return "The batch goes on."


class Retry(Resume):
    name, title, submit = "retry", "Try the batch {batch} again now?", "Try again now"

    def points(self, batch: Batch) -> Points:
        tries = len(settings.RETRY_WAITS) + 1
        return [
            ("schedule", "It would be tried again by itself; this only shortens the wait."),
            ("replay", f"It counts as try {min(batch.failures + 1, tries)} of {tries}. After the last, it stalls."),
            *_mates(batch),
        ]


def _mates(batch: Batch) -> Points:
    """Batches that are published in the same load go on together."""
    if batch.load_id is None:
        return []
    waiting = (BatchStatus.RETRYING, BatchStatus.STALLED)
    mates = Batch.objects.filter(load=batch.load_id, status__in=waiting).exclude(pk=batch.pk).count()
    verb = "goes" if mates == 1 else "go"
    return [("link", f"{plural(mates, 'other batch')} of the same load {verb} on with it.")] if mates else []


class Revert(Verb):
    name, title, submit = "revert", "Take the batch {batch} out of “{dataset}”?", "Revert the batch"

    def points(self, batch: Batch) -> Points:
        dataset, rows = batch.dataset, batch.loaded_count or 0
        many = f"Up to {plural(rows, 'row')} leave" if batch.mode == Mode.MERGE else f"{plural(rows, 'row')} leave"
        if rows == 1:
            many = many.replace("leave", "leaves")
        again = (
            [("history", "Rows that this batch replaced do not come back: send them again if they are wanted.")]
            if batch.mode == Mode.MERGE
            else []
        )
        return [
            ("visibility_off", f"{many} the table {dataset}, which holds {number(dataset.live_rows)} now."),
            ("groups", "Readers see all of its rows until the moment in which they see none."),
            *again,
            ("inventory_2", _afterwards()),
            ("block", "It cannot be made live again. If the data is wanted after all, it must be sent in a new batch."),
        ]

    def perform(self, request: HttpRequest, batch: Batch, reason: str) -> bool:
        return revert(batch, actor=who(request), reason=reason)

    def said(self, batch: Batch) -> str:
        batch.dataset.refresh_from_db()
        return f"The batch was reverted. {batch.dataset} holds {number(batch.dataset.live_rows)} rows now."


def _afterwards() -> str:
    then = "moved to the archive" if settings.ARCHIVE else "deleted"
    return f"The rows are kept out of view for {settings.INACTIVE_DAYS:g} days, then {then}."


class PutAway(Verb):
    """A step of housekeeping before its time: a worker takes it, and the batch's page tells how it goes."""

    to: ClassVar[BatchStatus]

    def perform(self, request: HttpRequest, batch: Batch, reason: str) -> bool:
        return asked.ask(batch.pk, self.to, actor=who(request), why=reason)

    def done(self, batch: Batch) -> str:
        return f"{self.said(batch)} You need not wait: this page tells when it is done."


class Retain(PutAway):
    name, title, submit = "retain", "Move the batch {batch} to the archive now?", "Move it to the archive"
    to = BatchStatus.RETAINED
    danger = False

    def points(self, batch: Batch) -> Points:
        return [
            ("inventory_2", f"Its {plural(batch.loaded_count or 0, 'row')} are written to the archive as Parquet."),
            (
                "delete_sweep",
                "Then they are removed from the warehouse. Readers notice nothing: they see none of them.",
            ),
            ("hourglass_top", "A worker does it. With many rows this takes minutes; you need not wait."),
        ]

    def said(self, batch: Batch) -> str:
        return "A worker moves its rows to the archive."


class Freeze(PutAway):
    name, title, submit = "archive", "Move the batch {batch} to cold storage now?", "Move it to cold storage"
    to = BatchStatus.ARCHIVED
    danger = False

    def points(self, batch: Batch) -> Points:
        return [
            ("ac_unit", "Its Parquet file is moved from the archive to cold storage."),
            ("delete", f"There it is deleted after {settings.ARCHIVED_DAYS:g} days."),
        ]

    def said(self, batch: Batch) -> str:
        return "A worker moves its file to cold storage."


class Delete(PutAway):
    name, title, submit = "remove", "Delete the data of the batch {batch} for good?", "Delete it for good"
    to = BatchStatus.DELETED

    def points(self, batch: Batch) -> Points:
        rows = batch.archive.get("rows", batch.loaded_count) or 0
        return [
            (
                "delete_forever",
                f"{plural(rows, 'row')} are removed from wherever they are kept. Nobody can bring them back.",
            ),
            ("history", "This page, its counts and its history stay."),
            ("shield", f"What is live in “{name_of(batch.dataset)}” is not touched."),
        ]

    def said(self, batch: Batch) -> str:
        return "A worker removes what is left of its data."


VERBS: tuple[type[Verb], ...] = (Abort, Fail, Resume, Retry, Revert, Retain, Freeze, Delete)
