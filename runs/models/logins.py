"""Logins that failed, by name and address."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class FailedLogin(models.Model):
    """Failures of one name from one address, known or not; `runs.logins` alone writes it."""

    name = models.CharField(max_length=150)
    address = models.CharField(max_length=64, blank=True)
    count = models.PositiveIntegerField(default=0)
    last_at = models.DateTimeField()
    locked_until = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["name", "address"], name="one_count_of_failed_logins"),
        ]

    def __str__(self) -> str:
        return self.name
