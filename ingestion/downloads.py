"""Addresses under which people download what is staged. Behind each, the right to see somebody's values is asked for;
then the store gives out a link of its own, or the bytes come through us."""

from __future__ import annotations

from django.urls import reverse

from ingestion.models import BatchFile, Part


def download_url(part: Part) -> str:
    """A staged part, as it was written for the warehouse."""
    return reverse("admin:ingestion_batch_part", args=[part.pk])


def upload_url(file: BatchFile) -> str:
    """A file as its client uploaded it."""
    return reverse("admin:ingestion_batch_file", args=[file.pk])
