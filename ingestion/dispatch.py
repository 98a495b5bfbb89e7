"""Wake-ups for client batches, sent by actor name after commit. One that is lost is repeated by the monitor."""

import logging

import dramatiq
from django.db import transaction
from dramatiq.errors import BrokerConnectionError

log = logging.getLogger(__name__)


def promote(batch_id: int) -> None:
    """Have a completed batch taken up, once the surrounding transaction has committed."""
    _after_commit("promote_batch", "check", batch_id)


def check(file_id: int) -> None:
    """Have one file of a batch checked."""
    _after_commit("check_file", "check", file_id)


def publish(dataset_id: int) -> None:
    """Have a dataset's checked batches made live."""
    _after_commit("publish_dataset", "publish", dataset_id)


def _after_commit(actor: str, queue: str, subject: int) -> None:
    def wake() -> None:
        send(actor, queue, subject)

    transaction.on_commit(wake, robust=True)


def send(actor: str, queue: str, subject: int) -> bool:
    """Send the wake-up now; false when the broker could not be reached (the monitor repeats it)."""
    message: dramatiq.Message[None] = dramatiq.Message(
        queue_name=queue, actor_name=actor, args=(subject,), kwargs={}, options={}
    )
    try:
        dramatiq.get_broker().enqueue(message)
    except (BrokerConnectionError, OSError) as error:
        log.warning("%s %s not woken, the monitor will: %s", actor, subject, type(error).__name__)
        return False
    return True
