"""What people do about a run, over HTTP: acknowledge, assign, snooze, note, hand over."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import generics
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from connectors.api.permissions import Needs
from runs.api.care_serializers import (
    AcknowledgedSerializer,
    AcknowledgeSerializer,
    AssignSerializer,
    HandoverSerializer,
    NoteSerializer,
    SnoozeSerializer,
)
from runs.api.insight import OF_RUN, OneRun
from runs.api.parts import OfRun
from runs.api.reading import all_runs
from runs.api.serializers import RunSerializer
from runs.lifecycle import caring
from runs.models import Note
from runs.reading.handover import handover


class Acting(OneRun):
    """POST only, and only for those who may look after runs."""

    needs: ClassVar[Needs] = {"read": ("runs.view_run", "runs.care_run")}

    @property
    def actor(self) -> str:
        return str(self.request.user.get_username())

    def asked(self, serializer: type[Serializer[Any]]) -> dict[str, Any]:
        given = serializer(data=self.request.data)
        given.is_valid(raise_exception=True)
        return dict(given.validated_data)

    def context(self) -> dict[str, Any]:
        return {"request": self.request, "now": timezone.now()}

    def shown(self, run_id: int) -> Response:
        return Response(RunSerializer(all_runs().get(pk=run_id), context=self.context()).data)


class Acknowledge(Acting):
    serializer_class = AcknowledgeSerializer

    @extend_schema(parameters=[OF_RUN], request=AcknowledgeSerializer, responses={200: AcknowledgedSerializer})
    def post(self, request: Request, run_id: int) -> Response:
        """Say that a run that failed, or completed with warnings, is known. Asking again changes the ticket at most."""
        ticket = self.asked(AcknowledgeSerializer)["ticket"]
        answer = caring.acknowledge(self.run().pk, actor=self.actor, ticket=ticket)
        body = {"first": answer.first, "run": all_runs().get(pk=run_id)}
        return Response(AcknowledgedSerializer(body, context=self.context()).data)


class Assign(Acting):
    serializer_class = AssignSerializer

    @extend_schema(parameters=[OF_RUN], request=AssignSerializer, responses={200: RunSerializer})
    def post(self, request: Request, run_id: int) -> Response:
        """Make somebody who may see runs the one who looks after this one, or nobody."""
        caring.assign(self.run().pk, to=self.asked(AssignSerializer)["assignee"], actor=self.actor)
        return self.shown(run_id)


class Snooze(Acting):
    serializer_class = SnoozeSerializer

    @extend_schema(parameters=[OF_RUN], request=SnoozeSerializer, responses={200: RunSerializer})
    def post(self, request: Request, run_id: int) -> Response:
        """Keep a run in trouble out of the list that asks for attention until then."""
        until = self.asked(SnoozeSerializer)["until"]
        caring.snooze(self.run().pk, until=until, actor=self.actor, now=timezone.now())
        return self.shown(run_id)


class Notes(OfRun, generics.CreateAPIView[Note]):
    """What people wrote about a run, the first note first. Notes are only ever added."""

    queryset = Note.objects.order_by("pk")
    serializer_class = NoteSerializer
    needs: ClassVar[Needs] = {"read": ("runs.view_run",), "create": ("runs.view_run", "runs.care_run")}

    @property
    def action(self) -> str:
        return "create" if self.request.method == "POST" else "read"

    def get_queryset(self) -> QuerySet[Note]:
        return super().get_queryset()

    @extend_schema(parameters=[OF_RUN], request=NoteSerializer, responses={201: NoteSerializer})
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Add a note to a run, whatever its status."""
        given = NoteSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        actor = request.user.get_username()
        note = caring.note(self.kwargs["run_id"], text=given.validated_data["text"], actor=actor)
        return Response(NoteSerializer(note).data, status=201)


class Handover(OneRun):
    serializer_class = HandoverSerializer

    @extend_schema(parameters=[OF_RUN], responses={200: HandoverSerializer})
    def get(self, request: Request, run_id: int) -> Response:
        """The run in words for whoever takes it over."""
        page = request.build_absolute_uri(reverse("admin:runs_run_change", args=[run_id]))
        return Response(HandoverSerializer({"text": handover(self.run(), address=page)}).data)
