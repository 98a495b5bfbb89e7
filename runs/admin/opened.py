"""What an open page of a run asks for beside itself: its live fragments, its log as text, its staged files."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any, Final

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
    StreamingHttpResponse,
)
from django.template.loader import render_to_string
from django.urls import URLPattern, path
from django.utils import timezone
from django.views.decorators.http import require_GET

from ingestion.rooms import store
from runs.admin import page
from runs.admin.inside import wanted
from runs.admin.verbs import Screen, address_of
from runs.admin.view import View
from runs.reading.files import parts_of
from runs.reading.freshness import mark, poll_seconds
from runs.reading.logs import whole
from runs.states import RUN_ENDED

STOP_POLLING: Final = 286  # htmx's word for "this was the last one"
LINK_SECONDS = 300
FRAGMENTS: Final = {"top": "admin/runs/run/top.html", "panel": "admin/runs/run/panel.html"}
PASSING = re.compile(r'data-seconds="\d+">[^<]*|"csrfmiddlewaretoken" value="\w+"|<time [^>]*>[^<]*|Read at [\d:]+')


class Opened:
    """The views, for the screen that they hang on."""

    def __init__(self, screen: Screen) -> None:
        self.screen = screen

    def urls(self, wrap: Callable[[Any], Any]) -> list[URLPattern]:
        views = {"live": ("live/", self.live), "log": ("log.txt", self.log)}
        found = [
            path(f"<int:run_id>/{tail}", wrap(require_GET(view)), name=f"runs_run_{name}")
            for name, (tail, view) in views.items()
        ]
        file = wrap(require_GET(self.file))
        return [*found, path("<int:run_id>/files/<int:part_id>/", file, name="runs_run_file")]

    def live(self, request: HttpRequest, run_id: int) -> HttpResponseBase:
        """The page's fragments but those that the asker has (`X-Have`): 304 while nothing has changed, 286 with the
        whole last word of a run that has ended."""
        run = self.screen.run_or_404(request, run_id)
        ended, tag, now = run.status in RUN_ENDED, mark(run, View.read(request.GET).fields()), timezone.now()
        facts = {
            "Cache-Control": "no-store",
            "ETag": f'"{tag}"',
            "X-Read-At": timezone.localtime(now).strftime("%H:%M:%S"),
            "X-Poll-Seconds": str(poll_seconds(run, now=now)),
        }
        if not ended and request.headers.get("If-None-Match") == facts["ETag"]:
            return HttpResponse(status=304, headers=facts)
        context = page.context(run, request.user, request.GET)
        known = set() if ended else set(request.headers.get("X-Have", "").split(","))
        fragments = {name: render_to_string(template, context, request) for name, template in FRAGMENTS.items()}
        digests = {name: digest(html) for name, html in fragments.items()}
        fresh = "".join(html for name, html in fragments.items() if digests[name] not in known)
        facts["X-Fragments"] = ",".join(digests.values())
        return HttpResponse(fresh, status=STOP_POLLING if ended else 200, headers=facts)

    def log(self, request: HttpRequest, run_id: int) -> HttpResponseBase:
        """All lines that the address asks for, as a text file."""
        run = self.screen.run_or_404(request, run_id)
        lines = whole(run, wanted(View.read(request.GET)))
        answer = StreamingHttpResponse(lines, content_type="text/plain; charset=utf-8")
        answer["Content-Disposition"] = f'attachment; filename="headgate-run-{run.pk}.log"'
        answer["Cache-Control"] = "no-store"
        return answer

    def file(self, request: HttpRequest, run_id: int, part_id: int) -> HttpResponseBase:
        """A short-lived address of a staged file, where the store gives one out."""
        run = self.screen.run_or_404(request, run_id)
        if not request.user.has_perm("runs.view_raw_data"):
            raise PermissionDenied
        part = parts_of(run).filter(pk=part_id).first()
        if part is None:
            raise Http404(f"Run {run.pk} has no such file.")
        link = store().presigned(part.key, seconds=LINK_SECONDS, filename=f"run-{run.pk}-{part.key.split('/')[-1]}")
        if link is None:
            messages.warning(request, "This staging store gives out no links; the file can be read on its disk.")
            return HttpResponseRedirect(f"{address_of(run)}?tab=files")
        return HttpResponseRedirect(link)


def digest(html: str) -> str:
    """The same for two drawings that differ in nothing but what the page counts on by itself."""
    return hashlib.sha256(PASSING.sub("", html).encode()).hexdigest()[:16]
