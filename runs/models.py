"""Runs, their tasks, and what they leave for people to read: tables, messages, history, data loads."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from connectors.models import ConfigRevision, DataSource
from ingestion.models import Batch, Load
from runs.states import (
    KIND_WORDS,
    LOAD_WORDS,
    RUN_ENDED,
    RUN_OPEN,
    RUN_WORDS,
    TASK_WORDS,
    LoadStatus,
    RunMode,
    RunStatus,
    TaskKind,
    TaskStatus,
)

OPEN_STATUSES = sorted(RUN_OPEN)


# Failed, or completed with a message of level warning (2) or worse. A partial index answers it.
IN_TROUBLE = models.Q(status=RunStatus.FAILED) | models.Q(status=RunStatus.COMPLETED, worst_level__gte=2)


def _choices(words: dict[str, str]) -> list[tuple[str, str]]:
    return [(str(value), word) for value, word in words.items()]


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

    def newest_of(self, source_id: int) -> Run | None:
        """The run that a retry would be judged by: rejected ones do not count."""
        return self.filter(source=source_id).exclude(status=RunStatus.REJECTED).order_by("-pk").first()


class Run(models.Model):
    """One execution of a data source. Terminal statuses are final."""

    source = models.ForeignKey(DataSource, on_delete=models.PROTECT, related_name="runs")
    config = models.ForeignKey(ConfigRevision, on_delete=models.PROTECT, related_name="runs")
    load = models.ForeignKey(Load, on_delete=models.PROTECT, related_name="runs")
    mode = models.CharField("type", max_length=12, choices=[(m, m.title()) for m in RunMode])
    status = models.CharField(max_length=10, choices=_choices(RUN_WORDS), default=RunStatus.WAITING)
    open_key = models.CharField(max_length=40, help_text="What only one open run may hold: the source, or everything.")
    trigger = models.CharField(max_length=10, default="person")  # person | api | command | retry | schedule | demo
    requested_by = models.CharField(max_length=150, blank=True)
    phase = models.CharField(max_length=24, choices=_choices(KIND_WORDS), default=TaskKind.EXTRACTION)
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
    kind = models.CharField(max_length=24, choices=_choices(KIND_WORDS))
    key = models.CharField(max_length=200)  # unique within run and kind: endpoint, partition or table
    name = models.CharField(max_length=255)
    acronym = models.CharField(max_length=64, blank=True)  # initials of the name, for the search
    endpoint = models.CharField(max_length=120, blank=True)
    partition = models.JSONField(null=True)  # {"key", "title", "slices"}; None for all of the endpoint
    batch = models.ForeignKey(Batch, null=True, on_delete=models.PROTECT, related_name="tasks")
    status = models.CharField(max_length=10, choices=_choices(TASK_WORDS), default=TaskStatus.WAITING)
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


class Level(models.IntegerChoices):
    INFO = 1, "Info"
    WARNING = 2, "Warning"
    ERROR = 3, "Error"


class Message(models.Model):
    """Something a support person should read: what happened, where, what it did to the data, what to do."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="messages")
    task = models.ForeignKey(Task, null=True, on_delete=models.CASCADE, related_name="messages")
    level = models.PositiveSmallIntegerField(choices=Level.choices)
    code = models.CharField(max_length=40)
    text = models.TextField()
    advice = models.TextField(blank=True)
    detail = models.TextField(blank=True)  # technical; for those who may see raw data
    table = models.CharField(max_length=63, blank=True)
    fingerprint = models.CharField(max_length=32, db_index=True)
    count = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(db_default=Now())
    last_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering: ClassVar = ["-pk"]

    def __str__(self) -> str:
        return self.text[:80]


class Event(models.Model):
    """One move of a run or of a task: append only."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="events")
    task = models.ForeignKey(Task, null=True, on_delete=models.CASCADE, related_name="events")
    before = models.CharField(max_length=16, blank=True)
    after = models.CharField(max_length=16)  # a status, or what else happened: fenced, acknowledged, assigned, …
    actor = models.CharField(max_length=150)
    reason = models.TextField(blank=True)
    attempt = models.PositiveIntegerField(null=True)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering: ClassVar = ["pk"]

    def __str__(self) -> str:
        return f"{self.before or 'new'} → {self.after}"


class Note(models.Model):
    """What a person wrote about a run: append only, added by lifecycle.caring alone."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="notes")
    text = models.TextField()
    author = models.CharField(max_length=150)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        default_permissions = ()
        ordering: ClassVar = ["pk"]

    def __str__(self) -> str:
        return self.text[:80]


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


class LogChunk(models.Model):
    """Lines of a run's log that one attempt wrote at once; see `runs.runlog`. Append only."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="log")
    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="log")
    attempt = models.PositiveIntegerField()
    line_count = models.PositiveIntegerField()
    worst_level = models.PositiveSmallIntegerField()
    last_at = models.FloatField()  # of its last line, in seconds of the calendar
    lines = models.TextField()  # one JSON list a line: time, level, code, text

    class Meta:
        ordering: ClassVar = ["pk"]
        indexes: ClassVar = [models.Index(fields=["run", "-last_at"], name="log_by_time")]

    def __str__(self) -> str:
        return f"{self.line_count} lines of task {self.task_id}"


class DataLoad(models.Model):
    """That data has been brought in and can be used. Exists only for a run that completed, or a promoted batch."""

    run = models.OneToOneField(Run, null=True, on_delete=models.CASCADE, related_name="data_load")
    batch = models.OneToOneField(Batch, null=True, on_delete=models.CASCADE, related_name="data_load")
    status = models.CharField(max_length=10, choices=_choices(LOAD_WORDS), default=LoadStatus.RUNNING)
    table_count = models.PositiveIntegerField(default=0)
    row_count = models.BigIntegerField(default=0)
    note = models.TextField(blank=True)
    created_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-pk"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(run__isnull=False, batch__isnull=True)
                | models.Q(run__isnull=True, batch__isnull=False),
                name="a_load_is_of_a_run_or_a_batch",
            )
        ]

    def __str__(self) -> str:
        return f"Data load of run {self.run_id}" if self.run_id else f"Data load of batch {self.batch_id}"

    @property
    def source_name(self) -> str:
        """Where the data came from: a data source, or the dataset that a client wrote to."""
        if self.run:
            return self.run.source.name
        assert self.batch
        return self.batch.dataset.title or str(self.batch.dataset)


class Sweep(models.Model):
    """When the sweeper last looked, by host: the sweeper is watched too."""

    name = models.CharField(max_length=120, primary_key=True)
    at = models.DateTimeField()
    found = models.JSONField(default=dict)

    def __str__(self) -> str:
        return self.name


def search_words(name: str) -> str:
    """The initials of a name's words, where spaces and underscores are the boundaries: "Complete Redshift
    ingestion" gives "cri"."""
    words: list[Any] = [word for word in name.replace("_", " ").split() if word]
    return "".join(word[0] for word in words).lower()[:64]
