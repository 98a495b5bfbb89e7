"""Runs as the API reads them: everything that a list shows, in one query."""

from __future__ import annotations

from django.db.models import F, QuerySet

from runs.models import Run


def all_runs() -> QuerySet[Run]:
    """The newest first, with what lies one join away: the source, the run that retried it, the data load."""
    return (
        Run.objects.select_related("source")
        .defer("source__sealed_credentials", "source__settings")
        .annotate(
            retried_by_id=F("retried_by__pk"), data_load_id=F("data_load__pk"), assignee_name=F("assignee__username")
        )
        .order_by("-pk")
    )
