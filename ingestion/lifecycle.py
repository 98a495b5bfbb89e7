"""The only writer of a batch's status: compare-and-set moves along `states.MOVES`, each with a row of history."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from ingestion.models import Batch, BatchEvent
from ingestion.states import INITIAL, BatchStatus, sources_of

FINISHED = frozenset({BatchStatus.SUCCESS, BatchStatus.FAILED, BatchStatus.ABORTED, BatchStatus.ABANDONED})


def move(
    batch_id: int,
    to: BatchStatus,
    *,
    actor: str,
    reason: str = "",
    only_from: frozenset[BatchStatus] | None = None,
    **facts: Any,
) -> bool:
    """Move a batch on; true when this call moved it. `facts` are columns written with the move; `only_from` narrows
    the statuses that the move may start from.

    Repeating a move that has happened changes nothing and answers false.
    """
    return bool(move_all([batch_id], to, actor=actor, reason=reason, only_from=only_from, **facts))


def move_all(
    batches: Sequence[int],
    to: BatchStatus,
    *,
    actor: str,
    reason: str = "",
    only_from: frozenset[BatchStatus] | None = None,
    **facts: Any,
) -> list[int]:
    """Move several batches on in one transaction; answers those that moved, in the order of their numbers."""
    allowed = sources_of(to) & (only_from if only_from is not None else frozenset(BatchStatus))
    if to in FINISHED:
        facts.setdefault("finished_at", Now())
    facts |= {"status": to, "updated_at": Now(), "version": F("version") + 1}
    with transaction.atomic(savepoint=False):
        before = _moved(batches, allowed, facts)
        BatchEvent.objects.bulk_create(
            BatchEvent(batch_id=pk, before=old, after=to, actor=actor, reason=reason) for pk, old in before.items()
        )
    return list(before)


def _moved(batches: Sequence[int], allowed: frozenset[BatchStatus], facts: dict[str, Any]) -> dict[int, str]:
    """Those that this call moved, each with the status that it had."""
    if len(batches) == len(allowed) == 1:  # then one statement tells
        moved = Batch.objects.filter(pk=batches[0], status__in=allowed).update(**facts)
        return {batches[0]: str(next(iter(allowed)))} if moved else {}
    before = dict(
        Batch.objects.select_for_update(no_key=True)
        .filter(pk__in=batches, status__in=allowed)
        .order_by("pk")
        .values_list("pk", "status")
    )
    if before:
        Batch.objects.filter(pk__in=before).update(**facts)
    return before


def opened(batch: Batch, *, actor: str) -> None:
    """The first line of a batch's history. Call in the transaction that makes it."""
    BatchEvent.objects.create(batch=batch, after=INITIAL, actor=actor)


def complete(batch_id: int, *, actor: str, **facts: Any) -> bool:
    """loading → loaded: nothing more will be written."""
    return move(batch_id, BatchStatus.LOADED, actor=actor, **facts)


def start_staging(batch_id: int, *, actor: str, reason: str = "", **facts: Any) -> bool:
    """loaded, retrying or stalled → staging."""
    return move(batch_id, BatchStatus.STAGING, actor=actor, reason=reason, **facts)


def succeed(batch_id: int, *, actor: str, **counts: Any) -> bool:
    """staging → success: its data is live, as the ledger says."""
    return move(batch_id, BatchStatus.SUCCESS, actor=actor, **counts)


def fail(batch_id: int, *, actor: str, reason: str, **facts: Any) -> bool:
    """Any open status but loaded → failed: its data or its configuration is bad, and nothing of it is live."""
    return move(batch_id, BatchStatus.FAILED, actor=actor, reason=reason, **facts)


def retry_later(batches: Sequence[int], *, actor: str, reason: str, **facts: Any) -> list[int]:
    """staging → retrying: transient trouble; the monitor goes on at `not_before`."""
    return move_all(batches, BatchStatus.RETRYING, actor=actor, reason=reason, **facts)


def stall(batches: Sequence[int], *, actor: str, reason: str) -> list[int]:
    """retrying → stalled: its retries are used up."""
    return move_all(batches, BatchStatus.STALLED, actor=actor, reason=reason)


def abort(batches: Iterable[int], *, actor: str, reason: str) -> int:
    """Give up the open ones of these batches, on their run's word; answers how many moved."""
    return len(move_all(list(batches), BatchStatus.ABORTED, actor=actor, reason=reason))


def abort_by_hand(batch_id: int, *, actor: str, reason: str, by_support: bool = False) -> bool:
    """Abort a client's batch: its client while loading, support also when stalled."""
    given_up = {BatchStatus.LOADING, BatchStatus.STALLED} if by_support else {BatchStatus.LOADING}
    return move(batch_id, BatchStatus.ABORTED, actor=actor, reason=reason, only_from=frozenset(given_up))


def abandon(batch_id: int, *, actor: str, reason: str) -> bool:
    """loading → abandoned: its client was silent too long."""
    return move(batch_id, BatchStatus.ABANDONED, actor=actor, reason=reason)


def deactivate(batches: Sequence[int], *, actor: str, reason: str, **facts: Any) -> list[int]:
    """success → inactive: reverted, expired or replaced. The rows are out of view already, as the ledger says."""
    return move_all(batches, BatchStatus.INACTIVE, actor=actor, reason=reason, **facts)


def put_away(batch_id: int, to: BatchStatus, *, actor: str, reason: str, **facts: Any) -> bool:
    """inactive → retained → archived → deleted, by housekeeping: the data has been moved or removed already."""
    return move(batch_id, to, actor=actor, reason=reason, **facts)
