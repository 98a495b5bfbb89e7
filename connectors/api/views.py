"""Connectors, and data sources without their runs: `runs/api/sources.py` adds those, and registers the page."""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar

from django.db.models import Model, QuerySet
from django.http import Http404
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import generics, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from connectors import manifest as manifests
from connectors.api import sampling
from connectors.api.lists import KnownFilters, Pages
from connectors.api.permissions import LOGINS, HasPermission, Needs
from connectors.api.schema import Described
from connectors.api.serializers import (
    CheckSerializer,
    ConnectorDetailSerializer,
    ConnectorSerializer,
    ManifestAnswerSerializer,
    ManifestSerializer,
    SampleRequestSerializer,
    SampleSerializer,
    SourceSerializer,
)
from connectors.models import Connector, DataSource

Row = TypeVar("Row", bound=Model)


class ConnectorFilter(filters.FilterSet):  # type: ignore[misc]
    name = filters.CharFilter(lookup_expr="icontains")


class SourceFilter(filters.FilterSet):  # type: ignore[misc]
    name = filters.CharFilter(lookup_expr="icontains")
    connector = filters.NumberFilter()
    enabled = filters.BooleanFilter()


class ApiView(generics.GenericAPIView[Row]):
    """What the views of the API have in common: logins, permissions, pages, filters, description."""

    authentication_classes = LOGINS
    permission_classes = (HasPermission,)
    pagination_class = Pages
    filter_backends = (KnownFilters,)
    lookup_value_regex = "[0-9]{1,18}"
    schema = Described()

    def get_object(self) -> Row:
        try:
            return super().get_object()
        except Http404 as error:
            kind = self.get_queryset().model._meta.verbose_name
            raise Http404(f"There is no {kind} {self.kwargs['pk']}.") from error


class ConnectorViewSet(ApiView[Connector], viewsets.ReadOnlyModelViewSet[Connector]):
    """Kinds of APIs, each described by a manifest."""

    queryset = Connector.objects.order_by("name", "pk")
    filterset_class = ConnectorFilter
    needs: ClassVar[Needs] = {
        "read": ("connectors.view_connector",),
        "validate": ("connectors.view_connector",),
    }

    def get_queryset(self) -> QuerySet[Connector]:
        rows = super().get_queryset()
        return rows.defer("manifest") if self.action == "list" else rows

    def get_serializer_class(self) -> type[BaseSerializer[Any]]:
        return ConnectorSerializer if self.action == "list" else ConnectorDetailSerializer

    @extend_schema(request=ManifestSerializer, responses={200: ManifestAnswerSerializer})
    @action(detail=False, methods=["post"])
    def validate(self, request: Request) -> Response:
        """Check a manifest without saving it: every problem, with its place in the document."""
        asked = ManifestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        try:
            manifests.parse(asked.validated_data["manifest"])
        except manifests.ManifestError as error:
            return Response(ManifestAnswerSerializer({"ok": False, "problems": error.problems}).data)
        return Response(ManifestAnswerSerializer({"ok": True, "problems": []}).data)


class SourceViews(ApiView[DataSource], viewsets.ReadOnlyModelViewSet[DataSource]):
    """Configured data sources: what a run is started on."""

    queryset = DataSource.objects.select_related("connector").order_by("name", "pk")
    serializer_class: type[BaseSerializer[Any]] = SourceSerializer
    filterset_class = SourceFilter
    needs: ClassVar[Needs] = {
        "read": ("connectors.view_datasource",),
        "test": ("connectors.test_source",),
        "sample": ("connectors.test_source", "runs.view_raw_data"),
    }

    @extend_schema(request=None, responses={200: CheckSerializer})
    @action(detail=True, methods=["post"])
    def test(self, request: Request, pk: str) -> Response:
        """Test the connection: what was tried, step by step. Calls the source; changes nothing."""
        return Response(CheckSerializer(sampling.try_connection(self.get_object())).data)

    @extend_schema(request=SampleRequestSerializer, responses={200: SampleSerializer})
    @action(detail=True, methods=["post"])
    def sample(self, request: Request, pk: str) -> Response:
        """The first ten records of an endpoint. Calls the source; keeps nothing."""
        asked = SampleRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        now = timezone.now().isoformat()
        try:
            found = sampling.first_records(self.get_object(), asked.validated_data.get("endpoint", ""), now=now)
        except sampling.UnknownEndpointError as error:
            raise ValidationError({"endpoint": [str(error)]}) from error
        return Response(SampleSerializer(found).data)
