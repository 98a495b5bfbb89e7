"""The janitor: drops temporary tables that no load will publish, old generations, and staged files past their time.

What is live, what a retry may still reuse and the ledger are never touched. Every step may be repeated.
"""

from collections.abc import Iterable
from datetime import timedelta

from django.conf import settings
from django.db.models import Exists, OuterRef
from django.db.models.functions import Now

from ingestion.models import Batch, Diagnostic, Discarded, Part, Piece
from ingestion.rooms import store, warehouse
from ingestion.states import OPEN, BatchStatus

AT_ONCE = 500


def drop_temporary_tables() -> int:
    """Temporary tables of batches that were given up; answers how many."""
    given_up = Batch.objects.filter(status__in=(BatchStatus.ABORTED, BatchStatus.FAILED)).exclude(temporary=None)
    still_used = Batch.objects.filter(load=OuterRef("load"), status__in=OPEN)
    loads = set(given_up.filter(~Exists(still_used)).values_list("load", flat=True)[:AT_ONCE])
    dropped = sum(warehouse().discard(load) for load in loads)
    Batch.objects.filter(load__in=loads, status__in=(BatchStatus.ABORTED, BatchStatus.FAILED)).update(temporary=None)
    return dropped


def drop_old_generations() -> int:
    return warehouse().tidy(keep_generations=settings.KEEP_GENERATIONS)


def delete_staged_files() -> int:
    """Staged files of batches that ended longer ago than the setting allows; answers how many objects went.

    An object that a newer batch has adopted stays. The row goes last, so that a crash leaves nothing unlisted.
    """
    old = Now() - timedelta(days=settings.KEEP_STAGED_DAYS)
    past = Part.objects.filter(batch__finished_at__lt=old)
    adopted = Part.objects.filter(key=OuterRef("key")).exclude(batch__finished_at__lt=old)
    return _delete(past.filter(~Exists(adopted)).order_by("pk")[:AT_ONCE])


def delete_manifests() -> int:
    """The lists of staged files, once the files that they list are past their time."""
    old = Now() - timedelta(days=settings.KEEP_STAGED_DAYS)
    past = Batch.objects.filter(finished_at__lt=old, parts=None).exclude(manifest_key="").order_by("pk")
    keys = dict(past.values_list("pk", "manifest_key")[:AT_ONCE])
    used = set(
        Batch.objects.exclude(pk__in=keys).filter(manifest_key__in=keys.values()).values_list("manifest_key", flat=True)
    )
    store().delete_many(sorted({key for key in keys.values() if key not in used}))
    Batch.objects.filter(pk__in=keys).update(manifest_key="")
    return len(keys)


def delete_uploads() -> int:
    """What clients uploaded into batches that ended longer ago than the setting allows; the rows that named the files
    stay, so that a batch still tells what was in it."""
    old = Now() - timedelta(days=settings.KEEP_STAGED_DAYS)
    return _delete(Piece.objects.filter(file__batch__finished_at__lt=old).order_by("pk")[:AT_ONCE])


def delete_diagnostics() -> int:
    old = Now() - timedelta(days=settings.KEEP_DIAGNOSTICS_DAYS)
    return _delete(Diagnostic.objects.filter(created_at__lt=old).order_by("pk")[:AT_ONCE])


def delete_discarded() -> int:
    """Objects that nothing lists any more. An hour's grace is for whoever is still reading one."""
    old = Now() - timedelta(hours=1)
    return _delete(Discarded.objects.filter(at__lt=old).order_by("pk")[:AT_ONCE])


def _delete(rows: Iterable[Part | Piece | Diagnostic | Discarded]) -> int:
    found = list(rows)
    store().delete_many([row.key for row in found])
    for row in found:
        row.delete()
    return len(found)
