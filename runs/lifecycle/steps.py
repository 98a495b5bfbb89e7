"""The steps after a data load: queue, claim, settle, take back, send again. Every move is a compare-and-set on the
status and the number of the attempt, so two workers never hold one try; the data load completes with its last step."""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from connectors import webhooks
from connectors.models import DataSource
from connectors.protocol import SourceError
from connectors.webhooks import Told
from runs.dispatch import send_step, wake_step
from runs.errors import Refused
from runs.models import DataLoad, LoadStep, LoadTry
from runs.states import LoadStatus, StepStatus

log = logging.getLogger(__name__)
LEASE: Final = timedelta(seconds=90)  # a try is broken off after 30 s, and its name and addresses take their time
NONE: Final = "No post-load steps are set up."
LOST: Final = Told(
    problem="The worker that sent it gave no sign of life; the receiver may have it.", advice="It is tried again."
)


@dataclass(frozen=True, kw_only=True)
class StepClaim:
    """One try of a step in the hands of one worker."""

    step: LoadStep
    attempt: int


def queue(load: DataLoad, source: DataSource) -> None:
    """Write down what follows on a data load that was just made, in its transaction; without a step it completes."""
    if not source.webhook_enabled:
        _close(load.pk, NONE)
        return
    try:
        target = webhooks.shown(source.webhook_url)
    except SourceError:  # the try will say what is wrong with it
        target = "the webhook"
    step = LoadStep.objects.create(load=load, target=target)
    wake_step(step.pk)


def claim(step_id: int) -> StepClaim | None:
    """Take the next try of a step, if it is due and nobody else has it."""
    step = LoadStep.objects.due().filter(pk=step_id).first()
    if step is None:
        return None
    taken = LoadStep.objects.due().filter(pk=step_id, attempts=step.attempts)
    mine = taken.update(status=StepStatus.SENDING, attempts=F("attempts") + 1, lease_until=Now() + LEASE)
    return StepClaim(step=step, attempt=step.attempts + 1) if mine else None


def settle(claim: StepClaim, told: Told) -> bool:
    """Write down how a try went; false when the try is no longer this worker's, and then nothing is changed."""
    with transaction.atomic():
        mine = LoadStep.objects.select_for_update().filter(attempts=claim.attempt, status=StepStatus.SENDING)
        step = mine.filter(pk=claim.step.pk).first()
        if step is None:
            return False
        LoadTry.objects.create(
            step=step, number=claim.attempt, code=told.status, seconds=told.seconds or None, problem=told.problem
        )
        _move_on(step, told)
        _settle_load(step.load_id)
    return True


def _move_on(step: LoadStep, told: Told) -> None:
    """Done, waiting for the next try, or given up."""
    facts = {"last_code": told.status, "error": told.problem, "advice": told.advice, "lease_until": None}
    mine = LoadStep.objects.filter(pk=step.pk)
    failures = step.failures + 1
    if not told.problem:
        mine.update(status=StepStatus.DONE, sent_at=Now(), not_before=None, **facts)
    elif told.lasting or failures > len(settings.RETRY_WAITS):
        mine.update(status=StepStatus.FAILED, failures=failures, not_before=None, **facts)
    else:
        due = Now() + timedelta(seconds=settings.RETRY_WAITS[failures - 1] * random.uniform(0.8, 1.2))  # noqa: S311
        mine.update(status=StepStatus.WAITING, failures=failures, not_before=due, woken_at=None, **facts)


def _settle_load(load_id: int) -> None:
    """Complete the data load when its last step has ended; say what did not run."""
    steps = LoadStep.objects.filter(load=load_id)
    if steps.filter(status__in=(StepStatus.WAITING, StepStatus.SENDING)).exists():
        return
    failed = steps.filter(status=StepStatus.FAILED).count()
    many = f"{failed} steps" if failed > 1 else "A step"
    _close(load_id, f"{many} did not run. The data is live." if failed else "All steps have run.")


def _close(load_id: int, note: str) -> None:
    DataLoad.objects.filter(pk=load_id).update(note=note)
    open_still = DataLoad.objects.filter(pk=load_id, status=LoadStatus.RUNNING)
    open_still.update(status=LoadStatus.COMPLETED, finished_at=Now())


def send_again(step_id: int, *, actor: str) -> LoadStep:
    """Have an ended step sent once more, under the same id. Raises Refused while it is on its way."""
    ended = LoadStep.objects.filter(pk=step_id, status__in=(StepStatus.DONE, StepStatus.FAILED))
    with transaction.atomic():
        again = ended.update(
            status=StepStatus.WAITING, failures=0, not_before=None, woken_at=None, error="", advice="", asked_by=actor
        )
        if not again:
            raise Refused("It is on its way already; look again in a moment.", code="sending")
        wake_step(step_id)
    log.info("step %s is sent again, asked by %s", step_id, actor)
    return LoadStep.objects.get(pk=step_id)


def sweep(*, dry_run: bool) -> int:
    """Take tries back from dead workers, and repeat wake-ups that were lost or are due; answers how many."""
    found = 0
    for step in LoadStep.objects.expired().order_by("pk")[:500]:
        found += dry_run or settle(StepClaim(step=step, attempt=step.attempts), LOST)
    quiet = Q(woken_at=None) | Q(woken_at__lt=Now() - timedelta(seconds=settings.WAKE_AGAIN_SECONDS))
    for step in LoadStep.objects.due().filter(quiet).order_by("pk")[:500]:
        found += dry_run or _wake_again(step)
    return found


def _wake_again(step: LoadStep) -> bool:
    """Only the copy of the sweeper that marks the step sends the wake-up."""
    marked = LoadStep.objects.due().filter(pk=step.pk, woken_at=step.woken_at).update(woken_at=Now())
    return bool(marked) and send_step(step.pk)
