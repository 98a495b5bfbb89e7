"""The sweep: what repeats lost wake-ups, takes work from dead workers, and closes runs that nobody will close.

Safe in any number of copies at once: every step is a compare-and-set. Takes no clock but the database's.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from functools import partial

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from connectors import budgets
from ingestion import loading, orphans
from ingestion import upkeep as janitor
from ingestion.access.clients import clear_expired
from ingestion.errors import IngestionError
from ingestion.models import Batch
from ingestion.promotion import archive, asked, monitor
from ingestion.states import BatchStatus
from ingestion.warehouse.base import Published
from runs import journal, logins, presence, runlog
from runs.dispatch import send
from runs.errors import Refused
from runs.lifecycle import ending, steps, working
from runs.lifecycle.working import Failure, token_of
from runs.models import DataLoad, Level, Run, Sweep, Task
from runs.stages.completion import batches_of, bookmarks_of
from runs.states import RUN_OPEN, LoadStatus, RunStatus, TaskKind, TaskStatus

log = logging.getLogger(__name__)
AT_ONCE = 5000
LOST = "No sign of life came from the worker of “{name}” for {seconds:.0f} s."


def sweep(*, dry_run: bool = False) -> Counter[str]:
    """One look at everything; answers what was found, by kind."""
    found: Counter[str] = Counter()
    found["lost"] = sum(take_back(pk, dry_run=dry_run) for pk in _ids(Task.objects.expired()))
    found["woken"] = sum(wake_again(task, dry_run=dry_run) for task in _unheard())
    found["settled"] = sum(settle(run, dry_run=dry_run) for run in _unsettled())
    found["steps"] = steps.sweep(dry_run=dry_run)
    found["too_long"] = sum(close_too_long(run, dry_run=dry_run) for run in _too_long())
    if not dry_run:
        found.update(monitor.sweep())
        found["data_loads"] = open_data_loads(within=timedelta(hours=1))
        Sweep.objects.update_or_create(name=own_name(), defaults={"at": Now(), "found": dict(found)})
        Sweep.objects.filter(at__lt=Now() - timedelta(days=1)).delete()
        presence.forget_silent()
    return found


def own_name() -> str:
    """What this process's sweeper signs with."""
    return presence.own_name()


def say_good_bye() -> None:
    """This process sweeps no more: a command that starts next must not wait for it."""
    Sweep.objects.filter(name=own_name()).delete()


def tidy() -> Counter[str]:
    """What has no hurry: temporary tables, old generations, staged files past their time. A warehouse that this
    process cannot open (a file owned by another) is left to that one."""
    found: Counter[str] = Counter()
    jobs: dict[str, Callable[[], int]] = {
        "temporary_tables": janitor.drop_temporary_tables,
        "generations": janitor.drop_old_generations,
        "staged_files": janitor.delete_staged_files,
        "manifests": janitor.delete_manifests,
        "uploads": janitor.delete_uploads,
        "diagnostics": janitor.delete_diagnostics,
        "discarded": janitor.delete_discarded,
        "orphans": orphans.delete_orphans,
        "unfinished_uploads": orphans.drop_unfinished,
        "put_away": archive.put_away,
        "asked_for": asked.wake,
        "tokens": clear_expired,
        "log_lines": runlog.delete_old,
        "call_budgets": budgets.delete_unused,
        "failed_logins": logins.forget_old,
        "data_loads": partial(open_data_loads, within=timedelta(days=30)),
    }
    for name, job in jobs.items():
        try:
            found[name] = job()
        except IngestionError as error:
            log.warning("tidying %s must wait: %s", name.replace("_", " "), error)
    return found


def open_data_loads(*, within: timedelta) -> int:
    """Make the data loads of clients' batches that became live lately: ingestion knows of no data loads."""
    live = Batch.objects.filter(self_promoting=True, status=BatchStatus.SUCCESS, finished_at__gt=Now() - within)
    fresh = list(live.filter(data_load=None).order_by("pk").values("pk", "loaded_count", "finished_at")[:AT_ONCE])
    DataLoad.objects.bulk_create(
        [
            DataLoad(
                batch_id=batch["pk"],
                status=LoadStatus.COMPLETED,
                table_count=1,
                row_count=batch["loaded_count"] or 0,
                created_at=batch["finished_at"] or Now(),
                finished_at=batch["finished_at"],
                note="No post-load steps are set up.",
            )
            for batch in fresh
        ],
        ignore_conflicts=True,
    )
    return len(fresh)


def _ids(tasks: QuerySet[Task]) -> list[int]:
    return list(tasks.values_list("pk", flat=True))


def take_back(task_id: int, *, dry_run: bool) -> bool:
    """A task whose lease has run out goes back to the queue; after three dead workers it has failed."""
    if dry_run:
        return True
    task = Task.objects.select_related("run").get(pk=task_id)
    if task.kind == TaskKind.COMPLETION:
        try:
            answer = shut(task.run, attempt=task.attempt)
        except (IngestionError, Refused) as error:
            log.warning("run %s cannot be judged yet: %s", task.run_id, error)
            return False
        if answer is not None:
            found = batches_of(task.run), bookmarks_of(task.run)
            return ending.complete(task.run_id, answer, *found, actor="sweeper")
    return _take_back(task_id)


def _take_back(task_id: int) -> bool:
    with transaction.atomic():
        run_id = Task.objects.values_list("run_id", flat=True).get(pk=task_id)
        # A worker that is frozen inside a transaction holds its run: the sweep goes on to the others, and comes back.
        run = Run.objects.select_for_update(no_key=True, skip_locked=True).filter(pk=run_id).first()
        if run is None:
            return False
        task = Task.objects.expired().filter(pk=task_id).first()
        if task is None:
            return False
        task.run = run
        text = LOST.format(name=task.name, seconds=settings.LEASE_SECONDS)
        deaths = f" Its worker died {task.lost + 1} times." if task.lost + 1 >= settings.LOST_LEASES else ""
        advice = "Look at the memory and the logs of the workers; then retry the run."
        failure = Failure(fault="lost", text=text + deaths, advice=advice)
        working.settle_failure(run, task, failure, actor="sweeper")
        return True


def _unheard() -> list[Task]:
    """Tasks that are due, and either were never woken or have not been taken up for a while since."""
    again = Now() - timedelta(seconds=settings.WAKE_AGAIN_SECONDS)
    quiet = Q(woken_at=None) | Q(woken_at__lt=again)
    longest = F("woken_at").asc(nulls_first=True)  # so that many of one run hold up nobody else's
    return list(Task.objects.due().filter(quiet, run__status__in=RUN_OPEN).order_by(longest, "pk")[:500])


def wake_again(task: Task, *, dry_run: bool) -> bool:
    """Send the wake-up again. Only the copy of the sweeper that marks the task sends it."""
    if dry_run:
        return True
    marked = Task.objects.filter(pk=task.pk, status=TaskStatus.QUEUED, woken_at=task.woken_at).update(woken_at=Now())
    return bool(marked) and send(task.pk, task.kind)


def _unsettled() -> list[Run]:
    """Open runs in which nothing is running and nothing will: cancelled ones, and those that lost their last step."""
    open_runs = Run.objects.filter(status__in=(RunStatus.CANCELING, RunStatus.RUNNING))
    alive = Q(tasks__status=TaskStatus.RUNNING) | Q(status=RunStatus.RUNNING, tasks__status=TaskStatus.QUEUED)
    return list(open_runs.exclude(pk__in=Run.objects.filter(alive).values("pk"))[:200])


def settle(run: Run, *, dry_run: bool) -> bool:
    """Close it by what the ledger says."""
    if dry_run:
        return True
    try:
        answer = shut(run)
    except (IngestionError, Refused) as error:
        log.warning("run %s cannot be settled yet: %s", run.pk, error)
        return False
    if answer is not None:
        return ending.complete(run.pk, answer, batches_of(run), bookmarks_of(run), actor="sweeper")
    return bool(ending.settle_ledger(run.pk, None, actor="sweeper"))


def shut(run: Run, attempt: int = 999) -> Published | None:
    """What the ledger says of a run, where a publish was tried at all; the attempts up to this one are shut out first,
    so that one which is frozen half way cannot commit later. Raises Refused while a publish is under way."""
    if not ending.publish_was_tried(run):
        return None
    if refused := ending.why_not_shut(run):
        raise refused
    datasets = Batch.objects.filter(owner=run.owner).values_list("dataset_id", flat=True)
    return loading.give_up(run.load_id, token=token_of(run, attempt), datasets=list(datasets))


def _too_long() -> list[Run]:
    return list(Run.objects.filter(status=RunStatus.RUNNING, deadline_at__lt=Now()).select_related("source")[:50])


def close_too_long(run: Run, *, dry_run: bool) -> bool:
    if dry_run:
        return True
    reason = f"it ran longer than the {run.source.max_hours:g} hours that its source allows"
    try:
        ending.close(run.pk, shut(run), actor="sweeper", reason=reason)
    except (IngestionError, Refused) as error:
        log.warning("run %s cannot be closed yet: %s", run.pk, error)
        return False
    journal.say(
        run,
        Level.ERROR,
        f"The run was closed, since {reason}.",
        code="too_long",
        advice="Look at what took so long; raise the limit on the data source's page if that is how long it takes.",
    )
    return True


def force_close(run_id: int, *, actor: str, reason: str) -> RunStatus:
    """Close an open run by hand, by the rules of `ending.why_not_close`. Raises Refused."""
    run = Run.objects.get(pk=run_id)
    overdue = Run.objects.filter(
        pk=run_id, cancel_requested_at__lt=Now() - timedelta(seconds=settings.CANCEL_DEADLINE_SECONDS)
    ).exists()
    if refused := ending.why_not_close(run, overdue=overdue):
        raise refused
    return ending.close(run_id, shut(run), actor=actor, reason=reason)
