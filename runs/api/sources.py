"""Data sources with their runs: the status of the newest one, and starting another."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import DateTimeField, OuterRef, Q, QuerySet, Subquery
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from connectors.api.permissions import Needs
from connectors.api.serializers import SourceSerializer
from connectors.api.views import SourceViews
from connectors.models import DataSource
from runs.api.serializers import RunSerializer, TypeSerializer
from runs.api.starting import START, may_start, start
from runs.models import Run
from runs.states import RUN_OPEN, RUN_WORDS, RunStatus


class SourceWithRunsSerializer(SourceSerializer):
    status = serializers.CharField(read_only=True, allow_null=True, help_text="Of its newest run; null before any.")
    status_label = serializers.SerializerMethodField()
    last_run = serializers.IntegerField(read_only=True, allow_null=True)
    last_run_finished_at = serializers.DateTimeField(read_only=True, allow_null=True)
    last_completed_at = serializers.DateTimeField(read_only=True, allow_null=True)

    class Meta(SourceSerializer.Meta):
        fields = (
            *SourceSerializer.Meta.fields,
            "status",
            "status_label",
            "last_run",
            "last_run_finished_at",
            "last_completed_at",
        )
        read_only_fields = fields

    def get_status_label(self, source: Any) -> str:
        return RUN_WORDS.get(source.status, "")


def with_runs(sources: QuerySet[DataSource]) -> QuerySet[DataSource]:
    """Each source with its newest run. A rejected run counts only while the run that was in its way is open."""
    own = Run.objects.filter(source=OuterRef("pk")).order_by("-pk")
    newest = own.filter(~Q(status=RunStatus.REJECTED) | Q(blocked_by__status__in=RUN_OPEN))
    completed = own.filter(status=RunStatus.COMPLETED)
    return sources.annotate(
        status=Subquery(newest.values("status")[:1]),
        last_run=Subquery(newest.values("pk")[:1]),
        last_run_finished_at=Subquery(newest.values("finished_at")[:1], output_field=DateTimeField()),
        last_completed_at=Subquery(completed.values("finished_at")[:1], output_field=DateTimeField()),
    )


class SourceViewSet(SourceViews):
    """Configured data sources: what a run is started on."""

    serializer_class = SourceWithRunsSerializer
    needs: ClassVar[Needs] = {**SourceViews.needs, "start": ()}  # `start` asks by type

    def get_queryset(self) -> QuerySet[DataSource]:
        return with_runs(super().get_queryset())

    @extend_schema(request=TypeSerializer, responses={201: RunSerializer}, parameters=START)
    @action(detail=True, methods=["post"])
    def start(self, request: Request, pk: str) -> Response:
        """Start a run of this source, as POST /api/runs/ does."""
        may_start(request)
        asked = TypeSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        return start(request, self.get_object(), asked.mode)
