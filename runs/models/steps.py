"""Steps that follow on a data load: whom to tell, how often it was tried, and how each try went."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models
from django.db.models.functions import Now

from runs.models.choices import choices_of
from runs.models.loads import DataLoad
from runs.states import STEP_WORDS, StepStatus


class LoadStepQuerySet(models.QuerySet["LoadStep"]):
    def due(self) -> LoadStepQuerySet:
        """Those that may be claimed now."""
        now = models.Q(not_before=None) | models.Q(not_before__lte=Now())
        return self.filter(now, status=StepStatus.WAITING)

    def expired(self) -> LoadStepQuerySet:
        """Those whose worker gave no sign of life for too long."""
        return self.filter(status=StepStatus.SENDING, lease_until__lt=Now())


class LoadStep(models.Model):
    """Something to be done once the data is live. `attempts` is the fencing number: who writes back names it."""

    load = models.ForeignKey(DataLoad, on_delete=models.CASCADE, related_name="steps")
    kind = models.CharField(max_length=16, default="webhook")
    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)  # the id that the receiver sees
    target = models.CharField(max_length=300)  # as people may see it: "https://host/…"
    status = models.CharField(max_length=8, choices=choices_of(STEP_WORDS), default=StepStatus.WAITING)
    attempts = models.PositiveIntegerField(default=0)
    failures = models.PositiveIntegerField(default=0)  # since it was last asked for
    not_before = models.DateTimeField(null=True)
    woken_at = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True)
    last_code = models.PositiveSmallIntegerField(null=True)  # status of the last answer
    error = models.TextField(blank=True)  # of the last try, in words
    advice = models.TextField(blank=True)
    asked_by = models.CharField(max_length=150, blank=True)  # who asked to send it again
    sent_at = models.DateTimeField(null=True)  # when it was taken
    created_at = models.DateTimeField(db_default=Now())

    objects = LoadStepQuerySet.as_manager()

    class Meta:
        default_permissions = ()
        ordering: ClassVar = ["pk"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(status__in=[s.value for s in StepStatus]), name="step_status_is_known"
            )
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["not_before"], condition=models.Q(status__in=["waiting", "sending"]), name="step_to_look_at"
            )
        ]

    def __str__(self) -> str:
        return f"Tell {self.target}"


class LoadTry(models.Model):
    """One try of a step: append only."""

    step = models.ForeignKey(LoadStep, on_delete=models.CASCADE, related_name="tries")
    number = models.PositiveIntegerField()
    code = models.PositiveSmallIntegerField(null=True)
    seconds = models.FloatField(null=True)  # None where its worker is gone
    problem = models.TextField(blank=True)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        default_permissions = ()
        ordering: ClassVar = ["number"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["step", "number"], name="one_row_per_try")]

    def __str__(self) -> str:
        return f"Try {self.number}: {self.code or self.problem}"
