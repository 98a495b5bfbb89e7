"""Runs: one execution of a data source each, and the keys that programs asked for them with."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from connectors.models import ConfigRevision, DataSource
from ingestion.models import Load
from runs.models.choices import choices_of
from runs.states import KIND_WORDS, RUN_ENDED, RUN_OPEN, RUN_WORDS, RunMode, RunStatus, TaskKind

OPEN_STATUSES = sorted(RUN_OPEN)


# Failed, or completed with a message of level warning (2) or worse. A partial index answers it.
IN_TROUBLE = models.Q(status=RunStatus.FAILED) | models.Q(status=RunStatus.COMPLETED, worst_level__gte=2)


class RunQuerySet(models.QuerySet["Run"]):
    def open(self) -> RunQuerySet:
        return self.filter(status__in=RUN_OPEN)

    def in_trouble(self) -> RunQuerySet:
        """Those that may be acknowledged: failed, or completed with warnings."""
        return self.filter(IN_TROUBLE)

    def needing_attention(self) -> RunQuerySet:
        """In trouble, acknowledged by nobody, and not snoozed just now."""
        awake = models.Q(snoozed_until=None) | models.Q(snoozed_until__lte=Now())
        return self.filter(IN_TROUBLE, awake, acknowledged_at=None)


class Run(models.Model):
    """One execution of a data source. Terminal statuses are final."""

    source = models.ForeignKey(DataSource, on_delete=models.PROTECT, related_name="runs")
    config = models.ForeignKey(ConfigRevision, on_delete=models.PROTECT, related_name="runs")
    load = models.ForeignKey(Load, on_delete=models.PROTECT, related_name="runs")
    mode = models.CharField("type", max_length=12, choices=[(m, m.title()) for m in RunMode])
    status = models.CharField(max_length=10, choices=choices_of(RUN_WORDS), default=RunStatus.WAITING)
    open_key = models.CharField(max_length=40, help_text="What only one open run may hold: the source, or everything.")
    trigger = models.CharField(max_length=10, default="person")  # person | api | command | retry | schedule | demo
    requested_by = models.CharField(max_length=150, blank=True)
    phase = models.CharField(max_length=24, choices=choices_of(KIND_WORDS), default=TaskKind.EXTRACTION)
    pending = models.PositiveIntegerField(default=0)  # tasks of this phase that have not ended
    blocked_by = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="blocks")
    retry_of = models.OneToOneField("self", null=True, blank=True, on_delete=models.PROTECT, related_name="retried_by")
    retry_choice = models.CharField(
        max_length=32, blank=True
    )  # what a retry was to reuse: a word of lifecycle.retrying
    window_until = models.DateTimeField(
        null=True, blank=True
    )  # a retry of the same window ends where the old run's did
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    cancel_requested_by = models.CharField(max_length=150, blank=True)
    fault = models.CharField(max_length=16, blank=True)  # class of the failure
    outcome = models.TextField(blank=True)  # one sentence: what happened to the data
    version = models.PositiveIntegerField(default=0)  # raised by every change that a page shows
    task_count = models.PositiveIntegerField(default=0)
    ended_task_count = models.PositiveIntegerField(default=0)
    row_count = models.BigIntegerField(default=0)  # extracted so far
    live_row_count = models.BigIntegerField(null=True)
    call_count = models.PositiveIntegerField(default=0)
    message_count = models.PositiveIntegerField(default=0)
    log_line_count = models.PositiveIntegerField(default=0)
    worst_level = models.PositiveSmallIntegerField(default=0)  # 0 none, 1 info, 2 warning, 3 error
    created_at = models.DateTimeField(db_default=Now())
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    deadline_at = models.DateTimeField(null=True, blank=True)  # the source's longest time, from the first claim
    # What people do about a run that is in trouble; written by lifecycle.caring alone.
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    acknowledged_by = models.CharField(max_length=150, blank=True)
    ticket = models.CharField(max_length=500, blank=True)  # an address or a name of the ticket it is worked on in
    assignee = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="runs_assigned"
    )
    snoozed_until = models.DateTimeField(null=True, blank=True)
    snoozed_by = models.CharField(max_length=150, blank=True)

    objects = RunQuerySet.as_manager()

    class Meta:
        verbose_name = "API run"
        ordering: ClassVar = ["-pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["open_key"], condition=models.Q(status__in=OPEN_STATUSES), name="one_open_run_per_source"
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=[s.value for s in RunStatus]), name="run_status_is_known"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["source", "-id"], name="run_by_source"),
            models.Index(fields=["status", "-id"], name="run_by_status"),
            models.Index(fields=["mode", "source", "finished_at"], name="run_by_mode"),
            models.Index(fields=["trigger", "-id"], name="run_by_trigger"),
            models.Index(fields=["requested_by", "-id"], condition=~models.Q(requested_by=""), name="run_by_person"),
            models.Index(fields=["fault", "-id"], condition=~models.Q(fault=""), name="run_by_fault"),
            models.Index(fields=["created_at", "status", "worst_level"], name="run_by_day"),  # the days of the list
            models.Index(fields=["finished_at", "status"], name="run_by_end"),
            models.Index(fields=["-id"], condition=models.Q(acknowledged_at__isnull=False), name="run_acknowledged"),
            models.Index(fields=["-id"], condition=IN_TROUBLE & models.Q(acknowledged_at=None), name="run_in_trouble"),
        ]
        permissions: ClassVar = [
            ("cancel_run", "Can cancel a run"),
            ("retry_run", "Can retry a run"),
            ("close_run", "Can force a run closed"),
            ("care_run", "Can acknowledge, assign and snooze a run, and add notes to it"),
            ("view_raw_data", "Can see technical details and records"),
        ]

    def __str__(self) -> str:
        return f"Run {self.pk}"

    @property
    def owner(self) -> str:
        """What batches know this run as."""
        return f"run/{self.pk}"

    @property
    def is_open(self) -> bool:
        return self.status in RUN_OPEN

    @property
    def is_ended(self) -> bool:
        return self.status in RUN_ENDED

    def duration(self, *, now: datetime) -> timedelta | None:
        """From the first claim to the end, or to now while it runs; None before it began."""
        return (self.finished_at or now) - self.started_at if self.started_at else None


class StartKey(models.Model):
    """An Idempotency-Key that a run was asked for with: the same key and body answers the same run for a day."""

    actor = models.CharField(max_length=150)
    key = models.CharField(max_length=200)
    digest = models.CharField(max_length=64)  # of what was asked
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="start_keys")
    created_at = models.DateTimeField(db_default=Now(), db_index=True)

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [models.UniqueConstraint(fields=["actor", "key"], name="one_run_per_start_key")]

    def __str__(self) -> str:
        return self.key
