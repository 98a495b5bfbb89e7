"""Who is at work: the processes that sweep."""

from __future__ import annotations

from django.db import models


class Sweep(models.Model):
    """When the sweeper last looked, by host: the sweeper is watched too."""

    name = models.CharField(max_length=120, primary_key=True)
    at = models.DateTimeField()
    found = models.JSONField(default=dict)

    def __str__(self) -> str:
        return self.name
