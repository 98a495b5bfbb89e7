"""What clients upload: files in pieces, what checking them found, and which requests were answered already."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from ingestion.models.batches import Batch

PARTS_PER_FILE = 10_000


class BatchFile(models.Model):
    """One file of a client's batch, named by the client. Its bytes are its pieces, one after the other.

    `path` is a name and nothing else: the store's keys are of our own making.
    """

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="files")
    path = models.CharField(max_length=2000)
    ordinal = models.PositiveIntegerField()  # within the batch, from 0
    is_large = models.BooleanField(default=False)  # begun by INITIALIZE
    is_complete = models.BooleanField(default=False)
    total = models.BigIntegerField(null=True)  # as a Content-Range said
    size = models.BigIntegerField(default=0)
    sha256 = models.CharField(max_length=64, blank=True)  # of a file in one piece
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    # checking it: claimed like a task
    attempt = models.PositiveIntegerField(default=0)
    worker = models.CharField(max_length=150, blank=True)
    lease_until = models.DateTimeField(null=True)
    woken_at = models.DateTimeField(null=True)
    checked_at = models.DateTimeField(null=True)
    read_count = models.BigIntegerField(default=0)
    bad_count = models.BigIntegerField(default=0)
    errors = models.JSONField(default=list)  # RowError as dictionaries
    problem = models.JSONField(null=True)  # FileProblem as a dictionary

    class Meta:
        ordering: ClassVar = ["ordinal"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["batch", "path"], name="one_file_per_path"),
            models.UniqueConstraint(fields=["batch", "ordinal"], name="one_file_per_ordinal"),
        ]

    def __str__(self) -> str:
        return self.path

    @property
    def first_part(self) -> int:
        return self.batch.first_part + self.ordinal * PARTS_PER_FILE


class Piece(models.Model):
    """A range of a file's bytes in the store: one for a small file, one for each chunk of a large one.

    `last` is the position of its last byte. The same range sent again replaces the piece.
    """

    file = models.ForeignKey(BatchFile, on_delete=models.CASCADE, related_name="pieces")
    first = models.BigIntegerField()
    last = models.BigIntegerField()
    key = models.CharField(max_length=400)
    sha256 = models.CharField(max_length=64)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["first", "last"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["file", "first", "last"], name="one_piece_per_range")]
        indexes: ClassVar = [models.Index(fields=["key"], name="piece_by_key")]  # the janitor asks who names an object

    def __str__(self) -> str:
        return f"bytes {self.first}-{self.last}"


class Diagnostic(models.Model):
    """A file that checking wrote for the client: bad rows with their errors, as JSON lines."""

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="diagnostics_files")
    file = models.ForeignKey(BatchFile, on_delete=models.CASCADE, related_name="diagnostics_files")
    kind = models.CharField(max_length=16)  # parsing | conversion | validation | sample
    key = models.CharField(max_length=400)
    rows = models.BigIntegerField()
    size = models.BigIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["pk"]
        indexes: ClassVar = [models.Index(fields=["key"], name="diagnostic_by_key")]

    def __str__(self) -> str:
        return f"{self.kind} errors of {self.file}"


class Discarded(models.Model):
    """An object that nothing lists any more (a replaced piece, a file of an ended batch): the janitor deletes it."""

    key = models.CharField(max_length=400)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "discarded objects"

    def __str__(self) -> str:
        return self.key


class AnsweredRequest(models.Model):
    """The first answer to a request with an Idempotency-Key, given again when it is repeated."""

    organisation = models.CharField(max_length=64)
    sandbox = models.CharField(max_length=64)
    dataset_id = models.CharField(max_length=64)
    key = models.CharField(max_length=255)
    digest = models.CharField(max_length=64)
    status = models.PositiveIntegerField(null=True)  # none: the first one is still being answered
    body = models.JSONField(null=True)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["organisation", "sandbox", "dataset_id", "key"], name="one_answer_per_key")
        ]

    def __str__(self) -> str:
        return self.key
