"""What the panels of a run's page read: the timeline of tasks, messages by kind, and the chain of counts."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from ingestion.models import Batch
from runs.models import Event, Level
from runs.reading.chains import chains_of
from runs.reading.grouping import groups_of
from runs.reading.timeline import Scale, lanes_of
from runs.states import RunMode, TaskStatus
from tests import factories

pytestmark = pytest.mark.django_db


def moved(task, *steps: tuple[float, str], since: datetime) -> None:
    before = ""
    for second, after in steps:
        at = since + timedelta(seconds=second)
        factories.event(task.run, before, after, task=task, at=at, reason=f"to {after}")
        before = after


def lane_of(run, task, *, now):
    return lanes_of([task], Scale.of(run, now=now), now=now)[0]


def test_attempts_and_waits_are_told_apart():
    now = timezone.now()
    began = now - timedelta(seconds=100)
    run = factories.open_run(created_at=began)
    task = factories.task(run, status=TaskStatus.COMPLETED)
    steps = [(0, "queued"), (10, "running"), (40, "queued"), (60, "running"), (90, "completed")]
    moved(task, *steps, since=began)

    lane = lane_of(run, task, now=now)

    spans = [(span.kind, span.attempt, span.look, round(span.left), round(span.width)) for span in lane.spans]
    assert spans == [
        ("wait", 0, "wait", 0, 10),
        ("work", 1, "lost", 10, 30),
        ("wait", 0, "wait", 40, 20),
        ("work", 2, "completed", 60, 30),
    ]
    assert (lane.waited, lane.worked) == (timedelta(seconds=30), timedelta(seconds=60))
    assert lane.attempts[0].reason == "to queued"


def test_an_attempt_at_work_reaches_to_now():
    now = timezone.now()
    run = factories.open_run(created_at=now - timedelta(seconds=100))
    task = factories.task(run, status=TaskStatus.RUNNING)
    moved(task, (20, "queued"), (50, "running"), since=run.created_at)

    last = lane_of(run, task, now=now).spans[-1]

    assert (last.look, round(last.left), round(last.width)) == ("running", 50, 50)


def test_a_task_that_only_waits_is_drawn_waiting_to_now():
    now = timezone.now()
    run = factories.open_run(created_at=now - timedelta(seconds=100))
    task = factories.task(run, status=TaskStatus.QUEUED)
    moved(task, (20, "queued"), since=run.created_at)

    lane = lane_of(run, task, now=now)

    assert [(span.kind, round(span.left), round(span.width)) for span in lane.spans] == [("wait", 20, 80)]
    assert lane.attempts == []


def test_a_late_attempt_that_was_turned_away_moves_nothing():
    now = timezone.now()
    run = factories.open_run(created_at=now - timedelta(seconds=100))
    task = factories.task(run, status=TaskStatus.RUNNING)
    moved(task, (0, "queued"), (10, "running"), (50, "fenced"), since=run.created_at)

    assert [round(span.width) for span in lane_of(run, task, now=now).attempts] == [90]


def test_a_task_whose_history_is_gone_is_drawn_from_its_own_times():
    now = timezone.now()
    run = factories.open_run(created_at=now - timedelta(seconds=100))
    times = {
        "started_at": run.created_at + timedelta(seconds=25),
        "finished_at": run.created_at + timedelta(seconds=75),
    }
    task = factories.task(run, **times)

    assert [(round(span.left), round(span.width)) for span in lane_of(run, task, now=now).spans] == [(25, 50)]
    assert lane_of(run, factories.task(run, "Waits", status=TaskStatus.WAITING), now=now).spans == []


def test_a_very_short_span_can_still_be_seen_and_stays_inside():
    now = timezone.now()
    run = factories.open_run(created_at=now - timedelta(days=7))
    task = factories.task(run, status=TaskStatus.RUNNING, started_at=now)

    span = lane_of(run, task, now=now).spans[0]

    assert span.width > 0
    assert span.left + span.width <= 100


@pytest.mark.parametrize("seconds", [1, 7, 59, 600, 5_000, 86_400, 604_800, 20_000_000])
def test_an_axis_has_few_and_round_ticks(seconds):
    ticks = Scale(began=timezone.now(), seconds=seconds).ticks()

    assert 2 <= len(ticks) <= 25
    assert ticks[0] == (0, timedelta())
    assert all(0 <= place <= 100 for place, _ in ticks)


def test_the_timeline_is_drawn_and_told_as_a_table(admin_client):
    run = factories.open_run()
    task = factories.task(run, "Surveys", status=TaskStatus.RUNNING, started_at=run.started_at)
    moved(task, (0, "queued"), (10, "running"), (40, "queued"), (60, "running"), since=run.created_at)

    page = admin_client.get(f"/admin/runs/run/{run.pk}/change/", {"tab": "timeline"}).content.decode()

    assert 'role="img"' in page
    assert page.count("hg-g-lost") == 2  # the legend and the attempt
    assert "When each task waited and worked, as a table" in page
    assert "style=" not in page[page.index('id="run-panel"') : page.index("hg-below-figure")]


def test_messages_of_one_kind_are_one_group_with_counts_times_and_tasks():
    run, now = factories.open_run(), timezone.now()
    first, second = factories.task(run, "Surveys"), factories.task(run, "Staff")
    early, late = now - timedelta(minutes=9), now - timedelta(minutes=1)
    factories.message(run, "Page 1 answered 500.", task=first, count=4, created_at=early, last_at=early)
    newest = factories.message(run, "Page 2 answered 500.", task=second, created_at=late, last_at=late)
    factories.message(run, "All is well.", level=Level.INFO, fingerprint="a" * 32)

    groups, _ = groups_of(run)

    assert [(group.count, group.rows, group.tasks) for group in groups] == [(5, 2, 2), (1, 1, 0)]
    assert (groups[0].first_at, groups[0].last_at, groups[0].example) == (early, late, newest)


def test_the_messages_of_a_group_are_shown_one_by_one_by_an_address(admin_client):
    run = factories.open_run()
    factories.message(run, "Page 1 answered 500.")
    factories.message(run, "Page 2 answered 500.")
    factories.message(run, "All is well.", fingerprint="a" * 32)
    address = f"/admin/runs/run/{run.pk}/change/"

    folded = admin_client.get(address, {"tab": "messages"}).content.decode()
    shown = admin_client.get(address, {"tab": "messages", "group": "f" * 32}).content.decode()

    assert "Page 1 answered" not in folded
    assert f"group={'f' * 32}" in folded
    assert "Page 1 answered" in shown
    assert "Page 2 answered" in shown
    assert "All is well" not in shown


def counted(run, *, loaded: int | None, extracted: int = 1000, staged: int = 1000) -> None:
    factories.table(factories.task(run), "surveys")
    Batch.objects.filter(owner=run.owner).update(extracted_count=extracted, staged_count=staged, loaded_count=loaded)


def test_a_table_is_compared_with_the_last_good_run_of_the_same_type():
    source = factories.source()
    counted(factories.run(source, mode=RunMode.DESTRUCTIVE), loaded=9)
    good = factories.run(source)
    counted(good, loaded=800)
    counted(factories.failed_run(source), loaded=5)
    run = factories.run(source)
    counted(run, loaded=1000)

    chains = chains_of(run)

    assert chains.compared_with == good
    assert [(row.rows, row.rows_before, row.change) for row in chains.rows] == [(1000, 800, 25.0)]


def test_a_first_run_is_compared_with_nothing():
    run = factories.run()
    counted(run, loaded=1000)

    assert [(row.rows_before, row.change) for row in chains_of(run).rows] == [(None, None)]


@pytest.mark.parametrize(
    ("staged", "loaded", "lost"), [(1000, 1000, 0), (990, 990, 10), (1000, 997, 3), (500, None, 0)]
)
def test_records_that_fell_out_of_the_chain_are_counted(staged, loaded, lost):
    run = factories.run()
    counted(run, loaded=loaded, staged=staged)

    assert chains_of(run).rows[0].lost == lost


def test_the_history_of_other_tasks_does_not_show_in_a_lane():
    now = timezone.now()
    run = factories.open_run(created_at=now - timedelta(seconds=100))
    tasks = [factories.task(run, f"Task {number}") for number in range(3)]
    for task in tasks:
        moved(task, (0, "queued"), (10, "running"), (20, "completed"), since=run.created_at)

    lanes = lanes_of(tasks, Scale.of(run, now=now), now=now)

    assert [len(lane.attempts) for lane in lanes] == [1, 1, 1]
    assert Event.objects.count() == 9
