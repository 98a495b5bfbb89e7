"""Everything under /api/: runs, data loads, data sources, connectors, and the description of it all."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path
from drf_spectacular.views import SpectacularAPIView
from rest_framework.permissions import IsAuthenticated
from rest_framework.routers import APIRootView, DefaultRouter

from connectors.api.permissions import LOGINS
from connectors.api.urls import router as connectors
from runs.api.care import Acknowledge, Assign, Handover, Notes, Snooze
from runs.api.insight import Bundle, Compare, MessageKinds, Report
from runs.api.parts import EventList, MessageList, TableList, TaskList
from runs.api.sources import SourceViewSet
from runs.api.views import DataLoadViewSet, RunViewSet


class Root(APIRootView):
    """What there is. /api/schema/ describes it as OpenAPI."""

    authentication_classes = LOGINS
    permission_classes = (IsAuthenticated,)


class Router(DefaultRouter):
    APIRootView = Root
    include_format_suffixes = False


router = Router()
router.register("runs", RunViewSet, basename="run")
router.register("data-loads", DataLoadViewSet, basename="data-load")
router.register("sources", SourceViewSet, basename="source")
router.registry.extend(connectors.registry)

schema = SpectacularAPIView.as_view(authentication_classes=LOGINS, permission_classes=(IsAuthenticated,))

urlpatterns: list[URLPattern | URLResolver] = [
    path("schema/", schema, name="schema"),
    path("runs/<int:run_id>/tasks/", TaskList.as_view(), name="run-tasks"),
    path("runs/<int:run_id>/messages/", MessageList.as_view(), name="run-messages"),
    path("runs/<int:run_id>/tables/", TableList.as_view(), name="run-tables"),
    path("runs/<int:run_id>/events/", EventList.as_view(), name="run-events"),
    path("runs/<int:run_id>/report/", Report.as_view(), name="run-report"),
    path("runs/<int:run_id>/message-kinds/", MessageKinds.as_view(), name="run-message-kinds"),
    path("runs/<int:run_id>/compare/", Compare.as_view(), name="run-compare"),
    path("runs/<int:run_id>/bundle/", Bundle.as_view(), name="run-bundle"),
    path("runs/<int:run_id>/acknowledge/", Acknowledge.as_view(), name="run-acknowledge"),
    path("runs/<int:run_id>/assign/", Assign.as_view(), name="run-assign"),
    path("runs/<int:run_id>/snooze/", Snooze.as_view(), name="run-snooze"),
    path("runs/<int:run_id>/notes/", Notes.as_view(), name="run-notes"),
    path("runs/<int:run_id>/handover/", Handover.as_view(), name="run-handover"),
    *router.urls,
]
