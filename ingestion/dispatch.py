"""Wake-ups for client batches, sent by actor name after commit. One that is lost is repeated by the monitor."""

import logging
from dataclasses import dataclass
from time import monotonic
from typing import Final

import dramatiq
from django.db import transaction
from dramatiq.errors import BrokerConnectionError
from redis.exceptions import RedisError  # some of its errors reach us as they are: too slow, too full

log = logging.getLogger(__name__)
AWAY_SECONDS: Final = 2.0


@dataclass
class _Away:
    until: float = 0.0  # on the monotonic clock of this process


_away = _Away()


def promote(batch_id: int) -> None:
    """Have a completed batch taken up, once the surrounding transaction has committed."""
    _after_commit("promote_batch", "check", batch_id)


def check(file_id: int) -> None:
    """Have one file of a batch checked."""
    _after_commit("check_file", "check", file_id)


def publish(dataset_id: int) -> None:
    """Have a dataset's checked batches made live."""
    _after_commit("publish_dataset", "publish", dataset_id)


def put_away(batch_id: int) -> None:
    """Have a step of housekeeping taken that a person asked for."""
    _after_commit("put_away_batch", "publish", batch_id)


def _after_commit(actor: str, queue: str, subject: int) -> None:
    def wake() -> None:
        send(actor, queue, subject)

    transaction.on_commit(wake, robust=True)


def send(actor: str, queue: str, subject: int) -> bool:
    """Send the wake-up now; false when the broker could not be reached (the monitor repeats it)."""
    message: dramatiq.Message[None] = dramatiq.Message(
        queue_name=queue, actor_name=actor, args=(subject,), kwargs={}, options={}
    )
    return enqueue(message, about=f"{actor} {subject}")


def enqueue(message: dramatiq.Message[None], *, about: str) -> bool:
    """Hand a message to the broker; false when it is away, frozen or full.

    A broker that has just let us wait is not asked again for a moment: a request that has ten wake-ups to send waits
    once. Whoever sweeps repeats what was not sent.
    """
    if monotonic() < _away.until:
        return False
    try:
        dramatiq.get_broker().enqueue(message)
    except (BrokerConnectionError, RedisError, OSError) as error:
        _away.until = monotonic() + AWAY_SECONDS
        log.warning("%s not woken, the sweep will: %s", about, type(error).__name__)
        return False
    return True
