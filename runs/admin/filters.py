"""Filters of the lists: how far back, and who or what started a run."""

from datetime import datetime, timedelta
from typing import Any

from django.contrib.admin import ModelAdmin, SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from runs.admin.view import FINGERPRINT
from runs.models import Level, Message
from runs.templatetags.headgate import TRIGGERS


class PeriodFilter(SimpleListFilter):
    title = "period"
    parameter_name = "period"
    choices_by_name = {"today": "Today", "24h": "Last 24 hours", "7d": "Last 7 days", "30d": "Last 30 days"}
    choices_by_name["ended24h"] = "Ended in the last 24 hours"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[Any, str]]:
        return list(self.choices_by_name.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        now = timezone.now()
        if self.value() == "ended24h":
            return queryset.filter(finished_at__gte=now - timedelta(hours=24))
        since = self._since(now)
        return queryset.filter(created_at__gte=since) if since else queryset

    def _since(self, now: datetime) -> datetime | None:
        midnight = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
        begins = {
            "today": midnight,
            "24h": now - timedelta(hours=24),
            "7d": now - timedelta(days=7),
            "30d": now - timedelta(days=30),
        }
        return begins.get(self.value() or "")


class TriggerFilter(SimpleListFilter):
    title = "trigger"
    parameter_name = "trigger"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[Any, str]]:
        return list(TRIGGERS.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(trigger=self.value()) if self.value() in TRIGGERS else queryset


class FailureFilter(SimpleListFilter):
    """Runs that left the same error. Reached from the card of a failed run, so it offers nothing by itself."""

    title = "same failure"
    parameter_name = "failure"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[Any, str]]:
        asked = request.GET.get(self.parameter_name, "")
        return [(asked, "Like the one chosen")] if FINGERPRINT.fullmatch(asked) else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not self.value():
            return queryset
        same = Message.objects.filter(fingerprint=self.value(), level=Level.ERROR).values("run")
        return queryset.filter(pk__in=same)
