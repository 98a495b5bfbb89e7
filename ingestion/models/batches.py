"""Batches: whatever lands in the warehouse lands as one. Their staged parts and their history."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from ulid import ULID

from ingestion.blueprint.columns import Blueprint, Column
from ingestion.models.datasets import Dataset, Load
from ingestion.states import OPEN, BatchStatus
from ingestion.warehouse.base import Mode, Span, Staged

PARTS_PER_BATCH = 100_000_000  # part numbers of a client's batch: from its number times this


def new_batch_id() -> str:
    """26 characters that sort by time, as clients know them."""
    return str(ULID())


class BatchQuerySet(models.QuerySet["Batch"]):
    def open(self) -> BatchQuerySet:
        return self.filter(status__in=OPEN)

    def of(self, organisation: str, sandbox: str) -> BatchQuerySet:
        """Those that a caller of this organisation and sandbox may see."""
        return self.filter(organisation=organisation, sandbox=sandbox)


class Batch(models.Model):
    """A unit of data for one dataset: its files, observed columns, counts and status."""

    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="batches")
    load = models.ForeignKey(Load, null=True, on_delete=models.PROTECT, related_name="batches")
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
    # what clients see
    public_id = models.CharField(max_length=26, unique=True, default=new_batch_id, editable=False)
    organisation = models.CharField(max_length=64, default="default")
    sandbox = models.CharField(max_length=64, default="prod")
    external_id = models.CharField(max_length=255, null=True)  # noqa: DJ001 - none for a run's batch
    input_format = models.JSONField(default=dict)  # {"format": "json", "isMultiLineJson": false, …}
    diagnostics = models.BooleanField(default=False)
    error_percent = models.FloatField(null=True)  # bad rows tolerated; none: not one
    replay = models.JSONField(default=dict)  # {"predecessors": [batch ids], "reason": …}
    tags = models.JSONField(default=dict)
    errors = models.JSONField(default=list)  # [{"code", "description", "rows", "recordCount"?}]
    created_client = models.CharField(max_length=255, blank=True)
    created_user = models.CharField(max_length=255, blank=True)
    updated_user = models.CharField(max_length=255, blank=True)
    updated_at = models.DateTimeField(auto_now=True)
    version = models.PositiveIntegerField(default=0)  # on the wire 1.0.<version>
    started_at = models.DateTimeField(null=True)  # staging began
    completed_at = models.DateTimeField(null=True)  # the client said COMPLETE
    touched_at = models.DateTimeField(null=True)  # the client's last write while loading
    successor = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="predecessors")
    # counts of a client's batch
    input_size = models.BigIntegerField(default=0)  # bytes uploaded
    output_size = models.BigIntegerField(default=0)  # bytes staged
    # promotion: files are checked one by one, then the batch is published
    files_left = models.IntegerField(default=0)  # files not yet checked
    failures = models.PositiveIntegerField(default=0)
    not_before = models.DateTimeField(null=True)
    woken_at = models.DateTimeField(null=True)
    alone = models.BooleanField(default=False)  # publish it in a load of its own
    # after its time
    archive = models.JSONField(default=dict)  # {"key", "rows", "size", "sha256", "at"}

    objects = BatchQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-pk"]
        verbose_name_plural = "batches"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["dataset", "owner"], name="one_batch_per_dataset_and_owner"),
            models.UniqueConstraint(fields=["organisation", "external_id"], name="one_batch_per_external_id"),
            models.CheckConstraint(
                condition=models.Q(status__in=[s.value for s in BatchStatus]), name="batch_status_is_known"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["organisation", "sandbox", "-id"], name="batches_of_a_sandbox"),
            models.Index(fields=["organisation", "sandbox", "-created_at", "-id"], name="batches_by_time"),
            models.Index(fields=["dataset", "-id"], name="batches_of_a_dataset"),
            models.Index(fields=["dataset", "status", "-id"], name="batches_by_status"),
            models.Index(fields=["-finished_at"], name="batches_by_end"),
            models.Index(
                fields=["status", "not_before"],
                condition=models.Q(self_promoting=True, status__in=[s.value for s in sorted(OPEN)]),
                name="open_client_batches",
            ),
        ]

    def __str__(self) -> str:
        return self.public_id if self.self_promoting else f"{self.dataset} of {self.owner}"

    @property
    def agreed(self) -> Blueprint:
        return Blueprint.from_json(self.blueprint or [])

    @property
    def staged(self) -> Staged | None:
        return Staged(**self.temporary) if self.temporary else None

    @property
    def first_part(self) -> int:
        """The first of the part numbers that are this client batch's own."""
        return self.pk * PARTS_PER_BATCH

    @property
    def span(self) -> Span:
        """Which live rows are this client batch's. Only for one that was published."""
        assert self.load_id is not None
        last = self.first_part + PARTS_PER_BATCH - 1
        return Span(batch=self.pk, load_id=self.load_id, first=self.first_part, last=last)

    @property
    def format(self) -> str:
        return str(self.input_format.get("format", ""))

    @property
    def is_legacy(self) -> bool:
        """CSV: promoted after preliminary checks only, and without metrics."""
        return self.format == "csv"


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
        indexes: ClassVar = [models.Index(fields=["key"], name="part_by_key")]

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
