"""Connectors, the data sources configured from them, and how far each endpoint has been read."""

from __future__ import annotations

import hashlib
import json
from typing import Any, ClassVar

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models

from connectors.secrets import SecretBox

IDENTIFIER = RegexValidator(r"^[a-z_][a-z0-9_]{0,62}$", "Use lower-case letters, digits and underscores, at most 63.")


class Connector(models.Model):
    """A kind of API, described by a declarative manifest. Several data sources may be configured from one."""

    name = models.CharField(max_length=120, unique=True, help_text="As people call it: “Nycflights demo”.")
    manifest = models.TextField(help_text="The declarative REST manifest, as YAML. It is checked before it is saved.")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name


class OnFailure(models.TextChoices):
    FAIL = "fail", "Fail the run; nothing goes live"
    COMPLETE_WHOLE = "whole", "Complete with the tables that are whole"


class DataSourceQuerySet(models.QuerySet["DataSource"]):
    def enabled(self) -> DataSourceQuerySet:
        return self.filter(enabled=True)


class DataSource(models.Model):
    """A configured connector: address, credentials, where its tables live. What a run is started on."""

    name = models.CharField(max_length=120, unique=True)
    connector = models.ForeignKey(Connector, on_delete=models.PROTECT, related_name="sources")
    organisation = models.CharField(max_length=64, default="default", editable=False)
    sandbox = models.CharField(max_length=64, default="prod", editable=False)
    namespace = models.CharField(
        max_length=63,
        unique=True,
        validators=[IDENTIFIER],
        help_text="The schema in the warehouse that holds this source's tables.",
    )
    settings = models.JSONField(
        default=dict, blank=True, help_text="Values for the settings that the manifest declares."
    )
    sealed_credentials = models.BinaryField(default=b"", blank=True, editable=False)
    endpoints = models.JSONField(default=list, blank=True, help_text="Names of the endpoints to read; empty reads all.")
    on_failure = models.CharField(max_length=8, choices=OnFailure.choices, default=OnFailure.FAIL)
    schema_policy = models.CharField(
        max_length=16,
        default="evolve",
        choices=[
            ("evolve", "Take new columns and wider types in"),
            ("freeze", "A change of columns fails the run"),
            ("discard_columns", "Leave new columns out"),
        ],
    )
    max_hours = models.FloatField(default=24, help_text="A run that takes longer is closed as failed.")
    enabled = models.BooleanField(default=True, help_text="A disabled source takes no new runs.")
    webhook_enabled = models.BooleanField(
        "Tell it", default=False, help_text="When a run's data is live, its data load is told to the address below."
    )
    webhook_url = models.CharField(
        "Address",
        max_length=500,
        blank=True,
        default="",
        help_text="Where the message is sent, like https://host.example/headgate. Pages show its host only.",
    )
    sealed_webhook = models.BinaryField(default=b"", blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = DataSourceQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["name"]
        permissions: ClassVar = [
            ("start_run", "Can start an incremental run"),
            ("start_destructive_run", "Can start a destructive run"),
            ("test_source", "Can test the connection and show ten records"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def credentials(self) -> dict[str, str]:
        """The credentials in the clear: for engines alone, never for a page, a log or a message."""
        if not self.sealed_credentials:
            return {}
        return _box().decrypt(bytes(self.sealed_credentials), context=self._context())

    def seal(self, credentials: dict[str, str]) -> None:
        """Replace the credentials; they can be written but never read back by people."""
        self.sealed_credentials = _box().encrypt(credentials, context=self._context())

    @property
    def webhook_secret(self) -> str:
        """What messages are signed with, in the clear: for the sender alone. Raises SealError."""
        if not self.sealed_webhook:
            return ""
        return _box().decrypt(bytes(self.sealed_webhook), context=f"{self._context()}/webhook")["secret"]

    def seal_webhook(self, secret: str) -> None:
        """Replace the webhook's secret; it can be written but never read back by people."""
        self.sealed_webhook = _box().encrypt({"secret": secret}, context=f"{self._context()}/webhook")

    def _context(self) -> str:
        return f"{self.organisation}/{self.namespace}"  # a sealed value moved to another source does not open


def _box() -> SecretBox:
    return SecretBox(settings.CREDENTIAL_KEYS)


class ConfigRevision(models.Model):
    """What a source was configured as when a run began: frozen, and shared by runs while nothing changes."""

    source = models.ForeignKey(DataSource, on_delete=models.CASCADE, related_name="revisions")
    number = models.PositiveIntegerField()
    digest = models.CharField(max_length=64)
    manifest = models.TextField()
    settings = models.JSONField(default=dict)
    options = models.JSONField(default=dict)  # endpoints, schema_policy, on_failure
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["-number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["source", "digest"], name="one_revision_per_digest"),
            models.UniqueConstraint(fields=["source", "number"], name="one_revision_per_number"),
        ]

    def __str__(self) -> str:
        return f"{self.source} revision {self.number}"

    @classmethod
    def of(cls, source: DataSource) -> ConfigRevision:
        """The revision that a source stands at now; made when its configuration has changed. Call under the
        source's lock."""
        options = {
            "endpoints": source.endpoints,
            "schema_policy": source.schema_policy,
            "on_failure": source.on_failure,
            "namespace": source.namespace,
        }
        frozen = [source.connector.manifest, source.settings, options]
        digest = hashlib.sha256(json.dumps(frozen, sort_keys=True).encode()).hexdigest()
        last = cls.objects.filter(source=source).order_by("-number").first()
        fresh: dict[str, Any] = {
            "number": (last.number if last else 0) + 1,
            "manifest": source.connector.manifest,
            "settings": source.settings,
            "options": options,
        }
        return cls.objects.get_or_create(source=source, digest=digest, defaults=fresh)[0]


class Bookmark(models.Model):
    """How far an endpoint has been read by completed runs. Moved only in the transaction that completes a run."""

    source = models.ForeignKey(DataSource, on_delete=models.CASCADE, related_name="bookmarks")
    endpoint = models.CharField(max_length=120)
    value = models.CharField(max_length=200)
    run_id = models.BigIntegerField()
    moved_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["source", "endpoint"], name="one_bookmark_per_endpoint")
        ]

    def __str__(self) -> str:
        return f"{self.source}: {self.endpoint} at {self.value}"


class CallBudget(models.Model):
    """When the next call with some credentials may be made: one row for all tasks of all hosts that use them."""

    key = models.CharField(max_length=64, primary_key=True)  # a keyed digest of the credentials, never they themselves
    next_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"calls from {self.next_at}"
