"""The box of the sidebar: an id of a run, a task, a data load or a batch leads to its page; other text to a search."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from unfold.dataclasses import SearchResult

from connectors.models import DataSource
from ingestion.models import Batch
from runs.models import DataLoad, Run, Task

ULID: Final = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}", re.IGNORECASE)
NAMED: Final = re.compile(r"(run|task|load|data load|batch)\s*(?:id)?\s*[:#]?\s*(\d{1,18})", re.IGNORECASE)
NUMBER: Final = re.compile(r"#?\s*(\d{1,18})")
FOUND: Final = 20  # data sources by name
Door = Callable[[int], str | None]


def _run(pk: int) -> str | None:
    return reverse("admin:runs_run_change", args=[pk]) if Run.objects.filter(pk=pk).exists() else None


def _task(pk: int) -> str | None:
    """The page of its run, searched for the task by its name, so that it is in sight however many there are."""
    task = Task.objects.filter(pk=pk).only("run", "name").first()
    if task is None:
        return None
    return f"{reverse('admin:runs_run_change', args=[task.run_id])}?{urlencode({'q': task.name[:200]})}#task-{pk}"


def _load(pk: int) -> str | None:
    return reverse("admin:runs_dataload_change", args=[pk]) if DataLoad.objects.filter(pk=pk).exists() else None


def _batch(pk: int) -> str | None:
    return reverse("admin:ingestion_batch_change", args=[pk]) if Batch.objects.filter(pk=pk).exists() else None


DOORS: Final[dict[str, tuple[str, Door]]] = {
    "run": ("runs.view_run", _run),
    "task": ("runs.view_run", _task),
    "load": ("runs.view_dataload", _load),
    "batch": ("ingestion.view_batch", _batch),
}


def place_of(text: str, user: Any) -> tuple[str, str | None] | None:
    """What the text names ("run 31548") and the address of its page, None where there is none that this person may
    see; None where the text is no id at all."""
    if ULID.fullmatch(text):
        pk = Batch.objects.filter(public_id__iexact=text).values_list("pk", flat=True).first()
        return f"batch {text.upper()}", _open("batch", pk, user) if pk else None
    named, bare = NAMED.fullmatch(text), NUMBER.fullmatch(text)
    if not named and not bare:
        return None
    kind, digits = (named[1].lower().removeprefix("data "), named[2]) if named else ("run", bare[1] if bare else "")
    return f"{kind.replace('load', 'data load')} {int(digits)}", _open(kind, int(digits), user)


def _open(kind: str, pk: int, user: Any) -> str | None:
    right, door = DOORS[kind]
    return door(pk) if user.has_perm(right) else None


def go(request: HttpRequest) -> HttpResponseBase:
    """Leads on: to the page of an id, else to the list of runs, searched for the text."""
    text = request.GET.get("q", "").replace("\0", "").strip()[:200]
    found = place_of(text, request.user) if text else None
    runs = reverse("admin:runs_run_changelist")
    if found is None:
        return HttpResponseRedirect(f"{runs}?{urlencode({'q': text})}" if text else reverse("admin:index"))
    name, address = found
    if address:
        return HttpResponseRedirect(address)
    messages.warning(request, unknown(name))
    allowed = request.user.has_perm("runs.view_run")
    return HttpResponseRedirect(f"{runs}?all=1" if allowed else reverse("admin:index"))


def unknown(name: str) -> str:
    """Kind words for an id that leads nowhere."""
    newest = Run.objects.order_by("-pk").values_list("pk", flat=True).first() if name.startswith("run ") else None
    hint = f" The newest run is {newest}." if newest else ""
    return f"There is no {name}, or you may not see it.{hint} Check the number; “task 12” and “load 7” find those."


def results(request: HttpRequest, text: str) -> list[SearchResult]:
    """What the command bar offers for a text: the page of an id, and data sources by their names."""
    offered = []
    found = place_of(text.strip(), request.user)
    if found and found[1]:
        offered.append(
            SearchResult(title=found[0].capitalize(), description="Open", link=found[1], icon="arrow_forward")
        )
    if request.user.has_perm("connectors.view_datasource"):
        for source in DataSource.objects.filter(name__icontains=text.strip()).only("name")[:FOUND]:
            link = reverse("admin:connectors_datasource_change", args=[source.pk])
            offered.append(SearchResult(title=source.name, description="Data source", link=link, icon="database"))
    return offered
