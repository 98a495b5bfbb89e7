"""Tasks: the units of a run's work, and the records that each brought into tables."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.db import models
from django.db.models.functions import Now

from ingestion.models import Batch
from runs.models.choices import choices_of
from runs.models.runs import Run
from runs.states import KIND_WORDS, TASK_WORDS, TaskStatus


class TaskQuerySet(models.QuerySet["Task"]):
    def running(self) -> TaskQuerySet:
        return self.filter(status=TaskStatus.RUNNING)

    def due(self) -> TaskQuerySet:
        return self.filter(status=TaskStatus.QUEUED).filter(models.Q(not_before=None) | models.Q(not_before__lte=Now()))

    def expired(self) -> TaskQuerySet:
        return self.running().filter(lease_until__lt=Now())


class Task(models.Model):
    """One unit of a run's work. `attempt` is the fencing number: every write back names it."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="tasks")
    kind = models.CharField(max_length=24, choices=choices_of(KIND_WORDS))
    key = models.CharField(max_length=200)  # unique within run and kind: endpoint, partition or table
    name = models.CharField(max_length=255)
    acronym = models.CharField(max_length=64, blank=True)  # initials of the name, for the search
    endpoint = models.CharField(max_length=120, blank=True)
    partition = models.JSONField(null=True)  # {"key", "title", "slices"}; None for all of the endpoint
    batch = models.ForeignKey(Batch, null=True, on_delete=models.PROTECT, related_name="tasks")
    status = models.CharField(max_length=10, choices=choices_of(TASK_WORDS), default=TaskStatus.WAITING)
    attempt = models.PositiveIntegerField(default=0)
    failures = models.PositiveIntegerField(default=0)
    lost = models.PositiveIntegerField(default=0)  # leases that ran out
    progressed = models.BooleanField(default=False)  # since the last failure, or at all
    lease_until = models.DateTimeField(null=True)
    worker = models.CharField(max_length=120, blank=True)
    not_before = models.DateTimeField(null=True)
    woken_at = models.DateTimeField(null=True)
    since = models.CharField(max_length=200, blank=True)  # the bookmark it reads from; empty reads everything
    checkpoint = models.JSONField(null=True)  # {"state", "flushes", "cursor"}: where the next attempt goes on
    output = models.JSONField(default=dict)
    note = models.CharField(max_length=255, blank=True)  # why it waits or was skipped, in words
    fault = models.CharField(max_length=16, blank=True)
    reused_from = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="reused_by")
    row_count = models.BigIntegerField(default=0)
    page_count = models.PositiveIntegerField(default=0)
    call_count = models.PositiveIntegerField(default=0)
    throttled_count = models.PositiveIntegerField(default=0)
    waited_seconds = models.FloatField(default=0)
    calls = models.JSONField(default=dict)  # by endpoint title, as `connectors.protocol.CallCount` over all attempts
    quota_until = models.DateTimeField(null=True)  # until when the source asked us to wait, the last time it did
    table_count = models.PositiveIntegerField(default=0)
    message_count = models.PositiveIntegerField(default=0)
    worst_level = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(db_default=Now())
    started_at = models.DateTimeField(null=True)  # of its first attempt
    finished_at = models.DateTimeField(null=True)

    objects = TaskQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["run", "kind", "key"], name="one_task_per_key"),
            models.CheckConstraint(
                condition=models.Q(status__in=[s.value for s in TaskStatus]), name="task_status_is_known"
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["not_before"],
                condition=models.Q(status__in=["queued", "running"]),
                name="task_to_look_at",
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def label(self) -> str:
        return f"task/{self.pk}"

    def duration(self, *, now: datetime) -> timedelta | None:
        return (self.finished_at or now) - self.started_at if self.started_at else None


class TableLoad(models.Model):
    """The records that one task brought into one table."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="tables")
    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="tables")
    batch = models.ForeignKey(Batch, on_delete=models.PROTECT, related_name="table_loads")
    name = models.CharField(max_length=63)
    description = models.TextField(blank=True)
    row_count = models.BigIntegerField(default=0)

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["task", "batch"], name="one_table_per_task")]

    def __str__(self) -> str:
        return f"{self.name}: {self.row_count:,}"


def search_words(name: str) -> str:
    """The initials of a name's words, where spaces and underscores are the boundaries: "Complete Redshift
    ingestion" gives "cri"."""
    words: list[Any] = [word for word in name.replace("_", " ").split() if word]
    return "".join(word[0] for word in words).lower()[:64]
