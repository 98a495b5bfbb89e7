"""The lists below a run: its tasks, messages, tables and history. Reads only."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import Http404
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics, serializers
from rest_framework.request import Request

from connectors.api.permissions import Needs, may
from connectors.api.views import ApiView
from runs.api.filters import EventFilter, MessageFilter, TableFilter, TaskFilter
from runs.api.serializers import LEVELS, seconds
from runs.lifecycle.caring import WORDS as CARE_WORDS
from runs.models import Event, Message, Run, TableLoad, Task
from runs.states import RUN_WORDS, TASK_WORDS

RAW = "runs.view_raw_data"


class TaskSerializer(serializers.ModelSerializer[Task]):
    status_label = serializers.CharField(source="get_status_display", read_only=True)
    kind_label = serializers.CharField(source="get_kind_display", read_only=True)
    duration_seconds = serializers.SerializerMethodField(help_text="So far, while it runs; null before it began.")
    worst_level_label = serializers.SerializerMethodField()
    worker = serializers.SerializerMethodField(help_text=f"A host and process; null without {RAW}.")
    matched_rule = serializers.CharField(
        read_only=True, default="", help_text="Which rule of the search found it; empty without `q`."
    )

    class Meta:
        model = Task
        fields = (
            "id",
            "kind",
            "kind_label",
            "key",
            "name",
            "endpoint",
            "status",
            "status_label",
            "note",
            "fault",
            "since",
            "attempt",
            "failures",
            "not_before",
            "worker",
            "reused_from",
            "row_count",
            "page_count",
            "call_count",
            "throttled_count",
            "waited_seconds",
            "table_count",
            "message_count",
            "worst_level",
            "worst_level_label",
            "created_at",
            "started_at",
            "finished_at",
            "duration_seconds",
            "matched_rule",
        )
        read_only_fields = fields

    def get_duration_seconds(self, task: Task) -> float | None:
        return seconds(task, self.context["now"])

    def get_worst_level_label(self, task: Task) -> str:
        return LEVELS[task.worst_level]

    def get_worker(self, task: Task) -> str | None:
        return task.worker if may(self.context, RAW) else None


class MessageSerializer(serializers.ModelSerializer[Message]):
    task_name = serializers.CharField(source="task.name", read_only=True, default=None, allow_null=True)
    level_label = serializers.CharField(source="get_level_display", read_only=True)
    detail = serializers.SerializerMethodField(help_text=f"Technical; null without {RAW}.")

    class Meta:
        model = Message
        fields = (
            "id",
            "task",
            "task_name",
            "level",
            "level_label",
            "code",
            "text",
            "advice",
            "detail",
            "table",
            "count",
            "fingerprint",
            "created_at",
            "last_at",
        )
        read_only_fields = fields

    def get_detail(self, message: Message) -> str | None:
        return message.detail if may(self.context, RAW) else None


class TableSerializer(serializers.ModelSerializer[TableLoad]):
    task_name = serializers.CharField(source="task.name", read_only=True)
    kind = serializers.CharField(source="task.kind", read_only=True, help_text="The kind of the task.")
    mode = serializers.CharField(source="batch.mode", read_only=True)
    live_row_count = serializers.IntegerField(source="batch.live_count", read_only=True, allow_null=True)

    class Meta:
        model = TableLoad
        fields = ("id", "task", "task_name", "kind", "name", "description", "row_count", "mode", "live_row_count")
        read_only_fields = fields


class EventSerializer(serializers.ModelSerializer[Event]):
    task_name = serializers.CharField(source="task.name", read_only=True, default=None, allow_null=True)
    before_label = serializers.SerializerMethodField()
    after_label = serializers.SerializerMethodField()
    actor = serializers.SerializerMethodField(help_text=f"Who moved it; a worker's host is left out without {RAW}.")

    class Meta:
        model = Event
        fields = (
            "id",
            "at",
            "task",
            "task_name",
            "before",
            "before_label",
            "after",
            "after_label",
            "actor",
            "reason",
            "attempt",
        )
        read_only_fields = fields

    def get_before_label(self, event: Event) -> str:
        return _words(event).get(event.before, "")

    def get_after_label(self, event: Event) -> str:
        return _words(event).get(event.after) or CARE_WORDS.get(event.after, event.after)

    def get_actor(self, event: Event) -> str:
        # Workers sign as "worker <host>/<thread>"; host names are for those who may see raw data.
        hidden = event.actor.startswith("worker ") and not may(self.context, RAW)
        return "worker" if hidden else event.actor


def _words(event: Event) -> dict[str, str]:
    return TASK_WORDS if event.task_id else RUN_WORDS


@extend_schema(parameters=[OpenApiParameter("run_id", int, OpenApiParameter.PATH)])
class OfRun(ApiView[Any], generics.ListAPIView[Any]):
    """Rows of the one run that the address names."""

    needs: ClassVar[Needs] = {"read": ("runs.view_run",)}

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if not Run.objects.filter(pk=self.kwargs["run_id"]).exists():
            raise Http404(f"There is no run {self.kwargs['run_id']}.")

    def get_queryset(self) -> QuerySet[Any]:
        return super().get_queryset().filter(run=self.kwargs.get("run_id"))

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "now": timezone.now()}


class TaskList(OfRun):
    """The tasks of a run. `q` searches them by the five rules and says which one matched."""

    queryset = Task.objects.defer("partition", "checkpoint", "output").order_by("pk")
    serializer_class = TaskSerializer
    filterset_class = TaskFilter


class MessageList(OfRun):
    """What a support person should read, the newest first."""

    queryset = Message.objects.select_related("task").order_by("-pk")
    serializer_class = MessageSerializer
    filterset_class = MessageFilter


class TableList(OfRun):
    """The records that each task brought into each table."""

    queryset = TableLoad.objects.select_related("task", "batch").order_by("name", "pk")
    serializer_class = TableSerializer
    filterset_class = TableFilter


class EventList(OfRun):
    """Every move of the run and of its tasks, the first one first."""

    queryset = Event.objects.select_related("task").order_by("pk")
    serializer_class = EventSerializer
    filterset_class = EventFilter
