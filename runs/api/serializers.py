"""Runs, starting them, and data loads as JSON. `status` is the stored word, `status_label` the one people are shown."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from rest_framework import serializers

from connectors.models import DataSource
from runs.lifecycle.retryable import why_not_retry
from runs.lifecycle.retrying import Choice
from runs.models import DataLoad, Level, LoadStep, Run
from runs.states import RunMode

LEVELS = {0: "", **{int(level): level.label for level in Level}}


def seconds(row: Any, now: datetime) -> float | None:
    lasted = row.duration(now=now)
    return lasted.total_seconds() if lasted is not None else None


class RunSerializer(serializers.ModelSerializer[Run]):
    """Needs the annotations of `views.all_runs`, and `now` in the context."""

    url = serializers.HyperlinkedIdentityField(view_name="run-detail")
    source_name = serializers.CharField(source="source.name", read_only=True)
    type = serializers.ChoiceField(source="mode", choices=[m.value for m in RunMode], read_only=True)
    status_label = serializers.CharField(source="get_status_display", read_only=True)
    duration_seconds = serializers.SerializerMethodField(help_text="So far, while it runs; null before it began.")
    worst_level_label = serializers.SerializerMethodField(help_text="Of its messages: Info, Warning, Error or empty.")
    retried_by = serializers.IntegerField(source="retried_by_id", read_only=True, allow_null=True)
    data_load = serializers.IntegerField(source="data_load_id", read_only=True, allow_null=True)
    assignee = serializers.CharField(source="assignee_name", read_only=True, allow_null=True)

    class Meta:
        model = Run
        fields: tuple[str, ...] = (
            "id",
            "url",
            "source",
            "source_name",
            "type",
            "status",
            "status_label",
            "outcome",
            "fault",
            "phase",
            "trigger",
            "requested_by",
            "created_at",
            "started_at",
            "finished_at",
            "duration_seconds",
            "task_count",
            "ended_task_count",
            "row_count",
            "live_row_count",
            "call_count",
            "message_count",
            "worst_level",
            "worst_level_label",
            "blocked_by",
            "retry_of",
            "retried_by",
            "retry_choice",
            "cancel_requested_at",
            "cancel_requested_by",
            "acknowledged_at",
            "acknowledged_by",
            "ticket",
            "assignee",
            "snoozed_until",
            "snoozed_by",
            "data_load",
            "version",
        )
        read_only_fields = fields

    def get_duration_seconds(self, run: Run) -> float | None:
        return seconds(run, self.context["now"])

    def get_worst_level_label(self, run: Run) -> str:
        return LEVELS[run.worst_level]


class RunDetailSerializer(RunSerializer):
    why_not_retry = serializers.SerializerMethodField(help_text="Empty when the run can be retried now.")
    deadline_at = serializers.DateTimeField(read_only=True, allow_null=True)

    class Meta(RunSerializer.Meta):
        fields = (*RunSerializer.Meta.fields, "deadline_at", "why_not_retry")
        read_only_fields = fields

    def get_why_not_retry(self, run: Run) -> str:
        refused = why_not_retry(run)
        return refused.message if refused else ""


class TypeSerializer(serializers.Serializer[Any]):
    type = serializers.ChoiceField(
        choices=[m.value for m in RunMode],
        help_text="destructive fetches everything and replaces what is live; incremental adds what changed.",
    )

    confirm = serializers.CharField(
        required=False,
        allow_blank=True,
        help_text="The source's name, where a destructive start replaces many live rows: `confirm` of a dry run.",
    )

    @property
    def mode(self) -> RunMode:
        return RunMode(self.validated_data["type"])


class StartSerializer(TypeSerializer):
    source = serializers.PrimaryKeyRelatedField(queryset=DataSource.objects.select_related("connector"))  # type: ignore[assignment]


class RetrySerializer(serializers.Serializer[Any]):
    choice = serializers.ChoiceField(
        choices=[str(c) for c in Choice],
        required=False,
        default=str(Choice.FAILED),
        help_text="What is reused: all that is finished, all that was extracted (from a stage), or nothing.",
    )
    everything = serializers.BooleanField(default=False, help_text="The older word for the choice `everything`.")

    @property
    def chosen(self) -> Choice:
        return Choice.EVERYTHING if self.validated_data["everything"] else Choice(self.validated_data["choice"])


class CalledSerializer(serializers.Serializer[Any]):
    endpoint = serializers.CharField()
    task_count = serializers.IntegerField()
    call_count = serializers.IntegerField(allow_null=True, help_text="As many as the last time; null: not known.")


class WaySerializer(serializers.Serializer[Any]):
    choice = serializers.ChoiceField(choices=[str(c) for c in Choice])
    title = serializers.CharField()
    about = serializers.CharField()
    refusal = serializers.CharField(help_text="Why it is not possible; else empty.")
    remark = serializers.CharField()
    task_count = serializers.IntegerField(help_text="Finished extractions that are reused.")
    row_count = serializers.IntegerField(help_text="Rows of these that are staged already.")
    byte_count = serializers.IntegerField(help_text="Bytes of these that are staged already.")
    call_count = serializers.IntegerField(allow_null=True, help_text="Calls to the source, estimated; null: not known.")
    called = CalledSerializer(many=True, help_text="What is called again, by endpoint.")


class RetryPlanSerializer(serializers.Serializer[Any]):
    """What a retry would meet now. Nothing was started."""

    run = serializers.IntegerField()
    accepted = serializers.BooleanField(help_text="Whether a retry would be accepted at this moment.")
    refusal = serializers.CharField(help_text="Why it would not; else empty.")
    choices = WaySerializer(many=True)


class CloseSerializer(serializers.Serializer[Any]):
    force = serializers.BooleanField(help_text="Must be true: workers that still run are fenced off.")
    reason = serializers.CharField(max_length=500, help_text="Kept in the run's history.")

    def validate_force(self, force: bool) -> bool:
        if not force:
            raise serializers.ValidationError("Closing a run by hand needs `force`: true.")
        return force


class CancelAnswerSerializer(serializers.Serializer[Any]):
    first = serializers.BooleanField(help_text="False when somebody had asked before: then nothing was changed.")
    requested_by = serializers.CharField(help_text="Who asked first.")
    requested_at = serializers.DateTimeField()
    run = RunSerializer()


class PastRunSerializer(serializers.Serializer[Any]):
    run_id = serializers.IntegerField()
    seconds = serializers.FloatField()
    row_count = serializers.IntegerField()
    finished_at = serializers.DateTimeField()


class LiveTableSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    row_count = serializers.IntegerField(allow_null=True, help_text="Rows that are live; null before the first load.")
    live_at = serializers.DateTimeField(allow_null=True, help_text="Since when these rows are live.")
    replaced = serializers.BooleanField(help_text="Whether this run replaces the whole table.")


class CallsSerializer(serializers.Serializer[Any]):
    run_id = serializers.IntegerField()
    call_count = serializers.IntegerField()
    throttled_count = serializers.IntegerField(help_text="Answers of 429, or of 503 that said when to come again.")
    waited_seconds = serializers.FloatField()


class PastSerializer(serializers.Serializer[Any]):
    destructive = PastRunSerializer(many=True)
    incremental = PastRunSerializer(many=True)


class MediansSerializer(serializers.Serializer[Any]):
    destructive = serializers.FloatField(allow_null=True)
    incremental = serializers.FloatField(allow_null=True)


class PreflightSerializer(serializers.Serializer[Any]):
    """What a start would meet now. Nothing was started."""

    source = serializers.IntegerField(source="source.pk")  # type: ignore[assignment]
    source_name = serializers.CharField(source="source.name")
    type = serializers.CharField(source="mode")
    accepted = serializers.SerializerMethodField(help_text="Whether a start would be accepted at this moment.")
    refusal = serializers.CharField(help_text="Why it would not; else empty.")
    open_run = serializers.IntegerField(source="open_run.pk", allow_null=True, default=None)
    past = PastSerializer(help_text="The last completed runs of each type, newest first.")
    medians = MediansSerializer(help_text="Of the seconds of these, by type; null where none is known.")
    tables = LiveTableSerializer(many=True, help_text="The tables of this source as they are live now.")
    replaced_row_count = serializers.IntegerField(help_text="Live rows that the run replaces.")
    trouble = serializers.CharField(help_text="Why its tables cannot be told; else empty.")
    calls = CallsSerializer(allow_null=True, help_text="What the last run met at the source.")
    workers = serializers.IntegerField(help_text="Worker processes seen within the last minute, idle ones too.")
    schedule = serializers.CharField(help_text="When the next scheduled run begins.")
    confirm = serializers.CharField(help_text="What the start must give as `confirm`; else empty.")

    def get_accepted(self, facts: Any) -> bool:
        return not facts.refusal


class LoadStepSerializer(serializers.ModelSerializer[LoadStep]):
    """What follows on a data load. `key` is the id that the receiver sees."""

    status = serializers.CharField(read_only=True, help_text="waiting, sending, done or failed")

    class Meta:
        model = LoadStep
        fields = (
            "kind",
            "target",
            "key",
            "status",
            "attempts",
            "not_before",
            "last_code",
            "error",
            "advice",
            "sent_at",
        )
        read_only_fields = fields


class DataLoadSerializer(serializers.ModelSerializer[DataLoad]):
    source = serializers.IntegerField(  # type: ignore[assignment]
        source="run.source_id", read_only=True, allow_null=True, default=None
    )
    source_name = serializers.CharField(read_only=True, help_text="The data source, or the dataset of a batch.")
    batch = serializers.CharField(source="batch.public_id", read_only=True, allow_null=True, default=None)
    status_label = serializers.CharField(source="get_status_display", read_only=True)
    steps = LoadStepSerializer(many=True, read_only=True)

    class Meta:
        model = DataLoad
        fields = (
            "id",
            "run",
            "batch",
            "source",
            "source_name",
            "status",
            "status_label",
            "table_count",
            "row_count",
            "note",
            "steps",
            "created_at",
            "finished_at",
        )
        read_only_fields = fields
