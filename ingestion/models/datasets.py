"""Datasets: live tables and what is known of them; and loads, which publish into them."""

from __future__ import annotations

import secrets
from typing import ClassVar

from django.db import models
from django.utils import timezone

from ingestion.blueprint.columns import Blueprint
from ingestion.warehouse.base import Target


def new_dataset_id() -> str:
    """24 hexadecimal digits, as clients know them."""
    return secrets.token_hex(12)


class Origin(models.TextChoices):
    """Who fills a dataset."""

    RUNS = "runs"  # a data source's runs; clients see it, and cannot write to it
    CLIENTS = "clients"  # the batch API


class DatasetQuerySet(models.QuerySet["Dataset"]):
    def of(self, organisation: str, sandbox: str) -> DatasetQuerySet:
        """Those that a caller of this organisation and sandbox may see."""
        return self.filter(organisation=organisation, sandbox=sandbox, deleted_at=None)


class Dataset(models.Model):
    """One live table and what is known of it."""

    organisation = models.CharField(max_length=64, default="default")
    sandbox = models.CharField(max_length=64, default="prod")
    namespace = models.CharField(max_length=63, help_text="The schema in the warehouse.")
    name = models.CharField(max_length=63, help_text="The table's name in the warehouse.")
    source_name = models.CharField(max_length=255, blank=True, help_text="The name that the source knows it by.")
    description = models.TextField(blank=True)
    blueprint = models.JSONField(default=list)
    key = models.JSONField(default=list, help_text="Field paths that identify a record at the source.")
    schema_policy = models.CharField(max_length=16, default="evolve")
    live_rows = models.BigIntegerField(null=True)
    live_load = models.BigIntegerField(null=True)
    live_at = models.DateTimeField(null=True)
    public_id = models.CharField(max_length=24, unique=True, default=new_dataset_id, editable=False)
    origin = models.CharField(max_length=8, choices=Origin, default=Origin.RUNS)
    title = models.CharField(max_length=255, blank=True, help_text="The name that clients gave it.")
    schema = models.JSONField(null=True, help_text="JSON Schema that records are checked against; none: inferred.")
    file_format = models.CharField(max_length=16, default="parquet", help_text="Storage format on the wire.")
    tags = models.JSONField(default=dict)
    wire = models.JSONField(default=dict, help_text="Other members of the dataset that clients set: kept and shown.")
    error_diagnostics = models.BooleanField(default=False)
    retention_days = models.PositiveIntegerField(null=True, help_text="Batches expire after so many days; none: never.")
    version = models.PositiveIntegerField(default=0)  # on the wire 1.0.<version>
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)
    created_client = models.CharField(max_length=255, blank=True)
    created_user = models.CharField(max_length=255, blank=True)
    updated_user = models.CharField(max_length=255, blank=True)
    deleted_at = models.DateTimeField(null=True)
    publisher = models.CharField(max_length=150, blank=True)  # the worker that publishes client batches into it now
    publisher_until = models.DateTimeField(null=True)  # its lease
    publisher_token = models.BigIntegerField(default=0)  # raised by each claim

    objects = DatasetQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["namespace", "name"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["organisation", "sandbox", "namespace", "name"], name="one_dataset_per_name"
            )
        ]

    def __str__(self) -> str:
        return f"{self.namespace}.{self.name}"

    @property
    def columns(self) -> Blueprint:
        return Blueprint.from_json(self.blueprint)

    def target(self, columns: Blueprint) -> Target:
        """The warehouse's word for this dataset, with the key in column names of `columns`."""
        names = columns.by_source()
        key = tuple(names[path].name for path in self.key if path in names)
        return Target(
            dataset=self.pk,
            schema=self.namespace,
            name=self.name,
            key=key if len(key) == len(self.key) else (),
            description=self.description,
        )


class Load(models.Model):
    """One logical publish into one or more datasets. Its id is stable over retries of the same work."""

    created_at = models.DateTimeField(auto_now_add=True)
    note = models.CharField(max_length=200, blank=True)

    def __str__(self) -> str:
        return f"load {self.pk}"
