"""Datasets and what is loaded into them: loads, batches, parts. Whatever lands in the warehouse lands as a batch."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from ingestion.blueprint.columns import Blueprint, Column
from ingestion.states import OPEN, BatchStatus
from ingestion.warehouse.base import Mode, Staged, Target


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


class BatchQuerySet(models.QuerySet["Batch"]):
    def open(self) -> BatchQuerySet:
        return self.filter(status__in=OPEN)


class Batch(models.Model):
    """A unit of data for one dataset: its files, observed columns, counts and status."""

    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="batches")
    load = models.ForeignKey(Load, on_delete=models.PROTECT, related_name="batches")
    owner = models.CharField(max_length=64)  # "run/31548": what keys its parts, one batch per dataset and owner
    status = models.CharField(max_length=16, choices=[(s, s) for s in BatchStatus], default=BatchStatus.LOADING)
    self_promoting = models.BooleanField(default=False)  # true for a client's batch; a run promotes its own
    mode = models.CharField(max_length=8, choices=[(m, m) for m in Mode], default=Mode.REPLACE)
    cursor = models.CharField(max_length=255, blank=True)  # field path
    window_from = models.CharField(max_length=200, blank=True)
    parent = models.CharField(max_length=255, blank=True)  # for a child table: its parent's name at the source
    blueprint = models.JSONField(null=True)  # agreed at metadata consolidation
    changes = models.JSONField(default=list)  # how it differs from the dataset's, in words
    manifest_key = models.CharField(max_length=400, blank=True)
    manifest_digest = models.CharField(max_length=64, blank=True)
    temporary = models.JSONField(null=True)  # the filled temporary table
    extracted_count = models.BigIntegerField(default=0)
    rejected_count = models.BigIntegerField(default=0)
    superseded_count = models.BigIntegerField(default=0)  # replaced by a later record of the same key, before loading
    staged_count = models.BigIntegerField(default=0)
    loaded_count = models.BigIntegerField(null=True)
    inserted_count = models.BigIntegerField(null=True)
    updated_count = models.BigIntegerField(null=True)
    deleted_count = models.BigIntegerField(null=True)
    live_count = models.BigIntegerField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    objects = BatchQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-pk"]
        verbose_name_plural = "batches"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["dataset", "owner"], name="one_batch_per_dataset_and_owner"),
            models.CheckConstraint(
                condition=models.Q(status__in=[s.value for s in BatchStatus]), name="batch_status_is_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.dataset} of {self.owner}"

    @property
    def agreed(self) -> Blueprint:
        return Blueprint.from_json(self.blueprint or [])

    @property
    def staged(self) -> Staged | None:
        return Staged(**self.temporary) if self.temporary else None


class Part(models.Model):
    """One staged file, written once. What makes it real is this row, committed together with the task's cursor."""

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="parts")
    label = models.CharField(max_length=64)  # the task that wrote it
    number = models.BigIntegerField()  # `_part` in the rows
    key = models.CharField(max_length=400)
    columns = models.JSONField()
    row_count = models.BigIntegerField()
    size = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)
    extracted_count = models.BigIntegerField(default=0)
    rejected_count = models.BigIntegerField(default=0)
    superseded_count = models.BigIntegerField(default=0)
    cursor_max = models.CharField(max_length=200, blank=True)
    warnings = models.JSONField(default=list)
    exact = models.BooleanField(default=False)
    pages = models.JSONField(default=list)  # [page number, records, request id] of the responses in it
    merged_into = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="merged")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["number"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["batch", "number"], name="one_part_per_number")]

    def __str__(self) -> str:
        return self.key

    @property
    def layout(self) -> tuple[Column, ...]:
        return tuple(Column.from_json(item) for item in self.columns)


class BatchEvent(models.Model):
    """One move of a batch: append only."""

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="events")
    before = models.CharField(max_length=16, blank=True)
    after = models.CharField(max_length=16)
    actor = models.CharField(max_length=150)
    reason = models.TextField(blank=True)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["pk"]

    def __str__(self) -> str:
        return f"{self.before} → {self.after}"
