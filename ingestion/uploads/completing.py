"""A client's last words on a batch: COMPLETE, after which it is promoted, or ABORT or FAIL, after which it is gone."""

from __future__ import annotations

from typing import Final

from django.db import transaction
from django.db.models.functions import Now

from ingestion import dispatch, lifecycle
from ingestion.access.caller import Caller
from ingestion.models import Batch, Piece
from ingestion.refusals import Refused, Why
from ingestion.states import BatchStatus
from ingestion.uploads.finding import actor_of, batches_of, named, not_now, the_batch, there
from ingestion.uploads.spooling import discard
from ingestion.uploads.statements import batch_to_complete

FAILED_BY_CLIENT: Final = {
    "code": "FAIL",  # our own
    "description": "Marked as failed by its client (action FAIL). Nothing of it was ingested.",
    "rows": [],
}


@transaction.atomic
def complete(caller: Caller, public_id: str) -> tuple[Batch, bool]:
    """Have a batch promoted; true when this call did. Said again, it changes nothing.

    Raises Refused: MISSING, INVALID without files or with one that has not arrived whole, STATE when it was given up.
    Answers the batch as it was before.
    """
    batch = there(batch_to_complete(caller, named(public_id)), public_id)
    if batch.completed_at is not None:
        return batch, False
    if not batch.self_promoting or batch.status != BatchStatus.LOADING:
        raise not_now(batch, "completed")
    if not batch.files_left:
        raise Refused(Why.INVALID, f"The batch {public_id} has no files. Upload one before completing it.")
    if (path := _unfinished(batch)) is not None:
        said = f"The large file “{path}” has not been completed: POST it with ?action=COMPLETE first."
        raise Refused(Why.INVALID, said)
    moved = lifecycle.complete(
        batch.pk, actor=actor_of(caller), completed_at=Now(), touched_at=Now(), updated_user=caller.user
    )
    dispatch.promote(batch.pk)
    return batch, moved


def _unfinished(batch: Batch) -> str | None:
    # A query that had to wait for the row gets the row as it is now, but its subqueries as of when the query began: an
    # upload that held the lock is then seen in `touched_at` and not in `unfinished`.
    if batch.touched_at == batch.touched_when_seen:  # type: ignore[attr-defined]
        return batch.unfinished  # type: ignore[attr-defined, no-any-return]
    return batch.files.filter(is_complete=False).values_list("path", flat=True).first()


def abort(caller: Caller, public_id: str) -> Batch:
    """Give a loading batch up; of one that was aborted, nothing more. Raises Refused: MISSING, STATE."""
    return _give_up(caller, public_id, BatchStatus.ABORTED, "aborted")


def fail(caller: Caller, public_id: str) -> Batch:
    """Mark a loading batch as failed; of one that has failed, nothing more. Raises Refused: MISSING, STATE."""
    return _give_up(caller, public_id, BatchStatus.FAILED, "marked as failed")


@transaction.atomic
def _give_up(caller: Caller, public_id: str, to: BatchStatus, wanted: str) -> Batch:
    batch = the_batch(batches_of(caller).select_for_update(no_key=True, of=("self",)), public_id)
    if not batch.self_promoting or batch.status not in (BatchStatus.LOADING, to):
        raise not_now(batch, wanted)
    if batch.status == BatchStatus.LOADING:
        _move(batch, to, actor=actor_of(caller), user=caller.user)
        _free(batch)
        batch.refresh_from_db()
    return batch


def _move(batch: Batch, to: BatchStatus, *, actor: str, user: str) -> None:
    if to == BatchStatus.ABORTED:
        lifecycle.abort_by_hand(batch.pk, actor=actor, reason="by its client")
        Batch.objects.filter(pk=batch.pk).update(updated_user=user)
    else:
        lifecycle.fail(batch.pk, actor=actor, reason="by its client", errors=[FAILED_BY_CLIENT], updated_user=user)


def _free(batch: Batch) -> None:
    """Give back the room that its files take: nobody will read them."""
    pieces = Piece.objects.filter(file__batch=batch)
    discard(*pieces.values_list("key", flat=True))
    pieces.delete()
