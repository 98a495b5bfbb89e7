"""The shapes of what is read out of a run: report, kinds of messages, comparison."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

RAW = "runs.view_raw_data"


class UsualSerializer(serializers.Serializer[Any]):
    runs = serializers.IntegerField(help_text="Good runs of the same source and type that it is taken from.")
    median_seconds = serializers.FloatField(allow_null=True)
    p90_seconds = serializers.FloatField(allow_null=True)
    usual_rows = serializers.IntegerField(allow_null=True)


class StageSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    kind = serializers.CharField(help_text="The kind of its tasks.")
    status = serializers.CharField()
    total = serializers.IntegerField()
    ended = serializers.IntegerField()
    failed = serializers.IntegerField()
    silent = serializers.IntegerField(help_text="Tasks at work whose worker gives no sign of life.")
    rows = serializers.IntegerField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    share = serializers.IntegerField(allow_null=True, help_text="Of the run's duration, in percent.")


class FailureSerializer(serializers.Serializer[Any]):
    fault = serializers.CharField()
    title = serializers.CharField()
    owner = serializers.CharField(help_text="Where the trouble lies.")
    cause = serializers.CharField()
    task = serializers.IntegerField(allow_null=True, help_text="The first task that failed.")
    failed_count = serializers.IntegerField()
    advice = serializers.CharField()
    effect = serializers.CharField(help_text="What became of the data.")
    retry = serializers.CharField(help_text="Whether a retry is safe, allowed and likely to help.")
    detail = serializers.CharField(help_text=f"Technical; empty without {RAW}.")
    same_runs = serializers.IntegerField(help_text="Other runs of the last 30 days with the same failure.")
    same_sources = serializers.IntegerField()
    same_since = serializers.DateTimeField(allow_null=True)


class ChainSerializer(serializers.Serializer[Any]):
    table = serializers.CharField()
    extracted = serializers.IntegerField(source="batch.extracted_count")
    rejected = serializers.IntegerField(source="batch.rejected_count")
    superseded = serializers.IntegerField(source="batch.superseded_count")
    staged = serializers.IntegerField(source="batch.staged_count")
    loaded = serializers.IntegerField(source="batch.loaded_count", allow_null=True)
    live = serializers.IntegerField(source="batch.live_count", allow_null=True)
    last_good = serializers.IntegerField(source="rows_before", allow_null=True)
    change_percent = serializers.FloatField(source="change", allow_null=True)
    unaccounted_for = serializers.IntegerField(source="lost")


class ReportSerializer(serializers.Serializer[Any]):
    """What the run's page says above its tabs."""

    run = serializers.IntegerField()
    outlook = serializers.CharField(help_text="For a run at work: what is usual, and how much is left.")
    usual = UsualSerializer()
    stages = StageSerializer(many=True)
    failure = FailureSerializer(allow_null=True)
    compared_with = serializers.IntegerField(allow_null=True)
    tables = ChainSerializer(many=True)


class KindSerializer(serializers.Serializer[Any]):
    fingerprint = serializers.CharField()
    level = serializers.IntegerField()
    count = serializers.IntegerField()
    messages = serializers.IntegerField(source="rows", help_text="That differ in numbers or names.")
    tasks = serializers.IntegerField()
    first_at = serializers.DateTimeField()
    last_at = serializers.DateTimeField()
    code = serializers.CharField(source="example.code")
    text = serializers.CharField(source="example.text", help_text="The newest of them.")
    advice = serializers.CharField(source="example.advice")


class StagePairSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    left_took = serializers.DurationField(allow_null=True)
    right_took = serializers.DurationField(allow_null=True)
    change = serializers.FloatField(allow_null=True, help_text="In percent.")


class TablePairSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    left = serializers.IntegerField(allow_null=True)
    right = serializers.IntegerField(allow_null=True)
    change = serializers.FloatField(allow_null=True, help_text="In percent.")
    columns = serializers.ListField(child=serializers.CharField())


class KindPairSerializer(serializers.Serializer[Any]):
    text = serializers.CharField()
    level = serializers.IntegerField()
    left = serializers.IntegerField()
    right = serializers.IntegerField()


class ComparisonSerializer(serializers.Serializer[Any]):
    left = serializers.IntegerField(source="left.pk", help_text="The run that is compared with.")
    right = serializers.IntegerField(source="right.pk")
    left_took = serializers.DurationField(allow_null=True)
    right_took = serializers.DurationField(allow_null=True)
    stages = StagePairSerializer(many=True)
    tables = TablePairSerializer(many=True)
    messages = KindPairSerializer(many=True)
    configuration_changed = serializers.SerializerMethodField()

    def get_configuration_changed(self, found: Any) -> bool:
        return bool(found.configuration)
