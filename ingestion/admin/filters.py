"""Filters of the list of batches. Each is made so that an index finds its rows among a million."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final

from django.contrib.admin import ModelAdmin, SimpleListFilter
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from ulid import ULID

from ingestion.admin.words import name_of, status_word, where
from ingestion.models import Batch, Dataset, Origin
from ingestion.states import OPEN, BatchStatus

DATASETS_OFFERED: Final = 50
SEVERAL: Final[dict[str, tuple[str, frozenset[BatchStatus]]]] = {
    "open": ("Not ended yet", OPEN),
    "work": ("In work", frozenset({BatchStatus.LOADED, BatchStatus.STAGING})),
    "attention": ("Needs attention", frozenset({BatchStatus.STALLED, BatchStatus.FAILED})),
}
FORMATS: Final = ("json", "parquet", "csv")
DAY: Final = re.compile(r"\d{4}-\d\d-\d\d")
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
CLOCKS_APART: Final = timedelta(minutes=5)  # an id is made by a process, created_at by another clock


class _Filter(SimpleListFilter):
    """What is chosen is one of the lookups, or nothing."""

    def chosen(self) -> str:
        value = self.value() or ""
        return value if value in {str(key) for key, _ in self.lookup_choices} else ""


class StatusFilter(_Filter):
    title = "status"
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[Any, str]]:
        several = [(name, words) for name, (words, _) in SEVERAL.items()]
        return [*several, *((str(status), status_word(status)) for status in BatchStatus)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Batch]) -> QuerySet[Batch]:
        if not (name := self.chosen()):
            return queryset
        return queryset.filter(status__in=sorted(SEVERAL[name][1])) if name in SEVERAL else queryset.filter(status=name)


class OriginFilter(_Filter):
    """Clients' batches, unless there are none, or something is searched for."""

    title = "from"
    parameter_name = "origin"
    words = {"clients": "Clients", "runs": "API runs", "all": "Clients and runs"}

    def __init__(self, request: HttpRequest, *rest: Any) -> None:
        searching = bool(request.GET.get("q", "").strip())
        self.usual = "all" if searching or not clients_exist(request) else "clients"
        super().__init__(request, *rest)

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[Any, str]]:
        return list(self.words.items())

    def choices(self, changelist: Any) -> Any:
        """Without “All”, which would say nothing: one of the three is always chosen."""
        for name, word in self.lookup_choices:
            yield {
                "selected": (self.chosen() or self.usual) == name,
                "query_string": changelist.get_query_string({self.parameter_name: name}),
                "display": word,
            }

    def queryset(self, request: HttpRequest, queryset: QuerySet[Batch]) -> QuerySet[Batch]:
        origin = self.chosen() or self.usual
        return queryset if origin == "all" else queryset.filter(self_promoting=origin == "clients")


def clients_exist(request: HttpRequest) -> bool:
    """Is there any dataset that clients fill? Asked once a request."""
    kept: Any = request
    if not hasattr(kept, "clients_exist"):
        kept.clients_exist = Dataset.objects.filter(origin=Origin.CLIENTS).exists()
    return bool(kept.clients_exist)


class SandboxFilter(_Filter):
    title = "sandbox"
    parameter_name = "sandbox"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[Any, str]]:
        pairs = Dataset.objects.order_by("organisation", "sandbox").values_list("organisation", "sandbox").distinct()
        return [(f"{organisation}/{sandbox}", f"{organisation} / {sandbox}") for organisation, sandbox in pairs]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Batch]) -> QuerySet[Batch]:
        organisation, _, sandbox = self.chosen().rpartition("/")
        return queryset.filter(organisation=organisation, sandbox=sandbox) if sandbox else queryset


class DatasetFilter(SimpleListFilter):
    """The datasets that were live last; any other is reached from its own page, or by the search."""

    title = "dataset"
    parameter_name = "dataset"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[Any, str]]:
        fields = ("title", "namespace", "name", "organisation", "sandbox")
        offered = list(Dataset.objects.order_by("-live_at", "-pk").only(*fields)[:DATASETS_OFFERED])
        asked = request.GET.get(self.parameter_name, "")
        if _is_key(asked) and int(asked) not in {dataset.pk for dataset in offered}:
            offered += Dataset.objects.filter(pk=int(asked)).only(*fields)
        return [(str(dataset.pk), f"{name_of(dataset)} ({where(dataset)})") for dataset in offered]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Batch]) -> QuerySet[Batch]:
        asked = self.value() or ""
        return queryset.filter(dataset=int(asked)) if _is_key(asked) else queryset


def _is_key(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 19


class FormatFilter(_Filter):
    title = "format"
    parameter_name = "format"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[Any, str]]:
        return [(name, name) for name in FORMATS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Batch]) -> QuerySet[Batch]:
        return queryset.filter(input_format__format=self.chosen()) if self.chosen() else queryset


class CreatedFilter(SimpleListFilter):
    """A period up to now, or one day: `?created=2026-08-01`."""

    title = "created"
    parameter_name = "created"
    template = "admin/ingestion/batch/created.html"
    periods = {"today": "Today", "24h": "Last 24 hours", "7d": "Last 7 days", "30d": "Last 30 days"}

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[Any, str]]:
        asked = request.GET.get(self.parameter_name, "")
        self.day = asked if day_of(asked) else ""
        self.others = [(name, value) for name, value in request.GET.items() if name not in (self.parameter_name, "p")]
        return [*self.periods.items(), *([(asked, asked)] if day_of(asked) else [])]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Batch]) -> QuerySet[Batch]:
        asked, now = self.value() or "", timezone.now()
        if begin := day_of(asked):
            return queryset.filter(made_since(begin), created_at__lt=begin + timedelta(days=1))
        midnight = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
        lengths = {"24h": timedelta(hours=24), "7d": timedelta(days=7), "30d": timedelta(days=30)}
        if asked == "today":
            return queryset.filter(made_since(midnight))
        return queryset.filter(made_since(now - lengths[asked])) if asked in lengths else queryset


def day_of(text: str) -> datetime | None:
    """The beginning of the day that is written so, or nothing."""
    if not DAY.fullmatch(text):
        return None
    try:
        return timezone.make_aware(datetime.combine(datetime.fromisoformat(text), time()))
    except ValueError:
        return None


def made_since(begin: datetime) -> Q:
    """Batches made since then. Their ids begin with the time and are indexed, which created_at is not."""
    floor = max(begin - CLOCKS_APART - EPOCH, timedelta(0)) // timedelta(milliseconds=1)
    return Q(created_at__gte=begin, public_id__gte=str(ULID.from_bytes(floor.to_bytes(6, "big") + bytes(10))))
