"""Runs and data loads over HTTP: permission, parse, one verb of the lifecycle, answer."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from connectors.api.permissions import Needs, require
from connectors.api.views import ApiView
from runs.api.filters import DataLoadFilter, RunFilter
from runs.api.reading import all_runs
from runs.api.serializers import (
    CancelAnswerSerializer,
    CloseSerializer,
    DataLoadSerializer,
    RetryPlanSerializer,
    RetrySerializer,
    RunDetailSerializer,
    RunSerializer,
    StartSerializer,
)
from runs.api.starting import NEEDED, RETRY_PLAN, START, created, is_dry, may_start, retry_plan, start
from runs.lifecycle import ending, starting
from runs.lifecycle.starting import Asked
from runs.models import DataLoad, Run
from runs.states import RunMode
from runs.upkeep import force_close


class RunViewSet(ApiView[Run], viewsets.ReadOnlyModelViewSet[Run]):
    """API runs: one execution of a data source each."""

    queryset = Run.objects.none()  # for its model alone: `get_queryset` answers
    filterset_class = RunFilter
    needs: ClassVar[Needs] = {
        "read": ("runs.view_run",),
        "create": (),  # asked by the type of run
        "cancel": ("runs.cancel_run",),
        "retry": ("runs.retry_run",),
        "close": ("runs.close_run",),
    }

    def get_queryset(self) -> QuerySet[Run]:
        return all_runs()

    def get_serializer_class(self) -> type[BaseSerializer[Any]]:
        return RunDetailSerializer if self.action == "retrieve" else RunSerializer

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "now": timezone.now()}

    @extend_schema(request=StartSerializer, responses={201: RunSerializer}, parameters=START)
    def create(self, request: Request) -> Response:
        """Start a run. 409 when another run of the source is open: the rejected run is kept, and named with it.
        Send an Idempotency-Key to be able to ask again after an answer was lost."""
        may_start(request)
        asked = StartSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        return start(request, asked.validated_data["source"], asked.mode)

    @extend_schema(request=None, responses={202: CancelAnswerSerializer})
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Ask a run to stop. Asking again changes nothing, and says who asked first and when."""
        answer = ending.cancel(self.get_object().pk, actor=request.user.get_username())
        run = all_runs().get(pk=answer.run.pk)
        asked = {"requested_by": run.cancel_requested_by, "requested_at": run.cancel_requested_at}
        body = CancelAnswerSerializer(
            {"first": answer.first, "run": run, **asked}, context=self.get_serializer_context()
        )
        return Response(body.data, status=202)

    @extend_schema(
        request=RetrySerializer, responses={201: RunSerializer, 200: RetryPlanSerializer}, parameters=[RETRY_PLAN]
    )
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, pk: str) -> Response:
        """A new run in place of the newest one of its source, when that failed, was cancelled or was rejected. The
        retry of a destructive run needs the right to start such runs, too."""
        asked = RetrySerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        old = self.get_object()
        if old.mode == RunMode.DESTRUCTIVE:
            require(request, NEEDED[RunMode.DESTRUCTIVE])
        if is_dry(request):
            return retry_plan(old)
        who = Asked(actor=request.user.get_username(), trigger="api")
        return created(request, starting.retry(old.pk, asked=who, choice=asked.chosen).pk)

    @extend_schema(request=CloseSerializer, responses={200: RunSerializer})
    @action(detail=True, methods=["post"])
    def close(self, request: Request, pk: str) -> Response:
        """Force an open run closed; a canceling one only after its deadline. What had been published stays."""
        asked = CloseSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        run = self.get_object()
        force_close(run.pk, actor=request.user.get_username(), reason=asked.validated_data["reason"])
        return Response(RunSerializer(all_runs().get(pk=run.pk), context=self.get_serializer_context()).data)


class DataLoadViewSet(ApiView[DataLoad], viewsets.ReadOnlyModelViewSet[DataLoad]):
    """That data has been brought in and can be used. Exists only for a run that completed, or a promoted batch."""

    queryset = (
        DataLoad.objects.select_related("run__source", "batch__dataset").prefetch_related("steps").order_by("-pk")
    )
    serializer_class = DataLoadSerializer
    filterset_class = DataLoadFilter
    needs: ClassVar[Needs] = {"read": ("runs.view_dataload",)}
