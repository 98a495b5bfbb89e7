"""Filters of the lists: how far back, and who or what started a run."""

from datetime import datetime, timedelta
from typing import Any

from django.contrib.admin import ModelAdmin, SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from runs.templatetags.headgate import TRIGGERS


class PeriodFilter(SimpleListFilter):
    title = "period"
    parameter_name = "period"
    choices_by_name = {"today": "Today", "24h": "Last 24 hours", "7d": "Last 7 days", "30d": "Last 30 days"}

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[Any, str]]:
        return list(self.choices_by_name.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        since = self._since(timezone.now())
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
