"""The list of runs at work: its summary, what is usual for runs at work, and verbs for several runs at once."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from runs.models import Run
from runs.states import RunStatus
from tests import factories

pytestmark = pytest.mark.django_db
LIST = "/admin/runs/run/"


def read(client, **query) -> str:
    page = client.get(LIST, query)
    assert page.status_code == 200
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.content.decode().replace("\u00a0", " ")))


def good_runs(source, count: int = 3, minutes: int = 40, **fields) -> None:
    now = timezone.now()
    for _ in range(count):
        times = {"started_at": now - timedelta(minutes=minutes), "finished_at": now}
        factories.run(source, **{**times, "row_count": 1_300_000, **fields})


def test_a_run_at_work_shows_what_is_usual_beside_its_duration_and_rows(admin_client):
    source = factories.source()
    good_runs(source)
    factories.open_run(source, row_count=1_204_331)

    text = read(admin_client)

    assert "usually 40 min" in text
    assert "1,204,331 of ~1,300,000" in text
    assert "longer than" not in text


def test_a_run_that_takes_longer_than_nine_of_ten_is_marked(admin_client):
    source = factories.source()
    good_runs(source, count=4, minutes=5)
    factories.open_run(source, started_at=timezone.now() - timedelta(hours=1))

    assert "longer than 4 of 4" in read(admin_client)


def test_an_ended_run_carries_no_band(admin_client):
    good_runs(factories.source())

    assert "usually" not in read(admin_client)


def test_runs_at_work_cost_the_same_queries_however_many(admin_client):
    def queries() -> int:
        with CaptureQueriesContext(connection) as asked:
            assert admin_client.get(LIST).status_code == 200
        return len(asked)

    def more(number: int) -> None:
        source = factories.source(f"Source {number}")
        good_runs(source)
        factories.open_run(source)

    more(0)
    queries()
    few = queries()
    for number in range(1, 6):
        more(number)

    assert queries() == few


def strip(client, **query):
    return {counter.name: counter for counter in client.get(LIST, query).context["strip"]}


def test_the_summary_counts_what_its_links_list(admin_client):
    now = timezone.now()
    running = factories.open_run(factories.source("One"))
    factories.failed_run(factories.source("Two"))
    factories.failed_run(factories.source("Old"), finished_at=now - timedelta(days=2))
    factories.rejected_run(running, finished_at=now)

    counters = strip(admin_client)

    for name, text in (("running", "1 Running"), ("failed", "1 Failed"), ("rejected", "1 Rejected")):
        assert counters[name].text == text
        listed = admin_client.get(LIST + counters[name].address).context["cl"].result_list
        assert len(listed) == 1, name


def test_the_summary_leads_to_the_run_that_is_open_longest(admin_client):
    oldest = factories.open_run(factories.source("One"))
    factories.open_run(factories.source("Two"))

    assert strip(admin_client)["oldest"].address == reverse("admin:runs_run_change", args=[oldest.pk])


def test_nothing_open_names_no_oldest_run_and_a_chosen_count_is_marked(admin_client):
    factories.failed_run()

    counters = strip(admin_client, status="failed", period="ended24h")

    assert "oldest" not in counters
    assert [name for name, counter in counters.items() if counter.chosen] == ["failed"]


def choose(client, action: str, *runs: Run):
    chosen = {"action": action, "_selected_action": [run.pk for run in runs]}
    return client.post(LIST, chosen)


def test_an_action_asks_first_and_says_what_is_skipped_and_why(admin_client):
    open_run, ended = factories.open_run(factories.source("One")), factories.run(factories.source("Two"))

    asked = choose(admin_client, "cancel_chosen", open_run, ended)
    page = admin_client.get(asked["Location"]).content.decode()

    assert "Cancel 1 run?" in page
    assert "1 run skipped" in page
    assert "This run has ended; there is nothing to cancel." in page
    assert f'name="ids" value="{open_run.pk}"' in page
    assert Run.objects.get(pk=open_run.pk).status == RunStatus.RUNNING


def test_a_confirmed_cancel_stops_those_that_can_be_and_counts_the_others(admin_client):
    open_run, ended = factories.open_run(factories.source("One")), factories.run(factories.source("Two"))
    address = reverse("admin:runs_run_bulk", args=["cancel"])

    page = admin_client.post(address, {"ids": f"{open_run.pk},{ended.pk}"}, follow=True)

    said = [str(message) for message in page.context["messages"]]
    assert said[0] == "1 run was asked to be cancelled."
    assert said[1].startswith(f"Skipped. Run {ended.pk}: ")
    assert Run.objects.get(pk=open_run.pk).status in (RunStatus.CANCELING, RunStatus.CANCELLED)
    assert Run.objects.get(pk=ended.pk).status == RunStatus.COMPLETED


def test_several_failed_runs_are_retried_each_as_a_new_run(admin_client):
    runs = [factories.failed_run(factories.source(name)) for name in ("One", "Two")]
    older = factories.failed_run(runs[0].source, pk=runs[0].pk - 1) if runs[0].pk > 1 else None
    address = reverse("admin:runs_run_bulk", args=["retry"])

    admin_client.post(address, {"ids": ",".join(str(run.pk) for run in [*runs, *([older] if older else [])])})

    assert set(Run.objects.exclude(retry_of=None).values_list("retry_of", flat=True)) == {run.pk for run in runs}


def test_a_get_of_the_plan_changes_nothing_and_no_other_verb_exists(admin_client):
    run = factories.open_run()

    assert admin_client.get(reverse("admin:runs_run_bulk", args=["cancel"]), {"ids": run.pk}).status_code == 200
    assert Run.objects.get(pk=run.pk).status == RunStatus.RUNNING
    assert admin_client.get(reverse("admin:runs_run_bulk", args=["delete"])).status_code == 404
    assert admin_client.get(reverse("admin:runs_run_bulk", args=["cancel"]), {"ids": "x,,-1,99"}).status_code == 200


@pytest.mark.parametrize("verb", ["cancel", "retry"])
def test_each_verb_for_several_runs_needs_its_own_right(client, verb):
    other = {"cancel": "retry", "retry": "cancel"}[verb]
    run = factories.open_run()
    client.force_login(factories.person("runs.view_run", f"runs.{other}_run"))
    address = reverse("admin:runs_run_bulk", args=[verb])

    assert client.get(address, {"ids": run.pk}).status_code == 403
    assert client.post(address, {"ids": run.pk}).status_code == 403
    assert f"{verb}_chosen" not in client.get(LIST).content.decode()
    assert f"{other}_chosen" in client.get(LIST).content.decode()
