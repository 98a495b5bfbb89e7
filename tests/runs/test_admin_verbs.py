"""Cancel, retry, force close and "Run now": what they ask, what they do, and whom they refuse."""

from datetime import timedelta

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from connectors.models import ConfigRevision, DataSource
from ingestion.models import Dataset
from runs.models import Run
from runs.states import RunMode, RunStatus, TaskStatus
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(admin_client: Client) -> Client:
    return admin_client


def verb(name: str, run: Run) -> str:
    return reverse(f"admin:runs_run_{name}", args=[run.pk])


def start(source: DataSource) -> str:
    return reverse("admin:connectors_datasource_start", args=[source.pk])


def said(response) -> str:
    return " ".join(str(message) for message in get_messages(response.wsgi_request))


def may(client: Client, *permissions: str) -> Client:
    client.force_login(factories.person("runs.view_run", "connectors.view_datasource", *permissions, name="support"))
    return client


# Cancel


def test_cancel_asks_first_and_changes_nothing_by_asking(admin):
    run = factories.open_run()

    page = admin.get(verb("cancel", run)).content.decode()

    assert "Nothing goes live" in page
    until = timezone.localdate() + timedelta(days=7)
    assert f"kept for 7 days, until {until:%d %b %Y}" in page
    assert 'name="csrfmiddlewaretoken"' in page
    assert Run.objects.get(pk=run.pk).status == RunStatus.RUNNING


def test_cancel_moves_the_run_and_names_who_asked(admin):
    run = factories.open_run()
    factories.task(run, status=TaskStatus.RUNNING)

    answer = admin.post(verb("cancel", run))

    run.refresh_from_db()
    assert (run.status, run.cancel_requested_by) == (RunStatus.CANCELING, "admin")
    assert answer.headers["Location"] == verb("change", run)
    assert "Canceling …" in said(answer)


def test_a_second_cancel_changes_nothing_and_says_who_asked_and_when(admin):
    run = factories.canceling_run(by="bert")
    before = Run.objects.filter(pk=run.pk).values().get()

    answer = admin.post(verb("cancel", run))

    assert Run.objects.filter(pk=run.pk).values().get() == before
    assert "bert asked for this already at" in said(answer)
    assert run.cancel_requested_at.strftime("%H:%M:%S") in said(answer)


def test_the_page_of_a_canceling_run_tells_who_asked_what_stopped_and_when_force_may_be_used(admin):
    asked = timezone.now() - timedelta(seconds=50)
    run = factories.canceling_run(by="bert", cancel_requested_at=asked, task_count=9, ended_task_count=7)
    for name in ("Surveys", "Responses"):
        factories.task(run, name, status=TaskStatus.RUNNING)

    early = admin.get(verb("change", run)).content.decode()
    Run.objects.filter(pk=run.pk).update(cancel_requested_at=asked - timedelta(minutes=3))
    late = admin.get(verb("change", run)).content.decode()

    assert f"bert asked to cancel at {asked:%d %b %Y %H:%M:%S} UTC" in early
    assert "7 of 9 tasks stopped. Still at work: Surveys, Responses." in early
    assert "It can be forced closed in 2\N{NO-BREAK SPACE}min" in early
    assert "It can be forced closed now, by whoever has the right to" in late


def test_a_cancel_that_comes_too_late_says_so(admin):
    run = factories.run()

    answer = admin.post(verb("cancel", run))

    assert "the cancel came too late" in said(answer)
    assert Run.objects.get(pk=run.pk).status == RunStatus.COMPLETED


# Retry


def failed_with_finished_work(**fields) -> Run:
    run = factories.failed_run(**fields)
    factories.task(run, "Surveys")
    factories.task(run, "Responses north", status=TaskStatus.FAILED)
    return run


def test_retry_shows_its_plan_first(admin):
    run = failed_with_finished_work()

    page = admin.get(verb("retry", run)).content.decode()

    assert "1 finished extraction, " in page
    for word in ("Failed tasks only", "From consolidation", "From ingestion", "Same window", "Everything"):
        assert f"<strong>{word}</strong>" in page
    assert "One extraction is not finished, so it must be fetched first." in page
    assert Run.objects.count() == 1


def test_retry_says_when_a_changed_source_leaves_nothing_to_reuse(admin):
    run = failed_with_finished_work()
    DataSource.objects.filter(pk=run.source_id).update(settings={"base_url": "http://127.0.0.1:10"})

    page = admin.get(verb("retry", run)).content.decode()

    assert "The data source has been changed since, so nothing that was staged can be reused." in page
    assert "finished extraction" not in page


def test_the_plan_agrees_with_the_revision_that_a_run_would_get(admin):
    run = failed_with_finished_work()

    assert ConfigRevision.of(run.source) == run.config
    assert "1 finished extraction, " in admin.get(verb("retry", run)).content.decode()


def test_retry_makes_one_new_run_and_shows_it(admin):
    run = failed_with_finished_work()

    first, again = admin.post(verb("retry", run)), admin.post(verb("retry", run))

    fresh = Run.objects.get(retry_of=run)
    assert (fresh.requested_by, fresh.trigger) == ("admin", "retry")
    assert first.headers["Location"] == verb("change", fresh)
    assert again.headers["Location"] == verb("change", run)
    assert f"has been retried already: run {fresh.pk}" in said(again)


def test_a_retry_of_everything_reuses_nothing(admin):
    run = failed_with_finished_work()

    admin.post(verb("retry", run), {"choice": "everything"})

    assert not Run.objects.get(retry_of=run).tasks.filter(status=TaskStatus.COMPLETED).exists()


def test_a_retry_that_is_not_allowed_goes_back_with_the_reason(admin):
    run = factories.run()

    answer = admin.get(verb("retry", run))

    assert answer.headers["Location"] == verb("change", run)
    assert "only a failed, cancelled or rejected run can be retried" in said(answer)


# Force close


def test_a_forced_close_wants_a_reason(admin):
    run = factories.open_run()

    answer = admin.post(verb("close", run), {"reason": "  "})

    assert "Say why" in answer.content.decode()
    assert Run.objects.get(pk=run.pk).status == RunStatus.RUNNING


def test_a_forced_close_ends_the_run_and_keeps_the_reason(admin):
    run = factories.open_run()

    admin.post(verb("close", run), {"reason": "its host was taken away"})

    run.refresh_from_db()
    assert run.status == RunStatus.FAILED
    assert run.events.filter(reason="its host was taken away", actor="admin").exists()


def test_a_canceling_run_is_closed_only_after_its_deadline(admin):
    soon = factories.canceling_run(factories.source("Soon"))
    overdue = factories.canceling_run(
        factories.source("Overdue"), cancel_requested_at=timezone.now() - timedelta(minutes=4)
    )

    early, late = (admin.post(verb("close", run), {"reason": "stuck"}) for run in (soon, overdue))

    assert "it can be forced closed 180 s after the cancel was asked" in said(early)
    assert "“Cancelled”" in said(late)
    assert Run.objects.get(pk=overdue.pk).status == RunStatus.CANCELLED


# Run now


def test_an_incremental_run_starts_at_once_and_is_shown(admin):
    source = factories.source()

    answer = admin.post(start(source), {"mode": "incremental"})

    run = Run.objects.get()
    assert (run.mode, run.trigger, run.requested_by) == (RunMode.INCREMENTAL, "person", "admin")
    assert answer.headers["Location"] == verb("change", run)


def test_a_destructive_run_asks_first_with_tables_and_live_rows(admin):
    source = factories.source()
    Dataset.objects.create(namespace="small", name="surveys", source_name="surveys", live_rows=336_776)

    page = admin.post(start(source), {"mode": "destructive"}).content.decode()

    assert "small.surveys" in page
    assert "336,776" in page
    assert "not there yet" in page
    assert not Run.objects.exists()

    admin.post(start(source), {"mode": "destructive", "confirmed": "yes", "confirm": "Small"})

    assert Run.objects.get().mode == RunMode.DESTRUCTIVE


@pytest.mark.parametrize(("threshold", "rows", "asked"), [(100, 100, False), (100, 101, True), (0, 0, True)])
def test_many_live_rows_are_replaced_only_when_the_sources_name_is_typed(admin, settings, threshold, rows, asked):
    settings.DESTRUCTIVE_CONFIRM_ROWS = threshold
    source = factories.source()
    Dataset.objects.create(namespace="small", name="surveys", source_name="surveys", live_rows=rows)
    Dataset.objects.create(namespace="small", name="somebody_elses", live_rows=1_000_000)  # stays, so it does not count

    page = admin.get(start(source)).content.decode()
    answers = [
        admin.post(start(source), {"mode": "destructive", "confirmed": "yes", "confirm": typed})
        for typed in ("", "small", "Smal")
    ]

    assert ('name="confirm"' in page) is asked
    if asked:
        assert all("give the name of the data source exactly as it is: “Small”" in a.content.decode() for a in answers)
        assert not Run.objects.exists()
        admin.post(start(source), {"mode": "destructive", "confirmed": "yes", "confirm": " Small "})
    assert Run.objects.exclude(status=RunStatus.REJECTED).count() == 1


def test_the_page_that_asks_tells_all_there_is_to_know(admin):
    source = factories.source()
    for seconds in (10, 20, 60):
        ended = timezone.now() - timedelta(hours=seconds)
        took = {"started_at": ended - timedelta(seconds=seconds), "finished_at": ended}
        last = factories.run(source, mode=RunMode.DESTRUCTIVE, call_count=31, **took)
    factories.task(last, throttled_count=2, waited_seconds=75)
    running = factories.open_run(source)

    page = admin.get(start(source)).content.decode()

    assert "median 20\N{NO-BREAK SPACE}s" in page
    assert "31 calls" in page
    assert "asked to wait 2 times, 1\N{NO-BREAK SPACE}min\N{NO-BREAK SPACE}15\N{NO-BREAK SPACE}s in all" in page
    assert f'<a class="hg-link" href="{verb("change", running)}">Run {running.pk}</a>' in page
    assert "<dd>No schedule</dd>" in page
    assert "Workers seen in the last minute</dt><dd>0" in page


def test_a_get_never_starts_a_run(admin):
    assert admin.get(start(factories.source()), {"mode": "incremental", "confirmed": "yes"}).status_code == 200
    assert not Run.objects.exists()


def test_a_second_start_is_kept_as_rejected_and_shown(admin):
    blocker = factories.open_run()

    answer = admin.post(start(blocker.source), {"mode": "incremental"})

    rejected = Run.objects.get(status=RunStatus.REJECTED)
    assert answer.headers["Location"] == verb("change", rejected)
    assert "the previous one is still running" in said(answer)


def test_a_disabled_source_is_not_started_and_says_why(admin):
    source = factories.source(enabled=False)

    page = admin.get(reverse("admin:connectors_datasource_change", args=[source.pk])).content.decode()
    answer = admin.post(start(source), {"mode": "incremental"})

    assert "This data source is disabled" in page
    assert "is disabled; enable it" in said(answer)
    assert not Run.objects.exists()


# Rights


@pytest.mark.parametrize(
    ("name", "permission"), [("cancel", "runs.cancel_run"), ("retry", "runs.retry_run"), ("close", "runs.close_run")]
)
def test_each_verb_needs_its_own_right(client, name, permission):
    run = factories.failed_run() if name == "retry" else factories.open_run()
    others = {"runs.cancel_run", "runs.retry_run", "runs.close_run"} - {permission}
    may(client, *others)

    assert client.get(verb(name, run)).status_code == 403
    assert client.post(verb(name, run), {"reason": "x"}).status_code == 403
    assert Run.objects.get().status == run.status


@pytest.mark.parametrize("name", ["cancel", "retry"])
def test_a_button_without_the_right_stays_in_sight_with_the_reason(client, name):
    run = factories.failed_run() if name == "retry" else factories.open_run()
    may(client)

    page = client.get(verb("change", run)).content.decode()

    assert f'id="{name}-run" aria-disabled="true"' in page
    assert f"You do not have the right to {name} runs" in page


def test_each_kind_of_run_needs_its_own_right(client):
    source = factories.source()
    may(client, "connectors.start_run")

    assert client.post(start(source), {"mode": "destructive", "confirmed": "yes"}).status_code == 403
    assert client.get(start(source)).status_code == 403
    assert client.post(start(source), {"mode": "incremental"}).status_code == 302
    assert Run.objects.get().mode == RunMode.INCREMENTAL


def test_the_right_to_destructive_runs_does_not_give_the_other(client):
    source = factories.source()
    may(client, "connectors.start_destructive_run")

    assert client.post(start(source), {"mode": "incremental"}).status_code == 403
    page = client.get(reverse("admin:connectors_datasource_change", args=[source.pk])).content.decode()
    assert "You do not have the right to start incremental runs" in page


def test_verbs_refuse_a_request_without_a_token():
    client = Client(enforce_csrf_checks=True)
    may(client, "runs.cancel_run", "connectors.start_run")
    run = factories.open_run()

    assert client.post(verb("cancel", run)).status_code == 403
    assert client.post(start(run.source), {"mode": "incremental"}).status_code == 403
    assert Run.objects.count() == 1
