"""Task id → claim, call the stage, hand the outcome or the error to the lifecycle. Nothing escapes but shutdown."""

import logging
import os
import socket
import traceback
import uuid
from dataclasses import replace

from django.db import Error as DatabaseError

from connectors.protocol import SourceError
from ingestion import loading
from ingestion.errors import Fenced, IngestionError
from ingestion.marks import marked
from ingestion.models import Batch
from runs import runlog
from runs.errors import Ghost, Released, Stopped
from runs.lifecycle import working
from runs.lifecycle.working import Claim, Failure, Outcome
from runs.pulse import Pulse
from runs.stages import STAGES
from runs.stages.completion import batches_of, settle_published
from runs.stages.telling import tell_published
from runs.states import TaskKind

log = logging.getLogger(__name__)
UNKNOWN_SECONDS = (5.0, 15.0, 60.0)  # between looks at a ledger that cannot be read: most are soon back
BUG_ADVICE = "Retry the run once; if it fails again, send support the run id."


def perform(task_id: int) -> bool:
    """Do one task, if it is there to be done; answers whether it was claimed. Safe to call any number of times."""
    claim = working.claim(task_id, worker=f"{socket.gethostname()}:{os.getpid()}/{uuid.uuid4().hex[:6]}")
    if claim is None:
        return False
    with marked(run=claim.run.pk, task=claim.task.pk, attempt=claim.attempt):
        _perform(claim)
    return True


def _perform(claim: Claim) -> None:
    _tell_beginning(claim)
    try:
        _work(claim)
    except Ghost:
        claim.log.warn("fenced", f"Attempt {claim.attempt} came too late: another owns the task; it changed nothing")
        working.fenced(claim)
    finally:
        _keep_log(claim)


def _tell_beginning(claim: Claim) -> None:
    task, log = claim.task, claim.log
    log.info("began", f"Attempt {claim.attempt} at “{task.name}” began")
    if claim.attempt > 1 and task.lost:
        log.warn("lease", f"A worker before this one gave no sign of life; its lease was taken over ({task.lost})")
    if task.checkpoint and task.page_count:
        log.info("resumed", f"It goes on after page {task.page_count:,}")


def _keep_log(claim: Claim) -> None:
    """What is left of the log. A database that is away takes the last lines with it, and nothing else."""
    try:
        runlog.keep(claim.log, claim.task, claim.attempt)
    except DatabaseError as error:
        log.warning("the last lines of the log of %s are lost: %s", claim.task.label, type(error).__name__)


def _work(claim: Claim) -> None:
    try:
        with Pulse(claim) as pulse:
            outcome = STAGES[TaskKind(claim.task.kind)](claim, pulse)
        _finish(claim, outcome)
    except (Ghost, Fenced) as ghost:
        raise Ghost(claim.task.name) from ghost
    except Stopped:
        claim.log.warn("stopped", "It stopped, since somebody asked to cancel the run")
        working.stopped(claim)
    except Released:
        claim.log.warn("released", "It was handed back, since its worker is shutting down")
        working.release(claim, reason="the worker is shutting down")
    except Exception as error:  # noqa: BLE001 - the one place where any error becomes a failed task
        _failed(claim, error)


def _finish(claim: Claim, outcome: Outcome | None) -> None:
    """A completion settles itself, together with its run, and has no outcome of its own."""
    claim.log.info(
        "done",
        f"Attempt {claim.attempt} is done{': ' if outcome and outcome.note else ''}{outcome.note if outcome else ''}",
    )
    if outcome is not None:
        working.finish(claim, outcome)


def _failed(claim: Claim, error: Exception) -> None:
    failure = failure_of(error, claim)
    claim.log.error(failure.fault, failure.text)
    if failure.fault == "bug":
        log.exception("%s failed unexpectedly", claim.task.label)
    if claim.task.kind == TaskKind.COMPLETION:
        try:
            if _committed_after_all(claim):
                return
        except (IngestionError, DatabaseError) as unread:
            failure = _unknown(unread, claim.attempt)
    working.fail(claim, failure)


def _committed_after_all(claim: Claim) -> bool:
    """After an error whose outcome is unknown the ledger is read before anything is called failed."""
    datasets = Batch.objects.filter(owner=claim.run.owner).values_list("dataset_id", flat=True)
    answer = loading.give_up(claim.run.load_id, token=claim.token, datasets=list(datasets))
    if answer is None:
        return False
    tell_published(claim.log, replace(answer, already=True), batches_of(claim.run))
    return settle_published(claim, answer)


def _unknown(error: Exception, attempt: int) -> Failure:
    """The ledger cannot be read: wait for it, count nothing, and never call the run failed meanwhile."""
    return Failure(
        fault="rate_limited",
        text="It is not known yet whether the tables went live, since the warehouse's ledger cannot be read.",
        advice=getattr(error, "advice", ""),
        detail=str(error),
        retry_after=UNKNOWN_SECONDS[min(attempt, len(UNKNOWN_SECONDS)) - 1],
    )


def failure_of(error: Exception, claim: Claim) -> Failure:
    """The words that people are shown for an error."""
    if isinstance(error, SourceError):
        return Failure(fault=error.fault, text=error.message, advice=error.advice, retry_after=error.retry_after)
    if isinstance(error, IngestionError):
        fault = error.fault if not error.transient or error.fault == "disk" else "transient"
        return Failure(fault=fault, text=error.message, advice=error.advice, detail=error.detail)
    if isinstance(error, DatabaseError):
        text = f"Headgate's own database broke off while “{claim.task.name}” was at work."
        return Failure(fault="transient", text=text, advice="", detail=str(error))
    return Failure(
        fault="bug",
        text=f"Headgate met an error of its own in “{claim.task.name}” ({type(error).__name__}).",
        advice=BUG_ADVICE,
        detail="".join(traceback.format_exception(error)),
    )
