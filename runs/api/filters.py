"""What lists of runs, tasks, messages and data loads can be narrowed and ordered by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Case, DurationField, Expression, ExpressionWrapper, F, IntegerField, QuerySet, Value, When
from django.db.models.expressions import OrderBy
from django.db.models.functions import Coalesce, Now
from django.utils import timezone
from django_filters import rest_framework as filters
from django_filters.fields import MultipleChoiceField

from connectors.models import DataSource
from runs.models import DataLoad, Event, Level, Message, Run, TableLoad, Task
from runs.search import RUN_SPELLINGS, TASK_SPELLINGS, matching
from runs.states import KIND_WORDS, LOAD_WORDS, RUN_WORDS, TASK_WORDS, URGENCY, RunMode, TaskStatus

TRIGGERS: Final = ("person", "api", "command", "retry", "schedule", "demo")
PERIODS: Final[Mapping[str, timedelta]] = {"24h": timedelta(hours=24), "7d": timedelta(7), "30d": timedelta(30)}
TASK_URGENCY: Final = (
    TaskStatus.FAILED,
    TaskStatus.RUNNING,
    TaskStatus.QUEUED,
    TaskStatus.WAITING,
    TaskStatus.SKIPPED,
    TaskStatus.CANCELLED,
    TaskStatus.COMPLETED,
)


class Words(MultipleChoiceField):  # type: ignore[misc]
    """Stored words, in every spelling that people know."""

    def __init__(self, *args: Any, spellings: Mapping[str, Sequence[str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        stored = {str(word) for word, _ in self.choices}
        pairs = [(typed, str(word)) for word, other in spellings.items() for typed in other]
        self.spellings = {typed: word for typed, word in pairs if typed not in stored}

    def to_python(self, value: Any) -> list[str]:
        return [self.spellings.get(item.lower(), item.lower()) for item in super().to_python(value)]


class WordFilter(filters.MultipleChoiceFilter):  # type: ignore[misc]
    field_class = Words


class Ordering(filters.OrderingFilter):  # type: ignore[misc]
    """Orders by expressions, what is missing last; the newest first among equals, so that pages never overlap."""

    def __init__(self, by: Mapping[str, Expression | F], **kwargs: Any) -> None:
        self.by = by
        super().__init__(fields={name: name for name in by}, **kwargs)

    def get_ordering_value(self, param: str) -> OrderBy:
        expression = self.by[param.removeprefix("-")]
        return OrderBy(expression, descending=param.startswith("-"), nulls_last=True)

    def filter(self, qs: QuerySet[Any], value: Sequence[str] | None) -> QuerySet[Any]:
        return qs.order_by(*map(self.get_ordering_value, value), "-pk") if value else qs


def _urgency(statuses: Sequence[str]) -> Case:
    ranks = (When(status=status, then=Value(rank)) for rank, status in enumerate(statuses))
    return Case(*ranks, default=Value(len(statuses)), output_field=IntegerField())


def _duration() -> Expression:
    """As the database sees it now, for runs that are still going."""
    ended = Coalesce(F("finished_at"), Now())
    return ExpressionWrapper(ended - F("started_at"), output_field=DurationField())


class Since(filters.FilterSet):  # type: ignore[misc]
    """A span of time over `created_at`; a date alone is its midnight, UTC."""

    since = filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="gte", label="Created at or after.")
    until = filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="lt", label="Created before.")


class RunFilter(Since):
    """Lists given more than once widen: status=failed&status=rejected finds both."""

    source = filters.ModelMultipleChoiceFilter(queryset=DataSource.objects.all(), label="Ids of data sources.")
    status = WordFilter(choices=list(RUN_WORDS.items()), spellings=RUN_SPELLINGS)
    type = filters.MultipleChoiceFilter(field_name="mode", choices=[(m.value, m.value) for m in RunMode])
    trigger = filters.MultipleChoiceFilter(choices=[(word, word) for word in TRIGGERS])
    requested_by = filters.CharFilter(lookup_expr="iexact")
    fault = filters.CharFilter(lookup_expr="exact", label="Class of the failure: auth, data, lost …")
    period = filters.ChoiceFilter(
        method="in_period", choices=[(word, word) for word in ("today", *PERIODS)], label="Created lately."
    )
    longer_than = filters.NumberFilter(method="lasting", min_value=0, max_value=10**9, label="Seconds.")
    ordering = Ordering(
        by={
            "status": _urgency(URGENCY),
            "id": F("pk"),
            "created": F("created_at"),
            "started": F("started_at"),
            "completed": F("finished_at"),
            "duration": _duration(),
            "source": F("source__name"),
            "rows": F("row_count"),
        },
        label="Several with commas; “-” turns one round. By status: the most urgent first.",
    )

    class Meta:
        model = Run
        fields: tuple[str, ...] = ()

    def in_period(self, runs: QuerySet[Run], _: str, value: str) -> QuerySet[Run]:
        return runs.filter(created_at__gte=_start(value, now=timezone.now()))

    def lasting(self, runs: QuerySet[Run], _: str, value: Any) -> QuerySet[Run]:
        return runs.alias(lasted=_duration()).filter(lasted__gt=timedelta(seconds=float(value)))


def _start(period: str, *, now: datetime) -> datetime:
    return now.replace(hour=0, minute=0, second=0, microsecond=0) if period == "today" else now - PERIODS[period]


class TaskFilter(filters.FilterSet):  # type: ignore[misc]
    q = filters.CharFilter(method="search", max_length=200, label="The five rules of the task search.")
    status = WordFilter(choices=list(TASK_WORDS.items()), spellings=TASK_SPELLINGS)
    kind = filters.MultipleChoiceFilter(choices=list(KIND_WORDS.items()))
    endpoint = filters.CharFilter()
    ordering = Ordering(
        by={
            "status": _urgency(TASK_URGENCY),
            "id": F("pk"),
            "name": F("name"),
            "started": F("started_at"),
            "completed": F("finished_at"),
            "duration": _duration(),
            "rows": F("row_count"),
        }
    )

    class Meta:
        model = Task
        fields: tuple[str, ...] = ()

    def search(self, tasks: QuerySet[Task], _: str, value: str) -> QuerySet[Task]:
        return matching(tasks, value, run_id=self.request.parser_context["kwargs"]["run_id"])


class MessageFilter(filters.FilterSet):  # type: ignore[misc]
    task = filters.NumberFilter()
    level = filters.ChoiceFilter(
        field_name="level", lookup_expr="gte", choices=Level.choices, label="1 info, 2 warning, 3 error: and worse."
    )
    code = filters.CharFilter()
    table = filters.CharFilter()

    class Meta:
        model = Message
        fields: tuple[str, ...] = ()


class TableFilter(filters.FilterSet):  # type: ignore[misc]
    task = filters.NumberFilter()
    kind = filters.MultipleChoiceFilter(field_name="task__kind", choices=list(KIND_WORDS.items()))
    name = filters.CharFilter(lookup_expr="icontains")

    class Meta:
        model = TableLoad
        fields: tuple[str, ...] = ()


class EventFilter(filters.FilterSet):  # type: ignore[misc]
    task = filters.NumberFilter()
    of_run = filters.BooleanFilter(field_name="task", lookup_expr="isnull", label="Only moves of the run itself.")

    class Meta:
        model = Event
        fields: tuple[str, ...] = ()


class DataLoadFilter(Since):
    source = filters.ModelMultipleChoiceFilter(field_name="run__source", queryset=DataSource.objects.all())
    run = filters.NumberFilter()
    batch = filters.CharFilter(field_name="batch__public_id")
    status = filters.MultipleChoiceFilter(choices=list(LOAD_WORDS.items()))

    class Meta:
        model = DataLoad
        fields: tuple[str, ...] = ()
