"""One row of the list of runs with what may be done to it. What is not allowed stays in sight, with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from runs.admin import columns
from runs.lifecycle.allowing import missing_right, why_not_cancel
from runs.lifecycle.retryable import why_not_retry_each
from runs.models import Run
from runs.templatetags.headgate import icon

OFFERED = '<li><a class="hg-item" href="{}">{}<strong>{}</strong></a></li>'
REFUSED = '<li><span class="hg-item hg-not">{}<span><strong>{}</strong><br>{}</span></span></li>'


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

    @property
    def menu(self) -> SafeString:
        return format_html_join("", "{}", ((_item(action),) for action in self.actions))


def rows_of(runs: Sequence[Run], user: Any) -> list[Row]:
    """Three queries for all of them, where any of them has ended in a way that can be retried."""
    retry = why_not_retry_each(runs)
    rows = []
    for run in runs:
        refused = retry[run.pk]
        why_not = missing_right("retry", run, user) or (refused.message if refused else "")
        actions = [
            _action("change", "Details", "open_in_new", run, ""),
            _action("retry", "Retry", "replay", run, why_not),
            _action("cancel", "Cancel", "cancel", run, missing_right("cancel", run, user) or why_not_cancel(run)),
        ]
        rows.append(Row(run=run, cells=columns.cells(run), actions=actions))
    return rows


def _item(action: Action) -> SafeString:
    if action.reason:
        return format_html(REFUSED, icon(action.icon), action.label, action.reason)
    return format_html(OFFERED, action.address, icon(action.icon), action.label)


def _action(name: str, label: str, icon: str, run: Run, reason: str) -> Action:
    return Action(label=label, icon=icon, address=columns.place(run.pk, name), reason=reason)
