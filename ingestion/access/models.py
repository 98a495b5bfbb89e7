"""Organisations, their sandboxes, and the programs that may call the batch API for them.

Ids, secrets and tokens are rows of django-oauth-toolkit: secrets are hashed, of a token only a checksum is kept.
"""

from __future__ import annotations

from typing import ClassVar

from django.core.validators import RegexValidator
from django.db import models

# Both names become folders of the staging area, so they hold nothing that a path would read otherwise.
ORGANISATION_NAME = RegexValidator(
    r"\A[A-Za-z0-9][A-Za-z0-9@._-]{0,63}\Z",
    "Use letters, digits, “@”, “.”, “_” and “-”, at most 64, beginning with a letter or digit.",
)
SANDBOX_NAME = RegexValidator(
    r"\A[a-z0-9][a-z0-9-]{0,63}\Z",
    "Use lower-case letters, digits and “-”, at most 64, beginning with a letter or digit.",
)


class Organisation(models.Model):
    """A tenant: what the header x-gw-ims-org-id names. Data of one is never seen by another."""

    name = models.CharField(
        max_length=64,
        unique=True,
        validators=[ORGANISATION_NAME],
        help_text="What programs send as x-gw-ims-org-id: “default”, “1234@AdobeOrg”. It stays as it is.",
    )
    title = models.CharField(max_length=120, blank=True, help_text="As people call it.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name


class Sandbox(models.Model):
    """A part of an organisation's data kept apart from the rest: what the header x-sandbox-name names."""

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="sandboxes")
    name = models.CharField(
        max_length=64,
        validators=[SANDBOX_NAME],
        help_text="What programs send as x-sandbox-name, in lower case. It stays as it is.",
    )
    title = models.CharField(max_length=120, blank=True, help_text="As people call it.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["organisation__name", "name"]
        verbose_name_plural = "sandboxes"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["organisation", "name"], name="one_sandbox_per_name"),
        ]

    def __str__(self) -> str:
        return f"{self.organisation}/{self.name}"


class ApiClient(models.Model):
    """A program of one organisation that may call the batch API: its id and its secret's hash are `application`."""

    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="clients")
    name = models.CharField(max_length=120, help_text="The program, as people call it: “Nightly survey upload”.")
    application = models.OneToOneField(
        "oauth2_provider.Application", on_delete=models.PROTECT, related_name="api_client", editable=False
    )
    sandboxes: models.ManyToManyField[Sandbox, Allowance] = models.ManyToManyField(
        Sandbox,
        through="Allowance",
        blank=True,
        related_name="clients",
        help_text="Where it may work. With none chosen, in every sandbox of its organisation.",
    )
    technical_account = models.CharField(
        max_length=120,
        blank=True,
        help_text="The user that its batches are created by. Left empty, one is made of the name.",
    )
    active = models.BooleanField(default=True, editable=False)
    created_by = models.CharField(max_length=150, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    secret_made_at = models.DateTimeField(editable=False)

    class Meta:
        ordering: ClassVar = ["organisation__name", "name"]
        verbose_name = "API client"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["organisation", "name"], name="one_client_per_name"),
        ]

    def __str__(self) -> str:
        return self.name


class Allowance(models.Model):
    """A client is limited to this sandbox. A sandbox that one is limited to cannot go: its last one gone, the client
    would be limited no more."""

    client = models.ForeignKey(ApiClient, on_delete=models.CASCADE, related_name="allowances")
    sandbox = models.ForeignKey(Sandbox, on_delete=models.PROTECT, related_name="allowances")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["client", "sandbox"], name="one_allowance_per_sandbox"),
        ]

    def __str__(self) -> str:
        return f"{self.client} in {self.sandbox}"
