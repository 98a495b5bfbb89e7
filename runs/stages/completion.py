"""Complete ingestion: publish all tables of the run at once, then settle the run by what the ledger says."""

from ingestion import loading
from ingestion.models import Batch
from ingestion.states import BatchStatus
from ingestion.warehouse.base import Mode, Published
from runs import journal
from runs.lifecycle import ending
from runs.lifecycle.working import Claim
from runs.models import Level, Run
from runs.pulse import Pulse
from runs.stages.bookmarks import bookmark, later
from runs.stages.telling import tell_published
from runs.states import TaskKind, TaskStatus


def complete_ingestion(claim: Claim, pulse: Pulse) -> None:
    """Publish, and end the run in the same transaction that writes its counts. Has no outcome of its own."""
    batches = batches_of(claim.run)
    pulse.check()
    claim.log.info("publish", f"Publishing {len(batches):,} {'table' if len(batches) == 1 else 'tables'} at once")
    answer = loading.publish(claim.run.load, batches, token=claim.token, facts=_facts(claim.run))
    tell_published(claim.log, answer, batches)
    _warn_of_known_records(claim, answer, batches)
    settle_published(claim, answer)


def _warn_of_known_records(claim: Claim, answer: Published, batches: list[Batch]) -> None:
    """Where a source sends more than it was asked for, and no key tells its records apart."""
    windows = {batch.dataset_id: batch.dataset.name for batch in batches if batch.mode == Mode.WINDOW}
    for effect in () if answer.already else answer.effects:
        if effect.superseded and effect.dataset in windows:
            journal.say(
                claim.run,
                Level.WARNING,
                f"Records of “{windows[effect.dataset]}” lie before what was asked for, or have no cursor. They are "
                "live already, unchanged, and were left out.",
                code="sent_again",
                task=claim.task,
                count=effect.superseded,
                advice="Give the endpoint a `key` in the manifest. If it happens in every run, check its `cursor`: "
                "the source seems to take no notice of the parameter.",
            )


def settle_published(claim: Claim, answer: Published) -> bool:
    """Write down that the load is live. Where a retry finds it live already, that may have been done by the run it
    replaces: then its own bookmarks stay where they are, and what lies between is read again."""
    run = claim.run
    bookmarks = {} if answer.already and run.retry_of_id else bookmarks_of(run)
    return ending.complete(run.pk, answer, batches_of(run), bookmarks, actor=claim.actor)


def batches_of(run: Run) -> list[Batch]:
    """The batches that the run publishes: those that no failed extraction has left out."""
    batches = Batch.objects.filter(owner=run.owner).select_related("dataset").order_by("pk")
    return [batch for batch in batches if batch.status in (BatchStatus.STAGING, BatchStatus.SUCCESS)]


def bookmarks_of(run: Run) -> dict[str, str]:
    """The new bookmark of each endpoint that has a cursor and was read whole."""
    tasks = run.tasks.filter(kind=TaskKind.EXTRACTION)
    broken = set(tasks.exclude(status=TaskStatus.COMPLETED).values_list("endpoint", flat=True))
    seen: dict[str, str] = {}
    timed: set[str] = set()
    for task in tasks.filter(status=TaskStatus.COMPLETED):
        if cursor := task.output.get("cursor"):
            seen[task.endpoint] = later(seen.get(task.endpoint, ""), cursor)
        if task.output.get("cursor_is_time"):
            timed.add(task.endpoint)
    begun = [task.started_at for task in tasks if task.started_at]  # adopted tasks have read before this run began
    started = min([run.started_at or run.created_at, *begun])
    return {
        name: bookmark(value, started_at=started, is_time=name in timed)
        for name, value in seen.items()
        if name not in broken
    }


def _facts(run: Run) -> dict[str, object]:
    return {
        "run": run.pk,
        "source": run.source.name,
        "mode": run.mode,
        "started_at": run.started_at.isoformat() if run.started_at else "",
    }
