"""What the list reads of many runs at once: the days' outcomes, and which of them can be retried."""

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ingestion.drawing import HEIGHT
from runs.lifecycle.retryable import why_not_retry, why_not_retry_each
from runs.models import Run
from runs.reading.days import DAYS, OUTCOMES, last_days
from tests import factories

pytestmark = pytest.mark.django_db
LIST = "/admin/runs/run/"


@pytest.fixture(autouse=True)
def _days_forgotten():
    cache.clear()
    yield
    cache.clear()


def test_each_day_counts_its_runs_by_outcome():
    now = timezone.now().replace(hour=12, minute=0)
    factories.failed_run(factories.source("One"), created_at=now)
    factories.run(factories.source("Two"), created_at=now, worst_level=2)
    factories.open_run(factories.source("Three"), created_at=now)
    factories.run(factories.source("Four"), created_at=now - timedelta(days=3))
    factories.run(factories.source("Five"), created_at=now - timedelta(days=DAYS))

    days = last_days(now=now)

    assert len(days) == DAYS
    assert days[-1].day == now.date()
    assert {name: count for name, count in days[-1].counts.items() if count} == {"failed": 1, "warned": 1, "open": 1}
    assert days[-4].counts["completed"] == 1
    assert sum(day.total for day in days) == 4


def test_days_that_are_over_are_read_once_and_today_each_time():
    with CaptureQueriesContext(connection) as first:
        last_days(now=timezone.now())
    with CaptureQueriesContext(connection) as second:
        last_days(now=timezone.now())

    assert (len(first), len(second)) == (2, 1)


def test_a_day_of_the_drawing_leads_to_its_runs_and_is_in_the_table(admin_client):
    mine = factories.failed_run(factories.source("One"), created_at=timezone.now())
    factories.run(factories.source("Two"), created_at=timezone.now() - timedelta(days=2))

    page = admin_client.get(LIST)
    bar = page.context["days"].bars[-1]
    chosen = admin_client.get(LIST + bar.day.address)

    assert bar.said.endswith(": 1 run (1 failed)")
    assert [run.pk for run in chosen.context["cl"].result_list] == [mine.pk]
    assert chosen.context["days"].bars[-1].day.chosen
    text = page.content.decode()
    assert text.count('class="hg-day"') == DAYS
    assert all(f'class="hg-num">{word}</th>' in text for word in OUTCOMES.values())


def test_a_single_failure_among_very_many_is_seen(admin_client, monkeypatch):
    from runs.admin import strip
    from runs.reading.days import Day

    counts = dict.fromkeys(OUTCOMES, 0) | {"completed": 100_000, "failed": 1}
    monkeypatch.setattr(strip, "last_days", lambda now: [Day(day=timezone.now().date(), counts=counts)])

    (bar,) = strip.days({}, now=timezone.now()).bars

    assert {part.outcome: part.height for part in bar.parts}["failed"] == 2
    assert all(0 <= part.top <= HEIGHT for part in bar.parts)


def _situations() -> list[Run]:
    newest = factories.source("Newest")
    old, new = factories.failed_run(newest), factories.failed_run(newest)
    busy = factories.source("Busy")
    behind, work = factories.failed_run(busy), factories.open_run(busy)
    again = factories.source("Again")
    first = factories.failed_run(again)
    second = factories.run(again, retry_of=first)
    rejected = factories.rejected_run(work)
    free = factories.source("Free")
    turned_away = factories.rejected_run(factories.run(free))
    cancelled = factories.run(factories.source("Cancelled"), status="cancelled")
    return [old, new, behind, work, first, second, rejected, turned_away, cancelled]


@pytest.mark.parametrize("one_at_a_time", [False, True])
def test_many_runs_at_once_are_judged_as_each_alone(settings, one_at_a_time):
    settings.ONE_RUN_AT_A_TIME = one_at_a_time
    runs = _situations()
    if one_at_a_time:
        Run.objects.open().update(open_key="all")

    together = why_not_retry_each(runs)

    for run in runs:
        alone, among_many = why_not_retry(run), together[run.pk]
        assert (alone and vars(alone)) == (among_many and vars(among_many)), run


def test_more_runs_cost_no_more_queries():
    def queries(runs: list[Run]) -> int:
        with CaptureQueriesContext(connection) as asked:
            why_not_retry_each(runs)
        return len(asked)

    runs = _situations()

    assert queries(runs[:1]) == queries(runs) == 3


def test_a_row_offers_what_may_be_done_and_says_why_not(admin_client, client):
    failed, working = factories.failed_run(), factories.open_run(factories.source("Two"))

    rows = {row.run.pk: {a.label: a.reason for a in row.actions} for row in admin_client.get(LIST).context["rows"]}

    assert rows[failed.pk] == {"Details": "", "Retry": "", "Cancel": "This run has ended; there is nothing to cancel."}
    assert rows[working.pk]["Cancel"] == ""
    assert "only a failed, cancelled or rejected run" in rows[working.pk]["Retry"]
    client.force_login(factories.person("runs.view_run"))
    page = client.get(LIST)
    assert all("You do not have the right" in a.reason for row in page.context["rows"] for a in row.actions[1:])
    assert 'name="action" value="cancel_chosen"' not in page.content.decode()
