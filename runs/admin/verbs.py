"""Cancel, retry and force close: each asks on a page of its own, then calls one verb of the lifecycle."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar, Protocol

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from connectors.manifest import ManifestError
from connectors.protocol import SourceError
from runs import upkeep
from runs.admin.buttons import why_not
from runs.errors import Refused
from runs.lifecycle import ending, retrying, starting
from runs.lifecycle.allowing import missing_right
from runs.lifecycle.retrying import Choice
from runs.models import Run
from runs.states import RUN_WORDS, RunStatus
from runs.templatetags.headgate import exact, plural

REFUSALS = (Refused, ManifestError, SourceError)


def address_of(run: Run) -> str:
    return reverse("admin:runs_run_change", args=[run.pk])


class Screen(Protocol):
    """What a verb needs of the screen that it hangs on."""

    admin_site: Any
    opts: Any

    def run_or_404(self, request: HttpRequest, run_id: int | str) -> Run: ...


class Verb:
    """A page that asks, and the POST that does it. GET shows what would happen; only POST changes anything."""

    name: ClassVar[str]
    title: ClassVar[str]
    submit: ClassVar[str]
    danger: ClassVar[bool] = True
    needs_reason: ClassVar[bool] = False

    def __init__(self, admin: Screen) -> None:
        self.admin = admin
        self.view = require_http_methods(["GET", "POST"])(self._view)

    def _view(self, request: HttpRequest, run_id: int) -> HttpResponseBase:
        run = self.admin.run_or_404(request, run_id)
        if missing := missing_right(self.name, run, request.user):
            raise PermissionDenied(missing)
        if request.method == "POST":
            return self._do(request, run)
        refusal = why_not(self.name, run, request.user, now=timezone.now())
        if refusal:
            messages.warning(request, refusal)
            return HttpResponseRedirect(address_of(run))
        return self._ask(request, run)

    def _ask(self, request: HttpRequest, run: Run, *, error: str = "") -> HttpResponseBase:
        context = {
            **self.admin.admin_site.each_context(request),
            "title": self.title.format(run=run.pk),
            "opts": self.admin.opts,
            "original": run,
            "run": run,
            "points": self.points(run),
            **self.more(run),
            "submit": self.submit,
            "danger": self.danger,
            "needs_reason": self.needs_reason,
            "error": error,
            "back": address_of(run),
        }
        return TemplateResponse(request, "admin/confirm.html", context)

    def _do(self, request: HttpRequest, run: Run) -> HttpResponseBase:
        reason = request.POST.get("reason", "").strip()
        if self.needs_reason and not reason:
            return self._ask(request, run, error="Say why: the reason is kept in the run's history.")
        try:
            shown = self.perform(request, run, reason)
        except REFUSALS as refusal:
            messages.error(request, str(refusal))
            shown = run
        return HttpResponseRedirect(address_of(shown))

    def points(self, run: Run) -> list[tuple[str, str]]:
        """What will happen: an icon and a sentence each."""
        raise NotImplementedError

    def more(self, run: Run) -> dict[str, Any]:
        """What else the page that asks is drawn from."""
        return {}

    def perform(self, request: HttpRequest, run: Run, reason: str) -> Run:
        """Do it, say so, and answer the run to show."""
        raise NotImplementedError


class Cancel(Verb):
    name = "cancel"
    title = "Cancel run {run}?"
    submit = "Cancel the run"

    def points(self, run: Run) -> list[tuple[str, str]]:
        days = settings.KEEP_STAGED_DAYS
        until = timezone.localdate() + timedelta(days=days)
        staged = f"{plural(run.row_count, 'row')} staged so far" if run.row_count else "What has been staged so far"
        are = "are" if run.row_count > 1 else "is"
        return [
            ("shield", "Nothing goes live: no table is changed, and what is live now stays as it is."),
            (
                "inventory_2",
                f"{staged} {are} kept for {days} days, until {until:%d %b %Y}, so that a retry can use it.",
            ),
            ("stop_circle", "Tasks at work stop at their next page or file. Until then the run is “Canceling …”."),
            ("replay", "A cancelled run can be retried while it is the newest of its data source."),
        ]

    def perform(self, request: HttpRequest, run: Run, reason: str) -> Run:
        answer = ending.cancel(run.pk, actor=request.user.get_username())
        if answer.first:
            word = RUN_WORDS[answer.run.status]
            messages.success(request, f"The cancel of run {run.pk} was taken: it is “{word}” now.")
        else:
            who = answer.run.cancel_requested_by or "somebody"
            when = exact(answer.run.cancel_requested_at)
            messages.info(request, f"Thank you, but {who} asked for this already at {when}. The run is stopping.")
        return answer.run


class Retry(Verb):
    name = "retry"
    title = "Retry run {run}?"
    submit = "Retry"
    danger = False

    def points(self, run: Run) -> list[tuple[str, str]]:
        support = (
            "Consider giving support the run id first: a retry shows whether the trouble has passed, not its cause."
        )
        return [
            ("add_circle", f"A new {run.mode} run is made; run {run.pk} stays as it is, with a link to the new one."),
            ("shield", "Tables change only when all of them are ready, in one step."),
            ("support", support),
        ]

    def more(self, run: Run) -> dict[str, Any]:
        return {"ways": retrying.plan(run), "support_url": settings.SUPPORT_URL}

    def perform(self, request: HttpRequest, run: Run, reason: str) -> Run:
        chosen = request.POST.get("choice") or Choice.FAILED
        if chosen not in list(Choice):
            raise Refused("Choose one of the ways that the page offers.", code="choice", run_id=run.pk)
        asked = starting.Asked(actor=request.user.get_username(), trigger="retry")
        fresh = starting.retry(run.pk, asked=asked, choice=Choice(chosen))
        messages.success(request, f"Run {fresh.pk} was started in place of run {run.pk}.")
        return fresh


class Close(Verb):
    name = "close"
    title = "Force run {run} closed?"
    submit = "Force it closed"
    needs_reason = True

    def points(self, run: Run) -> list[tuple[str, str]]:
        ended = RUN_WORDS[RunStatus.CANCELLED if run.status == RunStatus.CANCELING else RunStatus.FAILED]
        return [
            ("gavel", f"The run ends as “{ended}” without waiting for its workers; what they still send is refused."),
            (
                "fact_check",
                "If its tables went live after all, the warehouse says so, and the run ends as “Completed”.",
            ),
            ("replay", "It can be retried afterwards."),
        ]

    def perform(self, request: HttpRequest, run: Run, reason: str) -> Run:
        status = upkeep.force_close(run.pk, actor=request.user.get_username(), reason=reason)
        messages.success(request, f"Run {run.pk} was closed: it ended as “{RUN_WORDS[status]}”.")
        return run
