"""What hangs on a run's page: the comparison with another run, and the support bundle. Reads only."""

from __future__ import annotations

from django.contrib import messages
from django.db.models import Q
from django.http import FileResponse, HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_GET

from runs.admin.verbs import Screen, address_of
from runs.models import Run
from runs.reading.bundle import bundle_of, filename
from runs.reading.compare import compare, partner_of

OFFERED = 20  # runs to choose another partner from


class Beside:
    """The two views, for the screen that they hang on."""

    def __init__(self, screen: Screen) -> None:
        self.screen = screen
        self.compare = require_GET(self._compare)
        self.bundle = require_GET(self._bundle)

    def _compare(self, request: HttpRequest, run_id: int) -> HttpResponseBase:
        """`?with=` names the other run; without it the last good run of the same type is taken."""
        run = self.screen.run_or_404(request, run_id)
        asked = request.GET.get("with", "").strip()
        other = self._named(request, asked) if asked else partner_of(run)
        if other is None or other.pk == run.pk:
            messages.warning(request, _nothing_to_compare(asked, run))
            return HttpResponseRedirect(address_of(run))
        context = {
            **self.screen.admin_site.each_context(request),
            "opts": self.screen.opts,
            "original": run,
            "title": f"Run {run.pk} beside run {other.pk}",
            "run": run,
            "found": compare(other, run, now=timezone.now()),
            "may_see_configuration": request.user.has_perm("connectors.view_datasource"),
            "others": _others(run),
        }
        return TemplateResponse(request, "admin/runs/compare.html", context)

    def _named(self, request: HttpRequest, asked: str) -> Run | None:
        known = asked.isdecimal() and len(asked) < 19
        return Run.objects.select_related("source", "config").filter(pk=int(asked)).first() if known else None

    def _bundle(self, request: HttpRequest, run_id: int) -> HttpResponseBase:
        """The zip, as a download."""
        run = self.screen.run_or_404(request, run_id)
        raw = request.user.has_perm("runs.view_raw_data")
        zipped = bundle_of(run, raw=raw, made_by=request.user.get_username(), now=timezone.now())
        return FileResponse(zipped, as_attachment=True, filename=filename(run), headers={"Cache-Control": "no-store"})


def _nothing_to_compare(asked: str, run: Run) -> str:
    if asked:
        return f"There is no other run “{asked[:20]}” to compare run {run.pk} with; give the id of another run."
    return f"Run {run.pk} is the first of its source, so there is nothing to compare it with."


def _others(run: Run) -> list[Run]:
    """The newest runs of the same source, to choose from."""
    same = Run.objects.filter(~Q(pk=run.pk), source=run.source_id)
    return list(same.order_by("-pk").only("pk", "status", "mode", "created_at")[:OFFERED])
