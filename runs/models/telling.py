"""What runs leave for people to read: messages, moves, notes, lines of the log."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now

from runs.models.runs import Run
from runs.models.tasks import Task


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
