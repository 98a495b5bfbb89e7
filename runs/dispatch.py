"""Wake-ups: "look at task 17", sent by actor name after commit. Losing one costs latency only; the sweep repeats it."""

import dramatiq
from django.db import transaction

from ingestion.dispatch import enqueue
from runs.states import TaskKind

ROUTES: dict[TaskKind, tuple[str, str]] = {  # kind → actor, queue
    TaskKind.EXTRACTION: ("extract", "extract"),
    TaskKind.METADATA: ("consolidate", "consolidate"),
    TaskKind.CONSOLIDATION: ("consolidate", "consolidate"),
    TaskKind.INGESTION: ("load", "load"),
    TaskKind.COMPLETION: ("load", "load"),
}


def wake(task_id: int, kind: str) -> None:
    """Send the wake-up once the surrounding transaction has committed."""

    def tell() -> None:
        send(task_id, kind)

    transaction.on_commit(tell, robust=True)


def send(task_id: int, kind: str) -> bool:
    """Send the wake-up now; false when the broker could not be reached (the sweeper repeats it)."""
    actor, queue = ROUTES[TaskKind(kind)]
    message: dramatiq.Message[None] = dramatiq.Message(
        queue_name=queue, actor_name=actor, args=(task_id,), kwargs={}, options={}
    )
    return enqueue(message, about=f"task {task_id}")


def wake_step(step_id: int) -> None:
    """The same for a step after a data load."""

    def tell() -> None:
        send_step(step_id)

    transaction.on_commit(tell, robust=True)


def send_step(step_id: int) -> bool:
    """Send the wake-up of a step now; false when the broker could not be reached."""
    message: dramatiq.Message[None] = dramatiq.Message(
        queue_name="consolidate", actor_name="tell", args=(step_id,), kwargs={}, options={}
    )
    return enqueue(message, about=f"step {step_id}")
