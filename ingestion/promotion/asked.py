"""A step of housekeeping that a person wants before its time: noted on the batch, and taken by a worker, since moving
many rows takes minutes. The note stays until the step is done; what was not done is tried again by housekeeping.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from django.db import transaction
from django.utils import timezone

from ingestion import dispatch
from ingestion.errors import IngestionError
from ingestion.models import Batch
from ingestion.promotion import archive
from ingestion.promotion.archive import ASKED
from ingestion.promotion.leases import publisher_soon
from ingestion.states import BatchStatus as S

log = logging.getLogger(__name__)
AT_ONCE: Final = 500
STEPS: Final[dict[S, tuple[frozenset[S], Callable[..., bool]]]] = {  # to which status: from which, by what
    S.RETAINED: (frozenset({S.INACTIVE}), archive.retain),
    S.ARCHIVED: (frozenset({S.RETAINED}), archive.freeze),
    S.DELETED: (frozenset({S.INACTIVE, S.RETAINED, S.ARCHIVED}), archive.remove),
}


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is wanted. `trouble` says why it could not be done so far; empty where it was not tried yet."""

    to: str
    by: str
    why: str
    at: str
    trouble: str = ""


def asked_of(batch: Batch) -> Asked | None:
    told: dict[str, Any] | None = batch.archive.get(ASKED)
    return Asked(**told) if told else None


def is_under_way(batch: Batch) -> bool:
    asked = asked_of(batch)
    return asked is not None and not asked.trouble


@transaction.atomic
def ask(batch_id: int, to: S, *, actor: str, why: str) -> bool:
    """Have a worker move the batch on to `to`; true when this call asked for it. While a step is under way nothing else
    can be asked for; one that met trouble can be asked for again, or another in its place."""
    batch = Batch.objects.select_for_update(no_key=True).get(pk=batch_id)
    if batch.status not in STEPS[to][0] or is_under_way(batch):
        return False
    _note(batch, Asked(to=to, by=actor, why=why, at=timezone.now().isoformat()))
    dispatch.put_away(batch_id)
    return True


def carry_out(batch_id: int) -> bool:
    """Take the step that was asked for; true when this call did. Repeating it changes nothing. Trouble is noted, for
    whoever looks at the batch."""
    batch = Batch.objects.filter(pk=batch_id).first()
    if batch is None or asked_of(batch) is None:
        return False
    try:
        with publisher_soon(batch.dataset_id):
            return _taken(batch_id)
    except (IngestionError, OSError) as error:
        log.warning("batch %s cannot be put away yet: %s", batch.public_id, error)
        _note_trouble(batch_id, error)
        return False


def wake() -> int:
    """Send again what was asked for and is not done: a wake-up was lost, or there was trouble."""
    waiting = Batch.objects.filter(status__in=STEPS[S.DELETED][0], archive__has_key=ASKED).order_by("pk")
    return sum(
        dispatch.send("put_away_batch", "publish", pk) for pk in list(waiting.values_list("pk", flat=True)[:AT_ONCE])
    )


def _taken(batch_id: int) -> bool:
    batch = Batch.objects.get(pk=batch_id)
    asked = asked_of(batch)
    if asked is None:
        return False
    sources, step = STEPS[S(asked.to)]
    if batch.status in sources:
        return step(batch, actor=asked.by, why=asked.why)
    _note(batch, None)  # somebody else moved it on
    return False


def _note(batch: Batch, asked: Asked | None) -> None:
    told = {ASKED: vars(asked)} if asked else {}
    Batch.objects.filter(pk=batch.pk).update(archive={**archive.kept_of(batch), **told})


@transaction.atomic
def _note_trouble(batch_id: int, error: Exception) -> None:
    batch = Batch.objects.select_for_update(no_key=True).get(pk=batch_id)
    if asked := asked_of(batch):
        _note(batch, Asked(**{**vars(asked), "trouble": _words(error)}))


def _words(error: Exception) -> str:
    if isinstance(error, IngestionError):
        return f"{error.message} {error.advice}".strip()
    return f"A file could not be read or written ({type(error).__name__}): look at the disk of the workers."
