"""Acknowledging, assigning, snoozing and noting runs: what is taken, what is refused, what the history says of it."""

from datetime import timedelta

import pytest
from django.utils import timezone

from runs.errors import Refused
from runs.lifecycle import caring
from runs.models import Level, Note, Run
from runs.states import RunStatus
from tests import factories

pytestmark = pytest.mark.django_db


def history(run: Run) -> list[tuple[str, str, str]]:
    return list(run.events.values_list("after", "actor", "reason"))


def test_a_failed_run_is_acknowledged_once_and_the_second_learns_who_was_first():
    run = factories.failed_run()

    first = caring.acknowledge(run.pk, actor="anna", ticket="https://tickets.example/1")
    second = caring.acknowledge(run.pk, actor="bert")

    assert (first.first, second.first) == (True, False)
    assert second.run.acknowledged_by == "anna"
    assert second.run.acknowledged_at == first.run.acknowledged_at is not None
    assert history(run) == [("acknowledged", "anna", "https://tickets.example/1")]


def test_a_second_acknowledgement_may_name_the_ticket():
    run = factories.failed_run()
    caring.acknowledge(run.pk, actor="anna")

    answer = caring.acknowledge(run.pk, actor="bert", ticket="SUP-12")

    assert (answer.run.acknowledged_by, answer.run.ticket) == ("anna", "SUP-12")
    assert history(run)[-1] == ("ticket", "bert", "SUP-12")


@pytest.mark.parametrize("status", sorted(set(RunStatus) - {RunStatus.FAILED}))
def test_a_run_that_is_not_in_trouble_cannot_be_acknowledged(status):
    run = factories.run(status=status)

    with pytest.raises(Refused, match="only a run that failed or completed with warnings"):
        caring.acknowledge(run.pk, actor="anna")

    assert history(run) == []


def test_needing_attention_are_runs_in_trouble_that_nobody_has_acknowledged_or_snoozed():
    source, now = factories.source(), timezone.now()
    warned = factories.run(source, worst_level=Level.WARNING)
    failed, known, asleep, awake = (factories.failed_run(source) for _ in range(4))
    factories.run(source)
    factories.run(source, status=RunStatus.CANCELLED)
    caring.acknowledge(known.pk, actor="anna")
    caring.snooze(asleep.pk, until=now + timedelta(hours=1), actor="anna", now=now)
    Run.objects.filter(pk=awake.pk).update(snoozed_until=now - timedelta(minutes=1))

    assert set(Run.objects.needing_attention()) == {warned, failed, awake}
    assert all(caring.in_trouble(run) for run in (warned, failed, known, asleep, awake))


def test_a_snooze_needs_a_time_to_come_and_ends_when_it_is_asked_to():
    run, now = factories.failed_run(), timezone.now()

    for until in (now, now - timedelta(hours=1), now + timedelta(days=31)):
        with pytest.raises(Refused, match="within the next 30 days"):
            caring.snooze(run.pk, until=until, actor="anna", now=now)
    caring.snooze(run.pk, until=now + timedelta(days=1), actor="anna", now=now)
    after = caring.snooze(run.pk, until=None, actor="bert", now=now)

    assert (after.snoozed_until, after.snoozed_by) == (None, "")
    assert [what for what, _, _ in history(run)] == ["snoozed", "woken"]


def test_an_acknowledged_run_cannot_be_snoozed():
    run, now = factories.failed_run(), timezone.now()
    caring.acknowledge(run.pk, actor="anna")

    with pytest.raises(Refused, match="acknowledged by anna"):
        caring.snooze(run.pk, until=now + timedelta(hours=1), actor="bert", now=now)


def test_a_run_is_assigned_to_somebody_who_may_see_it_and_to_nobody():
    run, bert = factories.failed_run(), factories.person("runs.view_run", name="bert")

    assert caring.assign(run.pk, to=bert, actor="anna").assignee == bert
    caring.assign(run.pk, to=bert, actor="anna")
    assert caring.assign(run.pk, to=None, actor="anna").assignee is None

    assert history(run) == [("assigned", "anna", "to bert"), ("assigned", "anna", "to nobody")]


def test_a_run_is_not_assigned_to_somebody_who_may_not_see_it():
    run, bert = factories.failed_run(), factories.person(name="bert")

    with pytest.raises(Refused, match="bert may not see runs"):
        caring.assign(run.pk, to=bert, actor="anna")


def test_notes_are_added_and_an_empty_one_is_refused():
    run = factories.open_run()

    caring.note(run.pk, text="  The source is down.\n", actor="anna")
    for text in (" \n", "x" * 10_001):
        with pytest.raises(Refused):
            caring.note(run.pk, text=text, actor="anna")

    assert list(Note.objects.values_list("run", "text", "author")) == [(run.pk, "The source is down.", "anna")]
    assert history(run) == [("noted", "anna", "")]


def test_each_act_raises_the_version_that_pages_look_at():
    run = factories.failed_run()

    caring.note(run.pk, text="Known.", actor="anna")
    caring.acknowledge(run.pk, actor="anna")

    assert Run.objects.get(pk=run.pk).version == run.version + 2


def test_a_retry_that_completed_acknowledges_all_that_it_stands_for():
    source = factories.source()
    first = factories.failed_run(source)
    second = factories.failed_run(source, retry_of=first)
    third = factories.run(source, retry_of=second)

    assert caring.acknowledge_earlier(third) == 2
    assert caring.acknowledge_earlier(third) == 0

    first.refresh_from_db()
    assert first.acknowledged_by == f"run {third.pk}"
    assert history(second) == [("acknowledged", "system", f"its retry, run {third.pk}, completed")]
