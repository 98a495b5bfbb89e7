"""Cancel, retry or acknowledge several runs: a page that says what will happen to each, and what is skipped and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.http import require_http_methods

from runs.admin.buttons import why_not
from runs.admin.verbs import REFUSALS, Screen
from runs.lifecycle import caring, ending, starting
from runs.models import Run
from runs.templatetags.headgate import plural

MOST = 200  # runs at once; each is asked about on its own
VERBS = {
    "cancel": ("Cancel", "asked to be cancelled", "Its tasks stop at their next page or file; no table is changed."),
    "retry": ("Retry", "retried", "A new run takes its place and reuses what is finished."),
    "acknowledge": (
        "Acknowledge",
        "acknowledged",
        "They no longer ask for attention; nothing else about them changes.",
    ),
}
RIGHTS = {"cancel": "runs.cancel_run", "retry": "runs.retry_run", "acknowledge": "runs.care_run"}


@dataclass(frozen=True, kw_only=True)
class Line:
    """One run of the selection; `refusal` is "" for one that it will be done to."""

    run: Run
    refusal: str


def lines(verb: str, ids: Sequence[int], user: Any) -> list[Line]:
    """What would happen to each, by the rules that the verb itself applies."""
    now = timezone.now()
    runs = Run.objects.select_related("source", "config").filter(pk__in=ids).order_by("-pk")
    return [Line(run=run, refusal=why_not(verb, run, user, now=now)) for run in runs]


@method_decorator(require_http_methods(["GET", "POST"]), name="dispatch")
class Bulk(View):
    """GET shows the plan and changes nothing; POST does it, run by run, and says how many it did not and why."""

    screen: Screen | None = None

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        verb = kwargs["verb"]
        if verb not in VERBS:
            raise Http404(f"Runs cannot be “{verb}” together.")
        if not (request.user.has_perm("runs.view_run") and request.user.has_perm(RIGHTS[verb])):
            raise PermissionDenied
        return super().dispatch(request, *args, **kwargs)

    def get(self, request: HttpRequest, verb: str) -> HttpResponseBase:
        assert self.screen
        ids = _ids(request.GET.get("ids", ""))
        plan = lines(verb, ids, request.user)
        possible = [line for line in plan if not line.refusal]
        word, _, effect = VERBS[verb]
        context = {
            **self.screen.admin_site.each_context(request),
            "opts": self.screen.opts,
            "title": f"{word} {plural(len(possible), 'run')}?",
            "possible": possible,
            "skipped": [line for line in plan if line.refusal],
            "gone": len(set(ids)) - len(plan),
            "effect": effect,
            "submit": f"{word} {plural(len(possible), 'run')}",
            "danger": verb == "cancel",
            "ids": ",".join(str(line.run.pk) for line in possible),
            "back": reverse("admin:runs_run_changelist"),
        }
        return TemplateResponse(request, "admin/runs/bulk.html", context)

    def post(self, request: HttpRequest, verb: str) -> HttpResponseBase:
        done, refused = 0, list[str]()
        for line in lines(verb, _ids(request.POST.get("ids", "")), request.user):
            reason = line.refusal or _do(verb, line.run, actor=request.user.get_username())
            done += not reason
            refused += [f"Run {line.run.pk}: {reason}"] if reason else []
        if done:
            messages.success(request, f"{plural(done, 'run')} {'was' if done == 1 else 'were'} {VERBS[verb][1]}.")
        for reason in refused:
            messages.warning(request, f"Skipped. {reason}")
        return HttpResponseRedirect(reverse("admin:runs_run_changelist"))


def _do(verb: str, run: Run, *, actor: str) -> str:
    """Answers why it could not be done after all, or nothing."""
    try:
        if verb == "cancel":
            ending.cancel(run.pk, actor=actor)
        elif verb == "acknowledge":
            caring.acknowledge(run.pk, actor=actor)
        else:
            starting.retry(run.pk, asked=starting.Asked(actor=actor, trigger="retry"))
    except REFUSALS as refusal:
        return str(refusal)
    return ""


def _ids(text: str) -> list[int]:
    return [int(part) for part in text.split(",") if part.isdecimal() and len(part) < 19][:MOST]


def ask(request: HttpRequest, verb: str, chosen: QuerySet[Run]) -> HttpResponseBase:
    """Where the action of the list leads: the page that asks."""
    ids = list(chosen.order_by("-pk").values_list("pk", flat=True)[: MOST + 1])
    if len(ids) > MOST:
        messages.error(request, f"At most {MOST} runs can be chosen at once. Choose fewer, or filter the list first.")
        return HttpResponseRedirect(reverse("admin:runs_run_changelist"))
    return HttpResponseRedirect(f"{reverse('admin:runs_run_bulk', args=[verb])}?ids={','.join(map(str, ids))}")
