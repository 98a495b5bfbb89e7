"""Data loads: that data has been brought in and can be used."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now

from ingestion.models import Batch
from runs.models.choices import choices_of
from runs.models.runs import Run
from runs.states import LOAD_WORDS, LoadStatus


class DataLoad(models.Model):
    """That data has been brought in and can be used. Exists only for a run that completed, or a promoted batch."""

    run = models.OneToOneField(Run, null=True, on_delete=models.CASCADE, related_name="data_load")
    batch = models.OneToOneField(Batch, null=True, on_delete=models.CASCADE, related_name="data_load")
    status = models.CharField(max_length=10, choices=choices_of(LOAD_WORDS), default=LoadStatus.RUNNING)
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
