"""The Dramatiq actors: one call each, on queues of their own. Time limits and retries are ours, never the broker's."""

from typing import Any

import dramatiq

from runs import messenger
from runs.perform import perform

OURS: dict[str, Any] = {"max_retries": 0, "time_limit": float("inf")}


@dramatiq.actor(queue_name="extract", **OURS)
def extract(task_id: int) -> None:
    perform(task_id)


@dramatiq.actor(queue_name="consolidate", **OURS)
def consolidate(task_id: int) -> None:
    perform(task_id)


@dramatiq.actor(queue_name="load", **OURS)
def load(task_id: int) -> None:
    perform(task_id)


@dramatiq.actor(queue_name="consolidate", **OURS)
def tell(step_id: int) -> None:
    messenger.tell(step_id)
