"""Panels of a run's page that look inside: log, schema changes, API calls, staged files, configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from django.core.paginator import Paginator

from ingestion.rooms import store
from runs.admin.view import View
from runs.models import Level, Run
from runs.reading.calls import ledger_of, waiting_for_quota
from runs.reading.compare import config_diff
from runs.reading.decisions import decisions_of
from runs.reading.files import files_of
from runs.reading.logs import Wanted, tail, tasks_in
from runs.reading.redaction import Censor
from runs.stages.telling import size_words

TABLES_PER_PAGE = 100


def wanted(view: View) -> Wanted:
    """The lines of the log that an address asks for."""
    return Wanted(level=view.level, task=view.task, find=view.find)


def _log(run: Run, view: View) -> dict[str, Any]:
    tasks = tasks_in(run)
    names = {task.pk: task.name for task in tasks}
    found = tail(run, wanted(view), page=view.page)
    lines = [(entry, names.get(entry.task, f"Task {entry.task}")) for entry in found.entries]
    return {"lines": lines, "older": found.older, "tasks": tasks, "levels": Level.choices}


def _changes(run: Run, view: View) -> dict[str, Any]:
    page = Paginator(decisions_of(run), TABLES_PER_PAGE).get_page(view.page)
    return {"page": page, "tables": page.object_list}


def _calls(run: Run, view: View) -> dict[str, Any]:
    ledger = ledger_of(run)
    rows = [(row, size_words(row.count.wire_bytes)) for row in ledger.rows]
    sums = {"totals": ledger.totals, "total_size": size_words(ledger.totals.wire_bytes)}
    return {"rows": rows, "waiting": waiting_for_quota(run), **sums}


def _files(run: Run, view: View) -> dict[str, Any]:
    files = files_of(run, page=view.page)
    rows = [(file, size_words(file.part.size)) for file in files.rows]
    linked = bool(files.rows) and gives_links(files.rows[0].part.key)
    return {"rows": rows, "page": files.page, "files": files, "total_size": size_words(files.size), "has_links": linked}


def gives_links(key: str) -> bool:
    """Whether the staging store gives out addresses at all; making one calls nobody."""
    return store().presigned(key, seconds=60, filename="file") is not None


def _configuration(run: Run, view: View) -> dict[str, Any]:
    """What differs from the configuration of the source's run before, with what looks like a secret taken out."""
    earlier = Run.objects.filter(source=run.source_id, pk__lt=run.pk).select_related("config__source")
    before = earlier.order_by("-pk").first()
    run.config.source = run.source
    lines = config_diff(before.config, run.config) if before else []
    censor = Censor()
    return {
        "before": before,
        "diff": [(_kind(line), censor.text(line)) for line in lines],
        "made": run.config.created_at,
    }


def _kind(line: str) -> str:
    """What a line of a diff is, for its look; its first letter says the same."""
    if line.startswith(("+++", "---", "@@")):
        return "place"
    return {"+": "new", "-": "old"}.get(line[:1], "same")


INSIDE: Final[Mapping[str, Callable[[Run, View], dict[str, Any]]]] = {
    "log": _log,
    "changes": _changes,
    "calls": _calls,
    "files": _files,
    "configuration": _configuration,
}
