"""Connectors and data sources as JSON. Credentials go in through the admin and never come out anywhere."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from connectors.models import Connector, DataSource


class ConnectorSerializer(serializers.ModelSerializer[Connector]):
    class Meta:
        model = Connector
        fields = ("id", "name", "updated_at")
        read_only_fields = fields


class ConnectorDetailSerializer(serializers.ModelSerializer[Connector]):
    class Meta:
        model = Connector
        fields = (*ConnectorSerializer.Meta.fields, "manifest")
        read_only_fields = fields


class SourceSerializer(serializers.ModelSerializer[DataSource]):
    connector_name = serializers.CharField(source="connector.name", read_only=True)
    has_credentials = serializers.SerializerMethodField(help_text="Whether credentials are stored; never which.")
    endpoints = serializers.ListField(
        child=serializers.CharField(), read_only=True, help_text="What is read; empty reads all endpoints."
    )

    class Meta:
        model = DataSource
        fields: tuple[str, ...] = (
            "id",
            "name",
            "connector",
            "connector_name",
            "namespace",
            "settings",
            "endpoints",
            "on_failure",
            "schema_policy",
            "max_hours",
            "enabled",
            "has_credentials",
            "created_at",
            "updated_at",
        )
        read_only_fields = fields

    def get_has_credentials(self, source: DataSource) -> bool:
        return bool(source.sealed_credentials)


class ManifestSerializer(serializers.Serializer[Any]):
    manifest = serializers.CharField(trim_whitespace=False, help_text="The manifest's text, as YAML.")


class ManifestProblemSerializer(serializers.Serializer[Any]):
    path = serializers.CharField(help_text="The place in the document, as endpoints[2].pagination.style.")
    message = serializers.CharField()


class ManifestAnswerSerializer(serializers.Serializer[Any]):
    ok = serializers.BooleanField()
    problems = ManifestProblemSerializer(many=True)


class CheckStepSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    ok = serializers.BooleanField()
    detail = serializers.CharField()
    advice = serializers.CharField()


class CheckSerializer(serializers.Serializer[Any]):
    ok = serializers.BooleanField(help_text="Whether every step went well; the first that does not is the last.")
    steps = CheckStepSerializer(many=True)


class SampleRequestSerializer(serializers.Serializer[Any]):
    endpoint = serializers.CharField(required=False, help_text="The endpoint's name; without it, the first one.")


class SampleColumnSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    kinds = serializers.ListField(child=serializers.CharField(), help_text="The kinds of JSON values seen.")


class SampleSerializer(serializers.Serializer[Any]):
    endpoint = serializers.CharField()
    columns = SampleColumnSerializer(many=True)
    records = serializers.ListField(child=serializers.JSONField(), help_text="Ten at most. Nothing of them is kept.")
