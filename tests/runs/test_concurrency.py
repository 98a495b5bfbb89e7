"""Many at once, on a real Postgres: one start wins, one cancel moves, one retry is made, a barrier opens once."""

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import IntegrityError, connections

from runs.errors import Refused
from runs.lifecycle import caring, ending, starting, working
from runs.lifecycle.keys import request_once
from runs.lifecycle.starting import Asked
from runs.lifecycle.working import Outcome
from runs.models import Event, Run, Task
from runs.states import RunMode, RunStatus, TaskKind, TaskStatus
from tests.sources import small_source

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        "connections['default'].vendor != 'postgresql'", reason="SQLite has one writer at a time: nothing to race"
    ),
]
ANNA = Asked(actor="anna", trigger="api")
THREADS = 20


def at_once(count, call):
    """Call from many threads that set off together; answers what each returned or raised."""
    gate = Barrier(min(THREADS, count))

    def one(number):
        if number < THREADS:
            gate.wait()
        try:
            return call(number)
        except Refused as refused:
            return refused
        finally:
            connections.close_all()

    with ThreadPoolExecutor(min(THREADS, count)) as pool:
        return list(pool.map(one, range(count)))


def test_of_500_concurrent_starts_one_is_active_and_499_are_rejected():
    source = small_source()

    runs = at_once(500, lambda _: starting.request(source.pk, RunMode.DESTRUCTIVE, asked=ANNA))

    assert Counter(run.status for run in runs) == {RunStatus.WAITING: 1, RunStatus.REJECTED: 499}
    active = Run.objects.get(status=RunStatus.WAITING)
    assert set(Run.objects.exclude(pk=active.pk).values_list("blocked_by", flat=True)) == {active.pk}


def test_the_constraint_alone_keeps_a_second_open_run_out():
    run = starting.request(small_source().pk, RunMode.DESTRUCTIVE, asked=ANNA)
    second = Run.objects.get(pk=run.pk)
    second.pk, second.status = None, RunStatus.CANCELING

    with pytest.raises(IntegrityError, match="one_open_run_per_source"):
        Run.objects.bulk_create([second])


def test_of_200_concurrent_cancels_one_moves_the_run():
    run = starting.request(small_source().pk, RunMode.DESTRUCTIVE, asked=ANNA)
    working.claim(run.tasks.first().pk, worker="w")

    answers = at_once(200, lambda number: ending.cancel(run.pk, actor=f"person {number}"))

    assert sum(answer.first for answer in answers) == 1
    assert len({answer.run.cancel_requested_by for answer in answers}) == 1
    assert Event.objects.filter(run=run, task=None, after=RunStatus.CANCELING).count() == 1


def test_of_20_concurrent_retries_one_makes_a_run():
    run = starting.request(small_source().pk, RunMode.DESTRUCTIVE, asked=ANNA)
    ending.cancel(run.pk, actor="anna")

    answers = at_once(20, lambda _: starting.retry(run.pk, asked=ANNA))

    assert sum(isinstance(answer, Run) for answer in answers) == 1
    assert Run.objects.filter(retry_of=run).count() == 1


def test_of_20_concurrent_starts_with_one_key_all_get_the_same_run():
    source = small_source()

    answers = at_once(20, lambda _: request_once("k", source.pk, RunMode.DESTRUCTIVE, asked=ANNA))

    assert len({run.pk for run, _ in answers}) == Run.objects.count() == 1
    assert sum(made for _, made in answers) == 1


def test_one_key_for_two_sources_at_once_makes_one_run():
    sources = [small_source(f"Source {number}") for number in range(8)]

    answers = at_once(8, lambda number: request_once("k", sources[number].pk, RunMode.DESTRUCTIVE, asked=ANNA))

    assert Run.objects.count() == 1
    assert Counter(getattr(answer, "code", "made") for answer in answers) == {"made": 1, "key_reused": 7}


def test_of_20_concurrent_acknowledgements_one_is_the_first():
    run = starting.request(small_source().pk, RunMode.DESTRUCTIVE, asked=ANNA)
    ending.close(run.pk, None, actor="anna", reason="to be acknowledged")

    answers = at_once(20, lambda number: caring.acknowledge(run.pk, actor=f"person {number}"))

    assert sum(answer.first for answer in answers) == 1
    assert len({answer.run.acknowledged_by for answer in answers}) == 1


def test_the_same_message_five_times_is_one_claim():
    run = starting.request(small_source().pk, RunMode.DESTRUCTIVE, asked=ANNA)
    task = run.tasks.first()

    claims = at_once(5, lambda number: working.claim(task.pk, worker=str(number)))

    assert len([claim for claim in claims if claim]) == 1


@pytest.mark.parametrize("width", [8, pytest.param(40, marks=pytest.mark.long)])
def test_a_barrier_opens_once_when_all_tasks_end_together(width):
    manifest = _wide_manifest(width)
    for trial in range(10):
        run = starting.request(small_source(f"Wide {trial}", manifest=manifest).pk, RunMode.DESTRUCTIVE, asked=ANNA)
        claims = [working.claim(task.pk, worker="w") for task in run.tasks.filter(kind=TaskKind.EXTRACTION)]
        random.Random(trial).shuffle(claims)

        at_once(width, lambda number, claims=claims: working.finish(claims[number], Outcome()))

        assert Event.objects.filter(run=run, task__kind=TaskKind.METADATA, after=TaskStatus.QUEUED).count() == 1
        assert Run.objects.get(pk=run.pk).pending == 1


def _wide_manifest(width):
    endpoint = "  - {name: e%d, path: /e%d, records: data}\n"
    head = (
        'manifest: 1\nname: wide\nbase_url: "{{ settings.base_url }}"\nsettings: {base_url: {title: A}}\nendpoints:\n'
    )
    return head + "".join(endpoint % (number, number) for number in range(width))


def test_start_cancel_and_finish_racing_leave_a_legal_history():
    source = small_source()
    run = starting.request(source.pk, RunMode.DESTRUCTIVE, asked=ANNA)
    claims = [working.claim(task.pk, worker="w") for task in run.tasks.filter(kind=TaskKind.EXTRACTION)]
    verbs = [
        *(lambda claim=claim: working.finish(claim, Outcome()) for claim in claims),
        lambda: ending.cancel(run.pk, actor="anna"),
        lambda: starting.request(source.pk, RunMode.DESTRUCTIVE, asked=ANNA),
    ]

    at_once(len(verbs), lambda number: verbs[number]())

    run.refresh_from_db()
    assert run.status in (RunStatus.CANCELLED, RunStatus.CANCELING)
    assert not Task.objects.filter(run=run, status__in=[TaskStatus.QUEUED, TaskStatus.WAITING]).exists()
