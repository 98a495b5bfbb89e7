""" "Run now" of a data source: what to know before, the page that asks before a destructive run, and the start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Protocol

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from connectors.admin.sources import TROUBLE
from connectors.models import DataSource
from runs import preflight
from runs.admin.verbs import REFUSALS, address_of
from runs.lifecycle import starting
from runs.states import RunMode, RunStatus

RIGHTS: Final = {
    RunMode.INCREMENTAL: "connectors.start_run",
    RunMode.DESTRUCTIVE: "connectors.start_destructive_run",
}
ENTRIES: Final = {
    RunMode.INCREMENTAL: ("Incremental run", "Adds and updates what changed since the last completed run.", "update"),
    RunMode.DESTRUCTIVE: (
        "Destructive run",
        "Fetches everything and replaces what is live. Asks first.",
        "restart_alt",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Start:
    """One entry of the "Run now" menu. `reason` is empty where it may be used."""

    mode: str
    label: str
    help: str
    icon: str
    reason: str


class Screen(Protocol):
    """What starting needs of the data source's screen."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool: ...

    def source_or_404(self, source_id: int) -> DataSource: ...

    def frame(self, request: HttpRequest, title: str, source: DataSource) -> dict[str, Any]: ...


def card(source: DataSource, user: Any) -> dict[str, Any]:
    """What the start card on the source's page is drawn from."""
    return {
        "start_address": reverse("admin:connectors_datasource_start", args=[source.pk]),
        "starts": [
            Start(mode=mode, label=label, help=text, icon=icon, reason=_why_not(source, mode, user))
            for mode, (label, text, icon) in ENTRIES.items()
        ],
        "preflight": preflight.look(source, RunMode.INCREMENTAL),
    }


def _why_not(source: DataSource, mode: RunMode, user: Any) -> str:
    if not user.has_perm(RIGHTS[mode]):
        return f"You do not have the right to start {mode} runs; an administrator can give it to you."
    return "" if source.enabled else "This data source is disabled; enable it below first."


def view(screen: Screen, request: HttpRequest, source_id: int) -> HttpResponseBase:
    """POST starts a run. A destructive one is started from the page that asks, which is what GET shows."""
    source = screen.source_or_404(source_id)
    mode = RunMode.INCREMENTAL if request.POST.get("mode") == RunMode.INCREMENTAL else RunMode.DESTRUCTIVE
    if not (screen.has_view_permission(request, source) and request.user.has_perm(RIGHTS[mode])):
        raise PermissionDenied
    if mode == RunMode.INCREMENTAL:
        return _start(request, source, mode)
    if request.POST.get("confirmed") != "yes":
        return _ask(screen, request, source)
    if missing := preflight.why_not_confirmed(source, mode, request.POST.get("confirm", "")):
        return _ask(screen, request, source, error=missing)
    return _start(request, source, mode)


def _start(request: HttpRequest, source: DataSource, mode: RunMode) -> HttpResponseBase:
    asked = starting.Asked(actor=request.user.get_username(), trigger="person")
    try:
        run = starting.request(source.pk, mode, asked=asked)
    except (*REFUSALS, *TROUBLE) as refusal:
        messages.error(request, f"{refusal} {getattr(refusal, 'advice', '')}".strip())
        return HttpResponseRedirect(reverse("admin:connectors_datasource_change", args=[source.pk]))
    if run.status == RunStatus.REJECTED:
        messages.warning(request, f"Run {run.pk} was rejected: the previous one is still running.")
    else:
        messages.success(request, f"Run {run.pk} of “{source}” was started.")
    return HttpResponseRedirect(address_of(run))


def _ask(screen: Screen, request: HttpRequest, source: DataSource, *, error: str = "") -> HttpResponseBase:
    facts = preflight.look(source, RunMode.DESTRUCTIVE)
    points = [
        ("restart_alt", "Everything is fetched from the source again."),
        (
            "shield",
            "The tables below are replaced in one step when all are ready; until then they stay as they are.",
        ),
    ]
    context = screen.frame(request, f"Start a destructive run of {source}?", source) | {
        "points": points,
        "preflight": facts,
        "replaces": True,
        "fields": {"mode": RunMode.DESTRUCTIVE, "confirmed": "yes"},
        "submit": "Start the destructive run",
        "danger": True,
        "error": error,
        "back": reverse("admin:connectors_datasource_change", args=[source.pk]),
    }
    return TemplateResponse(request, "admin/confirm.html", context)
