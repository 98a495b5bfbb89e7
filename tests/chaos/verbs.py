"""R10, R11 and R12 on the control database alone: cancels, retries and fan-ins that many make at the same moment.

Each function plays on whatever database Django has been set up with, so that the suite can play a few rounds of them.
"""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction

from connectors.models import ConfigRevision, DataSource
from ingestion.models import Load
from runs.errors import Refused
from runs.lifecycle import ending, starting, working
from runs.lifecycle.starting import Asked
from runs.lifecycle.working import Claim, Outcome
from runs.models import Event, Run, Task
from runs.states import RunMode, RunStatus, TaskKind, TaskStatus
from tests.chaos.scenario import Answer, at_once, patched
from tests.sources import small_source

ANNA = Asked(actor="anna", trigger="api")


def cancels(rounds: int, *, mutant: bool, callers: int = 200) -> Answer:
    """In each round many people cancel one running run at once: one of them moves it, all get the same answer."""
    answer = Answer()
    with patched((ending, "cancel", _cancel_by_save)) if mutant else patched():
        for number in range(rounds):
            source = small_source(f"Cancelled {time.monotonic_ns()}")
            run = starting.request(source.pk, RunMode.DESTRUCTIVE, asked=ANNA)
            working.claim(run.tasks.order_by("pk")[0].pk, worker="w")
            said = at_once(callers, lambda n, run=run: ending.cancel(run.pk, actor=f"person {n}"))
            answer.add("cancels", callers)
            _judge_cancels(answer, number, run, said)
    return answer


def _judge_cancels(answer: Answer, number: int, run: Run, said: list[Any]) -> None:
    moves = Event.objects.filter(run=run, task=None, after=RunStatus.CANCELING).count()
    answer.expect(moves == 1, f"round {number}: {moves} moves to canceling")
    broken = [repr(one) for one in said if isinstance(one, Exception)]
    answer.expect(not broken, f"round {number}: {len(broken)} callers got an error, as {broken[:1]}")
    good = [one for one in said if not isinstance(one, Exception)]
    first = sum(one.first for one in good)
    answer.expect(first == 1, f"round {number}: {first} callers were told that they were first")
    names = {one.run.cancel_requested_by for one in good}
    answer.expect(len(names) == 1, f"round {number}: callers were told {len(names)} names")


def _cancel_by_save(run_id: int, *, actor: str) -> ending.Cancelled:
    """What rule 3 forbids: read, look, save."""
    run = Run.objects.get(pk=run_id)
    if run.status == RunStatus.CANCELING:
        return ending.Cancelled(run=run, first=False)
    time.sleep(random.uniform(0, 0.02))  # the moment that a busy machine puts between looking and saving
    before, run.status, run.cancel_requested_by = run.status, RunStatus.CANCELING, actor
    run.save()
    Event.objects.create(run=run, before=before, after=run.status, actor=actor)
    return ending.Cancelled(run=run, first=True)


def retries(rounds: int, *, mutant: bool, callers: int = 8) -> Answer:
    """In each round many retry one cancelled run at once: one new run. Then an older run is retried: refused."""
    answer = Answer()
    with _without_retry_rules() if mutant else patched():
        for number in range(rounds):
            source = small_source(f"Retried {time.monotonic_ns()}")
            old = _ended(source)
            said = at_once(callers, lambda n, old=old: starting.retry(old.pk, asked=ANNA), threads=callers)
            answer.add("double_retries")
            _judge_retries(answer, number, old, said)
    return answer


def _ended(source: DataSource) -> Run:
    run = starting.request(source.pk, RunMode.DESTRUCTIVE, asked=ANNA)
    ending.cancel(run.pk, actor="anna")
    return run


def _judge_retries(answer: Answer, number: int, old: Run, said: list[Any]) -> None:
    made = [one for one in said if isinstance(one, Run)]
    kept = Run.objects.filter(retry_of=old).count()
    answer.expect(len(made) == 1 and kept == 1, f"round {number}: {len(made)} answers of a new run, {kept} runs")
    strange = [repr(one) for one in said if not isinstance(one, Run | Refused)]
    answer.expect(not strange, f"round {number}: {len(strange)} callers got an error, as {strange[:1]}")
    for run in made:
        with transaction.atomic():
            if run.is_open:
                ending.cancel(run.pk, actor="anna")
    try:
        starting.retry(old.pk, asked=ANNA)
    except Refused:
        return
    answer.wrong.append(f"round {number}: a run that had been retried was retried again")


@contextmanager
def _without_retry_rules() -> Iterator[None]:
    """Check, then insert: neither the source's lock nor the unique constraints, for the time of the block."""
    found = _drop_constraints()
    unlocked = (starting, "lock_source", lambda pk: DataSource.objects.get(pk=pk))
    unseen = (starting, "_accept", _slowly(starting._accept))
    with patched(unlocked, unseen):
        yield
    with connection.cursor() as cursor:  # what the mutant made would break them, so it goes first
        cursor.execute("truncate runs_run cascade")
        for name, definition in found:
            cursor.execute(
                definition
                if definition.startswith("CREATE")
                else f"alter table runs_run add constraint {name} {definition}"
            )


def _drop_constraints() -> list[tuple[str, str]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "select conname, pg_get_constraintdef(oid) from pg_constraint "
            "where conrelid = 'runs_run'::regclass and contype = 'u' and pg_get_constraintdef(oid) like '%%retry_of%%'"
        )
        unique = list(cursor.fetchall())
        cursor.execute("select indexname, indexdef from pg_indexes where indexname = 'one_open_run_per_source'")
        partial = list(cursor.fetchall())
        for name, _ in unique:
            cursor.execute(f'alter table runs_run drop constraint "{name}"')
        cursor.execute("drop index one_open_run_per_source")
    return [*((f'"{name}"', text) for name, text in unique), *partial]


def _slowly(accept: Any) -> Any:
    """A moment between the check and the insert, as a busy machine has it."""

    def accepted(*arguments: Any, **more: Any) -> Any:
        time.sleep(random.uniform(0, 0.02))
        return accept(*arguments, **more)

    return accepted


def fan_in(trials: int, *, mutant: bool, seed: int = 1) -> Answer:
    """In each trial 8 to 64 tasks of one run end together: the next phase opens, and opens once."""
    answer = Answer()
    dice = random.Random(seed)
    source = small_source(f"Fan-in {time.monotonic_ns()}")
    with patched((working, "finish", _finish_and_count)) if mutant else patched():
        for number in range(trials):
            width = 8 if dice.random() < 0.8 else dice.choice((16, 32, 64))
            run, claims = _about_to_end(source, width)
            dice.shuffle(claims)
            said = at_once(width, lambda n, claims=claims: working.finish(claims[n], Outcome()), threads=8)
            answer.add("fan_ins")
            opened = Event.objects.filter(run=run, task__kind=TaskKind.METADATA, after=TaskStatus.QUEUED).count()
            broken = [repr(one) for one in said if one is not None]
            answer.expect(opened == 1, f"trial {number}: {width} tasks ended, the next phase opened {opened} times")
            answer.expect(not broken, f"trial {number}: {broken[:1]}")
            Run.objects.filter(pk=run.pk).update(open_key=f"done {run.pk}")
    return answer


def _about_to_end(source: DataSource, width: int) -> tuple[Run, list[Claim]]:
    """A running run whose extractions are all in workers' hands, written past the lifecycle to save time."""
    run = Run.objects.create(
        source=source,
        config=ConfigRevision.of(source),
        load=Load.objects.create(),
        mode=RunMode.DESTRUCTIVE,
        status=RunStatus.RUNNING,
        open_key=str(source.pk),
        pending=width,
        task_count=width + 1,
    )
    held = {"status": TaskStatus.RUNNING, "attempt": 1, "worker": "w"}
    tasks = Task.objects.bulk_create(
        [Task(run=run, kind=TaskKind.EXTRACTION, key=f"e{n}", name=f"e{n}", **held) for n in range(width)]
    )
    Task.objects.create(run=run, kind=TaskKind.METADATA, key="metadata", name="Metadata consolidation")
    for task in tasks:
        task.run = run
    return run, [Claim(task=task, run=run, attempt=1) for task in tasks]


def _finish_and_count(claim: Claim, _: Outcome) -> None:
    """What rule 5 forbids: mark done, then count what is left. Nobody holds the run meanwhile."""
    with transaction.atomic():
        Task.objects.filter(pk=claim.task.pk).update(status=TaskStatus.COMPLETED)
        left = claim.run.tasks.filter(kind=TaskKind.EXTRACTION).exclude(status=TaskStatus.COMPLETED).count()
        if not left:
            working.open_phase_after(claim.run)
