"""One row of the list of runs with what may be done to it. What is not allowed stays in sight, with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils.safestring import SafeString

from runs.admin import columns
from runs.lifecycle.allowing import missing_right, why_not_cancel
from runs.models import Run
from runs.reading.retryable import why_not_retry_each


@dataclass(frozen=True, kw_only=True)
class Action:
    """`reason` is empty where it may be done."""

    label: str
    icon: str
    address: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Row:
    run: Run
    cells: SafeString
    actions: Sequence[Action]


def rows_of(runs: Sequence[Run], user: Any) -> list[Row]:
    """Three queries for all of them, where any of them has ended in a way that can be retried."""
    retry = why_not_retry_each(runs)
    rows = []
    for run in runs:
        actions = [
            _action("change", "Details", "open_in_new", run, ""),
            _action("retry", "Retry", "replay", run, missing_right("retry", run, user) or retry[run.pk]),
            _action("cancel", "Cancel", "cancel", run, missing_right("cancel", run, user) or why_not_cancel(run)),
        ]
        rows.append(Row(run=run, cells=columns.cells(run), actions=actions))
    return rows


def _action(name: str, label: str, icon: str, run: Run, reason: str) -> Action:
    address = reverse(f"admin:runs_run_{name}", args=[run.pk])
    return Action(label=label, icon=icon, address=address, reason=reason)
