"""Filters of the lists: each takes its values from the address, offers others, and says in words what was asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Any, ClassVar

from django.contrib.admin import ListFilter, ModelAdmin, SimpleListFilter
from django.contrib.auth.models import User
from django.db.models import F, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from connectors.models import DataSource
from runs.admin.view import FINGERPRINT
from runs.models import Level, Message, Run
from runs.reading.failures import FAULTS
from runs.states import RUN_OPEN, RUN_WORDS, RunMode
from runs.templatetags.headgate import TRIGGERS

PERIODS = {"today": "Today", "24h": "Last 24 hours", "7d": "Last 7 days", "30d": "Last 30 days"}
PERIODS["ended24h"] = "Ended in the last 24 hours"
OFFERED = 1_000  # of sources, and of names of people
CHOICE = '<label><input type="{}" name="{}" value="{}"{}> <span>{}</span></label>'


class PeriodFilter(SimpleListFilter):
    """How far back."""

    title = "period"
    parameter_name = "period"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[Any, str]]:
        return list(PERIODS.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return within(queryset, self.value() or "", now=timezone.now())


def within(queryset: QuerySet[Any], period: str, *, now: datetime) -> QuerySet[Any]:
    """Those of a period by its name; all of them where no period has that name."""
    if period == "ended24h":
        return queryset.filter(finished_at__gte=now - timedelta(hours=24))
    midnight = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    since = {
        "today": midnight,
        "24h": now - timedelta(hours=24),
        "7d": now - timedelta(days=7),
        "30d": now - timedelta(days=30),
    }
    return queryset.filter(created_at__gte=since[period]) if period in since else queryset


class RunFilter(ListFilter):
    """One filter of the list of runs. A value that it does not know finds nothing, and is named like any other."""

    parameter_name: ClassVar[str]
    also: ClassVar[tuple[str, ...]] = ()  # names that older addresses use
    field: ClassVar[str] = ""
    kind: ClassVar[str] = "many"  # many, one, text, minutes, dates or hidden: how it is drawn
    words: ClassVar[Mapping[str, str]] = {}

    def __init__(self, request: HttpRequest, params: dict[str, Any], model: Any, model_admin: ModelAdmin[Any]) -> None:
        super().__init__(request, params, model, model_admin)
        asked = [str(value) for name in self.names for value in params.pop(name, [])]
        clean = (value.replace("\0", "").strip()[:200] for value in asked)
        self.chosen = list(dict.fromkeys(filter(None, clean)))

    def has_output(self) -> bool:
        return True

    @property
    def names(self) -> list[str]:
        return [self.parameter_name, *self.also]

    def expected_parameters(self) -> list[str | None]:
        return [*self.names]

    def choices(self, changelist: Any) -> Iterator[Any]:
        return iter(())  # drawn by a template of its own

    @cached_property
    def offered(self) -> Mapping[str, str]:
        return self.words

    @property
    def inputs(self) -> SafeString:
        kind, name = ("checkbox" if self.kind == "many" else "radio"), self.parameter_name
        marked = ((kind, name, value, self._mark(value), word) for value, word in self.offered.items())
        return format_html_join("", CHOICE, marked)

    def _mark(self, value: str) -> SafeString:
        return SafeString(" checked" if value in self.chosen else "")

    @property
    def chips(self) -> list[tuple[str, str]]:
        """Each value that was asked for, with its words."""
        return [(value, self.word(value)) for value in self.chosen]

    def word(self, value: str) -> str:
        return self.offered.get(value, value)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(**{f"{self.field}__in": self.chosen}) if self.chosen else queryset


class SourceFilter(RunFilter):
    title, parameter_name, also, field = "data source", "source", ("source__id__exact",), "source"

    @cached_property
    def offered(self) -> Mapping[str, str]:
        return {str(pk): name for pk, name in DataSource.objects.order_by("name").values_list("pk", "name")[:OFFERED]}

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        keys = [int(value) for value in self.chosen if value.isdecimal() and len(value) < 19]
        return queryset.filter(source__in=keys) if self.chosen else queryset


class StatusFilter(RunFilter):
    title, parameter_name, also, field = "status", "status", ("status__exact",), "status"
    words = {str(status): word for status, word in RUN_WORDS.items()}


class ModeFilter(RunFilter):
    title, parameter_name, also, field = "type", "type", ("mode__exact",), "mode"
    words = {str(mode): mode.title() for mode in RunMode}


class TriggerFilter(RunFilter):
    title = parameter_name = field = "trigger"
    words = TRIGGERS


class ByFilter(RunFilter):
    """Who asked for it: a person, or a program by its name."""

    title, parameter_name, field, kind = "started by", "by", "requested_by", "text"

    @property
    def people(self) -> list[str]:
        names = User.objects.filter(is_active=True).order_by("username").values_list("username", flat=True)
        return list(names[:OFFERED])


class FaultFilter(RunFilter):
    title, parameter_name, field, words = "failure", "fault", "fault", FAULTS


class AttentionFilter(RunFilter):
    """What people have said of runs that failed, or that completed with warnings."""

    title, parameter_name, kind = "acknowledged", "attention", "one"
    words = {
        "needed": "Needs attention",
        "acknowledged": "Acknowledged",
        "snoozed": "Snoozed",
    }

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not self.chosen:
            return queryset
        known = Run.objects.filter(acknowledged_at__isnull=False)
        snoozed = Run.objects.filter(snoozed_until__gt=timezone.now(), acknowledged_at=None)
        found = {"needed": Run.objects.needing_attention(), "acknowledged": known, "snoozed": snoozed}
        asked: QuerySet[Any] = found.get(self.chosen[0], Run.objects.none())
        return queryset & asked


class LongerFilter(RunFilter):
    """Runs that took longer than so many minutes, or are at work for longer."""

    title, parameter_name, kind = "longer than", "longer", "minutes"

    def word(self, value: str) -> str:
        return f"{value} min"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not self.chosen:
            return queryset
        if not self.chosen[0].isdecimal() or len(self.chosen[0]) > 7:
            return queryset.none()
        least = timedelta(minutes=int(self.chosen[0]))
        began = timezone.now() - least
        took: QuerySet[Any] = queryset.annotate(took=F("finished_at") - F("started_at"))
        return took.filter(Q(took__gt=least) | Q(status__in=sorted(RUN_OPEN), started_at__lt=began))


class RunPeriodFilter(RunFilter):
    """When it was asked for: a period by name, or from one day to another, both of them included."""

    title, parameter_name, kind = "period", "period", "dates"
    words = PERIODS

    def __init__(self, request: HttpRequest, params: dict[str, Any], model: Any, model_admin: ModelAdmin[Any]) -> None:
        self.days = {name: _day(params.pop(name, [""])[-1]) for name in ("from", "to")}
        super().__init__(request, params, model, model_admin)

    @property
    def chips(self) -> list[tuple[str, str]]:
        said = [(value, self.word(value)) for value in self.chosen]
        first, last = self.days["from"], self.days["to"]
        if first and first == last:
            return [*said, ("", f"{first:%d %b %Y}")]
        between = [f"{word} {day:%d %b %Y}" for word, day in (("from", first), ("to", last)) if day]
        return [*said, ("", " ".join(between))] if between else said

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.chosen and self.chosen[0] not in PERIODS:
            return queryset.none()
        found = within(queryset, self.chosen[0] if self.chosen else "", now=timezone.now())
        if first := self.days["from"]:
            found = found.filter(created_at__gte=_midnight(first))
        if last := self.days["to"]:
            found = found.filter(created_at__lt=_midnight(last + timedelta(days=1)))
        return found


class FailureFilter(RunFilter):
    """Runs that left the same error. Reached from the card of a failed run, so it offers nothing by itself."""

    title, parameter_name, kind = "same failure", "failure", "hidden"

    def word(self, value: str) -> str:
        return "like the one chosen"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        known = [value for value in self.chosen if FINGERPRINT.fullmatch(value)]
        if not known:
            return queryset
        same = Message.objects.filter(fingerprint__in=known, level=Level.ERROR).values("run")
        return queryset.filter(pk__in=same)


def _day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if 2000 <= day.year < 2200 else None


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime(day.year, day.month, day.day))


RUN_FILTERS = (
    SourceFilter, StatusFilter, ModeFilter, TriggerFilter, ByFilter, RunPeriodFilter, LongerFilter, FaultFilter,
    AttentionFilter, FailureFilter,
)  # fmt: skip
