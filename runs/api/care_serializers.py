"""The shapes of what people do about a run: acknowledge, assign, snooze, note, hand over."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from rest_framework import serializers

from runs.api.serializers import RunSerializer
from runs.models import Note


class AcknowledgeSerializer(serializers.Serializer[Any]):
    ticket = serializers.CharField(
        max_length=500,
        required=False,
        default="",
        help_text="The address or the name of the ticket it is worked on in.",
    )


class AcknowledgedSerializer(serializers.Serializer[Any]):
    first = serializers.BooleanField(help_text="False when somebody had acknowledged it before.")
    run = RunSerializer()


class AssignSerializer(serializers.Serializer[Any]):
    assignee = serializers.SlugRelatedField(
        slug_field="username",
        queryset=User.objects.filter(is_active=True),
        allow_null=True,
        help_text="A user name; null for nobody.",
    )


class SnoozeSerializer(serializers.Serializer[Any]):
    until = serializers.DateTimeField(allow_null=True, help_text="Within the next 30 days; null ends a snooze.")


class NoteSerializer(serializers.ModelSerializer[Note]):
    text = serializers.CharField(
        max_length=10_000, help_text="Kept as it is: a note can be neither changed nor deleted."
    )

    class Meta:
        model = Note
        fields = ("id", "text", "author", "created_at")
        read_only_fields = ("id", "author", "created_at")


class HandoverSerializer(serializers.Serializer[Any]):
    text = serializers.CharField(help_text="Markdown, to paste into a ticket. Holds no values, hosts or details.")
