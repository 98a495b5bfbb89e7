"""The Dramatiq actors of client batches: one call each. Time limits and retries are ours, never the broker's."""

from typing import Any

import dramatiq

from ingestion.promotion import asked, files, publishing, taking_up

OURS: dict[str, Any] = {"max_retries": 0, "time_limit": float("inf")}


@dramatiq.actor(queue_name="check", **OURS)
def promote_batch(batch_id: int) -> None:
    taking_up.take_up(batch_id)


@dramatiq.actor(queue_name="check", **OURS)
def check_file(file_id: int) -> None:
    files.check_file(file_id)


@dramatiq.actor(queue_name="publish", **OURS)
def publish_dataset(dataset_id: int) -> None:
    publishing.publish_ready(dataset_id)


@dramatiq.actor(queue_name="publish", **OURS)
def put_away_batch(batch_id: int) -> None:
    asked.carry_out(batch_id)
