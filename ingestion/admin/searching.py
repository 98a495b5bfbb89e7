"""Finding batches by what a support person holds in hand: an id, the client's own id, a run, a dataset's name.

Ids are looked up through their indexes first; only where nothing has that id are names compared, and of datasets alone.
"""

from __future__ import annotations

from typing import Final

from django.db.models import Q, QuerySet

from ingestion.models import Batch, Dataset

ID_LENGTH: Final = 26
DATASETS_MATCHED: Final = 500
LONGEST: Final = 255


def by_id(text: str) -> list[int]:
    """The batches that are called exactly so, by us or by their client."""
    organisations = Dataset.objects.values_list("organisation", flat=True).distinct()
    wanted = Q(organisation__in=list(organisations), external_id=text)  # as the unique index has it
    if len(text) == ID_LENGTH and text.isalnum():
        wanted |= Q(public_id=text.upper())
    if text.isascii() and text.isdecimal() and len(text) < 19:
        wanted |= Q(pk=int(text))
    return list(Batch.objects.filter(wanted).values_list("pk", flat=True)[:ID_LENGTH])


def search(batches: QuerySet[Batch], text: str) -> QuerySet[Batch]:
    """Those of these batches that are meant by this text."""
    text = text.replace("\0", "").strip()[:LONGEST]
    if not text:
        return batches
    if text.startswith("run/"):
        return batches.filter(owner=text)
    if found := by_id(text):
        return batches.filter(pk__in=found)
    named = Dataset.objects.filter(Q(title__icontains=text) | Q(name__icontains=text) | Q(public_id=text.lower()))
    return batches.filter(dataset__in=list(named.values_list("pk", flat=True)[:DATASETS_MATCHED]))
