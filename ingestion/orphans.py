"""Objects of the staging store that no row names: what a worker had written when it died. Found by a slow look over the
whole store, and deleted once they are so old that nobody can still be about to name them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from time import monotonic
from typing import Any, Final

from django.conf import settings
from django.db import connection
from django.utils import timezone

from ingestion.models import Batch, Diagnostic, Discarded, Part, Piece
from ingestion.rooms import archive, cold, store
from ingestion.staging.base import StagingError, StagingStore, StoredObject

log = logging.getLogger(__name__)
LEAST: Final = timedelta(hours=1)  # whatever the setting says: between a write and its row lie minutes at most
LOOKED_AT_ONCE: Final = 5_000
ASKED_AT_ONCE: Final = 1_000
REST_SECONDS: Final = 6 * 3600  # between the end of one look and the next
SUSPICIOUS: Final = 200  # so many at once, and most of what was looked at, are no litter
NAMING: Final = ((Part, "key"), (Piece, "key"), (Diagnostic, "key"), (Discarded, "key"), (Batch, "manifest_key"))


class TooManyOrphans(StagingError):
    """Most objects are named by no row: rather the wrong bucket or database than litter."""


@dataclass
class Look:
    """Where this process's look over the store is; it goes on from one tidying to the next."""

    left: Iterator[StoredObject] | None = None
    ended: float | None = None

    def some(self, opened: StagingStore) -> list[StoredObject]:
        if self.left is None:
            if self.ended is not None and monotonic() - self.ended < REST_SECONDS:
                return []
            self.left = iter(opened.list(""))
        try:
            found = list(islice(self.left, LOOKED_AT_ONCE))
        except Exception:  # whatever it is: a listing that has broken off cannot go on
            self.left = None
            raise
        if len(found) < LOOKED_AT_ONCE:
            self.left, self.ended = None, monotonic()
        return found


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a whole look found."""

    looked_at: int = 0
    orphans: tuple[StoredObject, ...] = ()
    unfinished: int = 0
    deleted: bool = False

    @property
    def size(self) -> int:
        return sum(item.size for item in self.orphans)


@dataclass
class _Looks:
    by_address: dict[str, Look] = field(default_factory=dict)

    def of(self, address: str) -> Look:
        return self.by_address.setdefault(address, Look())


_looks = _Looks()


def delete_orphans() -> int:
    """Look at the next few thousand objects; delete those that are old and that no row names. Answers how many.

    Raises TooManyOrphans without deleting any when that would be most of them.
    """
    opened = store()
    orphans = _delete_some(opened, _looks.of(settings.STAGING_URL).some(opened), before=oldest_needed())
    return len(orphans)


def drop_unfinished() -> int:
    """Free the pieces of large uploads that nobody ended."""
    return store().drop_unfinished(before=oldest_needed())


def look(*, hours: float | None = None, delete: bool = False, many: bool = False) -> Found:
    """A whole look by hand. `many`: delete even when most objects are named by no row."""
    opened, before = store(), oldest_needed(hours)
    rest, count, orphans = iter(opened.list("")), 0, []
    while some := list(islice(rest, LOOKED_AT_ONCE)):
        count += len(some)
        orphans += (
            _delete_some(opened, some, before=before, many=many) if delete else list(unnamed(some, before=before))
        )
    unfinished = opened.drop_unfinished(before=before, dry_run=not delete)
    return Found(looked_at=count, orphans=tuple(orphans), unfinished=unfinished, deleted=delete)


def unnamed(objects: Iterable[StoredObject], *, before: datetime) -> Iterator[StoredObject]:
    """Those written before then that no row names."""
    old = (item for item in objects if item.written_at is not None and item.written_at < before)
    sheltered = tuple(_kept_inside())
    waiting = (item for item in old if not store().uri(item.key).startswith(sheltered))
    while some := list(islice(waiting, ASKED_AT_ONCE)):
        named = _named([item.key for item in some])
        yield from (item for item in some if item.key not in named)


def oldest_needed(hours: float | None = None) -> datetime:
    """Objects written after this are left alone. Of two clocks the one that is behind counts."""
    setting = hours if hours is not None else settings.ORPHAN_HOURS
    return min(timezone.now(), _database_time()) - max(timedelta(hours=setting), LEAST)


def _delete_some(
    opened: StagingStore, objects: list[StoredObject], *, before: datetime, many: bool = False
) -> list[StoredObject]:
    orphans = list(unnamed(objects, before=before))
    if len(orphans) > SUSPICIOUS and len(orphans) * 2 > len(objects) and not many:
        raise TooManyOrphans(
            f"{len(orphans):,} of {len(objects):,} staged objects are named by no row, too many for what dead workers "
            f"leave (the first is {orphans[0].key}). None was deleted.",
            advice="Check that STAGING_URL belongs to this database alone, and that the database is not an older copy. "
            "If both are so, run: manage.py orphans --delete --many",
        )
    if orphans:
        opened.delete_many([item.key for item in orphans])
        log.warning("deleted %s staged objects that no row names, the first: %s", len(orphans), orphans[0].key)
    return orphans


def _named(keys: list[str]) -> set[str]:
    named: set[str] = set()
    for model, column in NAMING:
        manager: Any = model._default_manager
        named.update(manager.order_by().filter(**{f"{column}__in": keys}).values_list(column, flat=True))
    return named


def _kept_inside() -> Iterator[str]:
    """Addresses of archives that lie inside the staging store: what is in them is no litter of staging. An archive that
    is the staging store itself shelters all of it."""
    for other in (archive(), cold()):
        yield other.uri("x").removesuffix("x")


def _database_time() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT CURRENT_TIMESTAMP")
        told = cursor.fetchone()[0]
    return told if isinstance(told, datetime) else datetime.fromisoformat(told).replace(tzinfo=UTC)
