"""How the API describes itself: every operation may answer a problem (RFC 9457), of the one shape defined here."""

from __future__ import annotations

from typing import Any, Literal

from drf_spectacular.openapi import AutoSchema
from rest_framework import serializers

PROBLEM = "application/problem+json"


class FieldProblemSerializer(serializers.Serializer[Any]):
    field = serializers.CharField(help_text="The parameter or the key of the body; empty for the whole of it.")
    message = serializers.CharField()


class ProblemSerializer(serializers.Serializer[Any]):
    """What went wrong, in a sentence for a person (`detail`) and a word for a program (`code`)."""

    type = serializers.CharField(help_text="urn:headgate:problem:<code>")
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    code = serializers.CharField()
    instance = serializers.CharField(help_text="The path that was asked for.")
    request_id = serializers.CharField(help_text="Also in the header X-Request-ID; give it to whoever helps you.")
    advice = serializers.CharField(required=False, help_text="What to do about it.")
    errors = FieldProblemSerializer(many=True, required=False)  # type: ignore[assignment]
    run_id = serializers.IntegerField(required=False, help_text="The run that the refusal is about.")
    blocker_id = serializers.IntegerField(required=False, help_text="The open run that is in the way.")


class Described(AutoSchema):
    """The usual description, with the problem as the default answer of every operation."""

    def _get_response_bodies(self, direction: Literal["request", "response"] = "response") -> dict[str, Any]:
        bodies: dict[str, Any] = super()._get_response_bodies(direction)
        problem = self.resolve_serializer(ProblemSerializer, direction)
        bodies["default"] = {
            "description": "A problem: `code` says which.",
            "content": {PROBLEM: {"schema": problem.ref}},
        }
        return bodies
