"""Step id → claim, write the message, send it, hand the outcome to the lifecycle. Holds no value of the data."""

from __future__ import annotations

import json
import logging
from typing import Any

from connectors import webhooks
from connectors.models import DataSource
from connectors.secrets import IN_USE, SealError
from connectors.webhooks import Told
from ingestion.models import Batch
from runs.lifecycle import steps
from runs.models import DataLoad, LoadStep, Run

log = logging.getLogger(__name__)
EVENT = "data_load.completed"


def tell(step_id: int) -> bool:
    """Do one try of a step, if it is there to be done; answers whether it was. Safe to call any number of times."""
    claim = steps.claim(step_id)
    if claim is None:
        return False
    told = _send(claim.step)
    log.info("step %s, try %s: %s", step_id, claim.attempt, told.problem or f"taken with {told.status}")
    if not steps.settle(claim, told):
        log.warning("step %s, try %s came too late: it was taken back meanwhile", step_id, claim.attempt)
    return True


def _send(step: LoadStep) -> Told:
    """The address and the secret are those of now."""
    load = DataLoad.objects.select_related("run__source__connector").get(pk=step.load_id)
    assert load.run
    source = load.run.source
    if problem := _unready(source):
        return Told(problem=problem, advice=webhooks.ADVICE, lasting=True)
    try:
        secret = source.webhook_secret
    except SealError:
        text = "The webhook's secret cannot be opened with the keys of this server."
        return Told(problem=text, advice="Enter it again on the data source's page; then send it again.", lasting=True)
    IN_USE.add(secret)
    try:
        return webhooks.tell(source.webhook_url, secret=secret, key=str(step.key), body=body_of(load, load.run))
    finally:
        IN_USE.remove(secret)


def _unready(source: DataSource) -> str:
    if not source.webhook_enabled:
        return "The webhook was switched off."
    if not source.webhook_url or not source.sealed_webhook:
        return "The webhook has no address or no secret."
    return ""


def body_of(load: DataLoad, run: Run) -> bytes:
    """The message: what was loaded, never a value of it. The same at each try."""
    batches = Batch.objects.filter(owner=run.owner).select_related("dataset").order_by("dataset__name")
    tables = [
        {"schema": batch.dataset.namespace, "table": batch.dataset.name, "rows": batch.loaded_count or 0}
        for batch in batches
    ]
    message: dict[str, Any] = {
        "event": EVENT,
        "id": load.pk,
        "run": run.pk,
        "source": run.source.name,
        "tables": tables,
        "finished_at": run.finished_at.isoformat() if run.finished_at else None,
    }
    return json.dumps(message).encode()
