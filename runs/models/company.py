"""Who is at work: the processes that sweep, and those that take up tasks and batches."""

from __future__ import annotations

from django.db import models


class Sweep(models.Model):
    """When the sweeper last looked, by host: the sweeper is watched too."""

    name = models.CharField(max_length=120, primary_key=True)
    at = models.DateTimeField()
    found = models.JSONField(default=dict)

    def __str__(self) -> str:
        return self.name


class Worker(models.Model):
    """A process that works, and when it last said so; `runs.presence` alone writes it. Old ones are deleted."""

    name = models.CharField(max_length=120, primary_key=True)  # host:pid, as in the names of tasks' workers
    at = models.DateTimeField()
    queues = models.JSONField(default=list)  # that it takes messages of, sorted
    threads = models.PositiveIntegerField(default=0)
    version = models.CharField(max_length=40, blank=True)

    class Meta:
        default_permissions = ()
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name
