"""Acknowledge, assign, snooze, note and hand over: the forms on a run's page post here, each to one verb."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from runs.admin.verbs import Screen, address_of
from runs.errors import Refused
from runs.lifecycle import caring
from runs.lifecycle.allowing import missing_right
from runs.models import Run
from runs.reading.care import snoozed_until
from runs.reading.handover import handover
from runs.templatetags.headgate import exact

Act = Callable[[HttpRequest, Run], str]
NOBODY = "There is nobody of that name any more; choose somebody else."


class Care:
    """The views, for the screen that they hang on."""

    def __init__(self, screen: Screen) -> None:
        self.screen = screen

    def urls(self, wrap: Callable[[Any], Any]) -> list[URLPattern]:
        verbs = [
            path(f"<int:run_id>/{verb}/", wrap(require_POST(self._view(verb, act))), name=f"runs_run_{verb}")
            for verb, act in ACTS.items()
        ]
        return [*verbs, path("<int:run_id>/handover/", wrap(require_GET(self.handover)), name="runs_run_handover")]

    def _view(self, verb: str, act: Act) -> Callable[[HttpRequest, int], HttpResponseBase]:
        def view(request: HttpRequest, run_id: int) -> HttpResponseBase:
            run = self.screen.run_or_404(request, run_id)
            if missing := missing_right(verb, run, request.user):
                raise PermissionDenied(missing)
            try:
                messages.success(request, act(request, run))
            except Refused as refusal:
                messages.error(request, refusal.message)
            return HttpResponseRedirect(f"{address_of(run)}#care")

        return view

    def handover(self, request: HttpRequest, run_id: int) -> HttpResponseBase:
        """The run in Markdown, to paste into a ticket."""
        run = self.screen.run_or_404(request, run_id)
        text = handover(run, address=request.build_absolute_uri(address_of(run)))
        return HttpResponse(text, content_type="text/plain; charset=utf-8", headers={"Cache-Control": "no-store"})


def _acknowledge(request: HttpRequest, run: Run) -> str:
    ticket = request.POST.get("ticket", "").strip()[:500]
    answer = caring.acknowledge(run.pk, actor=request.user.get_username(), ticket=ticket)
    if answer.first:
        return f"Run {run.pk} is acknowledged: it asks for attention no more."
    when = exact(answer.run.acknowledged_at)
    return f"Thank you; {answer.run.acknowledged_by} acknowledged run {run.pk} already at {when}."


def _assign(request: HttpRequest, run: Run) -> str:
    """`to` is a name, "me", or empty for nobody."""
    name = request.POST.get("to", "").strip()
    name = request.user.get_username() if name == "me" else name
    to = User.objects.filter(username=name).first() if name else None
    if name and to is None:
        raise Refused(NOBODY, code="assignee", run_id=run.pk)
    caring.assign(run.pk, to=to, actor=request.user.get_username())
    return f"Run {run.pk} is assigned to {name or 'nobody'}."


def _snooze(request: HttpRequest, run: Run) -> str:
    """`until` is one of the choices, or empty to end a snooze."""
    now, choice = timezone.now(), request.POST.get("until", "")
    until = snoozed_until(choice, now=now)
    if choice and until is None:
        raise Refused("Choose how long the run is to be snoozed.", code="snooze_time", run_id=run.pk)
    caring.snooze(run.pk, until=until, actor=request.user.get_username(), now=now)
    return f"Run {run.pk} is snoozed until {exact(until)}." if until else f"Run {run.pk} is snoozed no more."


def _note(request: HttpRequest, run: Run) -> str:
    caring.note(run.pk, text=request.POST.get("text", ""), actor=request.user.get_username())
    return "Your note was added."


ACTS: dict[str, Act] = {"acknowledge": _acknowledge, "assign": _assign, "snooze": _snooze, "note": _note}
