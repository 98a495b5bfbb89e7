"""The staged files of a run, table by table: what is in each, who wrote it, and how long it is kept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.core.paginator import Page, Paginator
from django.db.models import QuerySet, Sum

from ingestion.models import Part
from runs.models import Run, Task

FILES_PER_PAGE = 200


@dataclass(frozen=True, kw_only=True)
class File:
    """One staged file. `attempt` is that of the task which wrote it; "" where its name does not tell."""

    part: Part
    name: str
    task: str
    task_id: int
    attempt: str

    @property
    def state(self) -> str:
        if self.part.merged_into_id:
            return "merged into a larger file"
        return "loaded" if self.part.batch.loaded_count is not None else "staged"


@dataclass(frozen=True, kw_only=True)
class Files:
    rows: list[File]
    page: Page[Part]
    row_count: int
    size: int
    kept_until: datetime | None  # None while the run's tables are not settled


def files_of(run: Run, *, page: int = 1) -> Files:
    """Four queries, however many files there are."""
    parts = parts_of(run)
    shown = Paginator(parts.order_by("batch__dataset__name", "number"), FILES_PER_PAGE).get_page(page)
    sums = parts.filter(merged_into=None).aggregate(rows=Sum("row_count"), size=Sum("size"))
    return Files(
        rows=_named(shown.object_list),
        page=shown,
        row_count=sums["rows"] or 0,
        size=sums["size"] or 0,
        kept_until=run.finished_at + timedelta(days=settings.KEEP_STAGED_DAYS) if run.finished_at else None,
    )


def parts_of(run: Run) -> QuerySet[Part]:
    own = Part.objects.filter(batch__load=run.load_id, batch__owner=run.owner)
    return own.select_related("batch__dataset").defer("columns", "pages", "warnings", "batch__blueprint")


def _named(parts: Iterable[Part]) -> list[File]:
    parts = list(parts)
    ids = {_task_of(part) for part in parts}
    names = dict(Task.objects.filter(pk__in=ids).values_list("pk", "name"))
    return [_file(part, names) for part in parts]


def _file(part: Part, names: dict[int, str]) -> File:
    steps = part.key.split("/")
    number = _task_of(part)
    attempt = steps[-2] if len(steps) > 2 and steps[-2].isdecimal() else ""
    return File(part=part, name=steps[-1], task=names.get(number, part.label), task_id=number, attempt=attempt)


def _task_of(part: Part) -> int:
    number = part.label.rpartition("/")[2]
    return int(number) if number.isdecimal() else 0
