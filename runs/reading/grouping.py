"""Messages of a run by fingerprint: the same words with numbers and names folded count as one kind."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import Count, Max, Min, Sum

from runs.models import Message, Run

GROUPS_PER_PAGE = 50
Groups = Page[Any]


@dataclass(frozen=True, kw_only=True)
class Group:
    """One kind of message; `example` is its newest."""

    fingerprint: str
    level: int
    count: int  # how often it was said
    rows: int  # messages that differ
    tasks: int
    first_at: datetime
    last_at: datetime
    example: Message


def groups_of(run: Run, *, page: int = 1) -> tuple[list[Group], Groups]:
    """The worst first, then the newest. Three queries, however many messages there are."""
    counted = (
        run.messages.order_by()
        .values("fingerprint")
        .annotate(
            worst=Max("level"),
            said=Sum("count"),
            rows=Count("pk"),
            task_count=Count("task", distinct=True),
            first=Min("created_at"),
            last=Max("last_at"),
            newest=Max("pk"),
        )
        .order_by("-worst", "-last", "fingerprint")
    )
    shown = Paginator(counted, GROUPS_PER_PAGE).get_page(page)
    rows = list(shown.object_list)
    examples = Message.objects.select_related("task").in_bulk([row["newest"] for row in rows])
    return [_group(row, examples[row["newest"]]) for row in rows], shown


def _group(row: Any, example: Message) -> Group:
    return Group(
        fingerprint=row["fingerprint"],
        level=row["worst"],
        count=row["said"],
        rows=row["rows"],
        tasks=row["task_count"],
        first_at=row["first"],
        last_at=row["last"],
        example=example,
    )
