"""Who may publish a load: the fence. It rises with every attempt, and a publish that finds it higher never commits.

A publish holds the fence's rows from its check to its commit, so that whoever raises the fence waits for just that, and
afterwards reads from the ledger which of the two came first. No lock of a dataset is needed to raise it.
"""

from collections.abc import Sequence
from typing import Final

from ingestion.warehouse import books
from ingestion.warehouse.base import Published, PublishRequest, StaleToken
from ingestion.warehouse.books import Session
from ingestion.warehouse.engine import Engine, S
from ingestion.warehouse.sql import Dialect, book

WHOLE_LOAD: Final = 0  # no dataset has this number: the fence of a load that has no tables


def advance(session: Session, dialect: Dialect, request: PublishRequest) -> None:
    """Shut out every older attempt at publishing this load. Raises StaleToken when we are the older one."""
    for dataset in _fenced(request):
        if not _raise(session, dialect, dataset, request.load_id, request.token):
            raise _stale(request)


def check(session: Session, request: PublishRequest) -> None:
    """Inside the publish: is the fence still ours? From here to the commit nobody else can raise it."""
    for dataset in _fenced(request):
        held = session.run(
            f"UPDATE {book('_fence')} SET token = token WHERE dataset = ? AND load_id = ? AND token = ?",
            (dataset, request.load_id, request.token),
        )
        if not held:
            raise _stale(request)


def give_up(engine: Engine[S], load: int, *, token: int, datasets: Sequence[int]) -> Published | None:
    """See `base.Warehouse.give_up`."""
    with engine.session("giving up a publish") as session, engine.transaction(session):
        engine.wait_briefly(session)
        for dataset in sorted({WHOLE_LOAD, *datasets}):
            _raise(session, engine.dialect, dataset, load, token + 1)  # if it is higher already, all the better
        return books.published(session, load)


def _fenced(request: PublishRequest) -> list[int]:
    """Always in the same order, so that nobody waits for another in a circle."""
    return sorted(change.target.dataset for change in request.tables) or [WHOLE_LOAD]


def _raise(session: Session, dialect: Dialect, dataset: int, load: int, token: int) -> bool:
    """False when the fence is higher than this."""
    place = (dataset, load)
    missing = f"NOT EXISTS (SELECT 1 FROM {book('_fence')} WHERE dataset = ? AND load_id = ?)"
    insert = f"INSERT INTO {book('_fence')} (token, dataset, load_id) SELECT {token:d}, {dataset:d}, {load:d}"
    if session.run(f"{insert} WHERE {missing} {dialect.unless_there}", place):
        return True
    raised = f"UPDATE {book('_fence')} SET token = ? WHERE dataset = ? AND load_id = ? AND token <= ?"
    return bool(session.run(raised, (token, *place, token)))


def _stale(request: PublishRequest) -> StaleToken:
    return StaleToken(
        f"Publishing load {request.load_id} was given up: a newer attempt of the same load has taken over, or the load "
        "was cancelled.",
        detail=f"token {request.token}",
    )
