"""Starting, cancelling, retrying and closing runs over HTTP: the answers, the refusals, and who may."""

from datetime import timedelta

import pytest
from django.utils import timezone

from connectors.models import Connector
from ingestion.models import Dataset
from runs.models import Event, Run
from runs.states import RunMode, RunStatus, TaskStatus
from tests import factories as make

pytestmark = pytest.mark.django_db
START, DESTROY = "connectors.start_run", "connectors.start_destructive_run"


def post(client, path, **body):
    return client.post(f"/api/{path}", body, format="json")


def refusal(response, code, status=409):
    assert (response.status_code, response.json()["code"]) == (status, code), response.content
    return response.json()


def test_a_start_answers_the_accepted_run_and_where_it_is():
    source = make.source()

    response = post(make.caller(START, "runs.view_run"), "runs/", source=source.pk, type="incremental")

    run = Run.objects.get()
    assert response.status_code == 201
    assert response["Location"] == f"http://testserver/api/runs/{run.pk}/"
    assert response.json()["status_label"] == "Waiting to start"
    assert (run.trigger, run.requested_by, run.mode) == ("api", "anna", "incremental")
    assert run.tasks.filter(status=TaskStatus.QUEUED).count() == 3


def test_a_source_is_started_from_its_own_address_too():
    source = make.source()

    response = post(make.caller(DESTROY), f"sources/{source.pk}/start/", type="destructive")

    # Without the permission to see sources it starts all the same: the verbs stand apart.
    assert response.status_code == 201
    assert Run.objects.get().mode == RunMode.DESTRUCTIVE


@pytest.mark.parametrize("path", ["runs/", "sources/{pk}/start/"])
def test_a_start_while_another_run_is_open_is_kept_as_rejected_and_names_both(path):
    source = make.source()
    blocker = make.open_run(source)

    response = post(make.caller(START), path.format(pk=source.pk), source=source.pk, type="incremental")

    body = refusal(response, "rejected")
    rejected = Run.objects.get(status=RunStatus.REJECTED)
    assert (body["run_id"], body["blocker_id"]) == (rejected.pk, blocker.pk)
    assert f"run {blocker.pk} is still open" in body["detail"]


def test_a_disabled_source_is_refused_and_no_run_is_kept():
    source = make.source(enabled=False)

    refusal(post(make.caller(START), "runs/", source=source.pk, type="incremental"), "disabled")

    assert not Run.objects.exists()


def test_a_source_with_a_broken_manifest_is_refused_with_its_problems():
    source = make.source()
    Connector.objects.update(manifest="manifest: 1\nname: broken\n")

    body = refusal(post(make.caller(START), "runs/", source=source.pk, type="incremental"), "manifest")

    assert {"field": "base_url", "message": "is missing"} in body["errors"]
    assert not Run.objects.exists()


@pytest.mark.parametrize(
    ("permission", "type_", "status"),
    [
        (START, "incremental", 201),
        (START, "destructive", 403),
        (DESTROY, "destructive", 201),
        (DESTROY, "incremental", 403),
    ],
)
@pytest.mark.parametrize("path", ["runs/", "sources/{pk}/start/"])
def test_each_type_of_run_needs_its_own_permission(permission, type_, status, path):
    source = make.source()

    response = post(make.caller(permission), path.format(pk=source.pk), source=source.pk, type=type_)

    assert response.status_code == status
    assert Run.objects.count() == (status == 201)


def test_a_person_who_may_start_nothing_learns_that_before_the_body_is_read():
    refusal(post(make.caller("runs.view_run"), "runs/", type="sideways"), "permission_denied", 403)


def test_a_dry_run_tells_what_is_live_and_how_long_it_takes_and_starts_nothing():
    source = make.source()
    Dataset.objects.create(
        namespace="small", name="surveys", source_name="surveys", live_rows=120, live_at=timezone.now()
    )
    Dataset.objects.create(namespace="other", name="airlines", live_rows=7)
    slow = make.run(source, mode=RunMode.DESTRUCTIVE, row_count=5)
    make.failed_run(source)

    response = post(make.caller(DESTROY), "runs/?dry_run=1", source=source.pk, type="destructive")

    facts = response.json()
    assert response.status_code == 200
    assert (facts["accepted"], facts["refusal"], facts["open_run"]) == (True, "", None)
    assert [(past["run_id"], past["seconds"]) for past in facts["past"]["destructive"]] == [(slow.pk, 300)]
    assert facts["past"]["incremental"] == []
    tables = [(table["name"], table["row_count"], table["replaced"]) for table in facts["tables"]]
    assert tables == [("surveys", 120, True), ("responses", None, True)]
    assert (facts["medians"], facts["calls"]) == ({"destructive": 300, "incremental": None}, None)
    assert (facts["workers"], facts["schedule"], facts["confirm"]) == (0, "No schedule", "")
    assert Run.objects.count() == 2


def test_a_dry_run_names_the_run_that_is_in_the_way():
    source = make.source()
    blocker = make.open_run(source)

    facts = post(make.caller(START), f"sources/{source.pk}/start/?dry_run=true", type="incremental").json()

    assert (facts["accepted"], facts["open_run"]) == (False, blocker.pk)
    assert f"Run {blocker.pk} is still open" in facts["refusal"]


def test_where_one_run_at_a_time_is_allowed_any_source_is_in_the_way(settings):
    settings.ONE_RUN_AT_A_TIME = True
    blocker = make.open_run(make.source("Other"), open_key="all")
    source = make.source()
    client = make.caller(START)

    facts = post(client, "runs/?dry_run=1", source=source.pk, type="incremental").json()
    started = post(client, "runs/", source=source.pk, type="incremental")

    assert facts["open_run"] == blocker.pk
    assert refusal(started, "rejected")["blocker_id"] == blocker.pk


def test_a_dry_run_that_is_neither_yes_nor_no_starts_nothing():
    source = make.source()

    refusal(post(make.caller(START), "runs/?dry_run=maybe", source=source.pk, type="incremental"), "invalid", 400)

    assert not Run.objects.exists()


def test_a_start_that_replaces_many_rows_needs_the_sources_name_and_says_how(settings):
    settings.DESTRUCTIVE_CONFIRM_ROWS = 100
    source = make.source()
    Dataset.objects.create(namespace="small", name="surveys", source_name="surveys", live_rows=101)
    anna, asked = make.caller(DESTROY), {"source": source.pk, "type": "destructive"}

    dry = post(anna, "runs/?dry_run=1", **asked).json()
    refused = [post(anna, "runs/", **asked, **more) for more in ({}, {"confirm": "small"}, {"confirm": ""})]

    assert (dry["confirm"], dry["replaced_row_count"]) == ("Small", 101)
    for answer in refused:
        error = refusal(answer, "invalid", 400)["errors"][0]
        assert error["field"] == "confirm"
        assert "replaces 101 live rows" in error["message"]
        assert "“Small”" in error["message"]
    assert not Run.objects.exists()
    assert post(anna, "runs/", **asked, confirm=dry["confirm"]).status_code == 201


def test_an_incremental_start_needs_no_confirmation(settings):
    settings.DESTRUCTIVE_CONFIRM_ROWS = 0

    assert post(make.caller(START), "runs/", source=make.source().pk, type="incremental").status_code == 201


def test_a_second_cancel_changes_nothing_and_both_learn_who_asked_first():
    run = make.open_run()
    make.task(run, status=TaskStatus.RUNNING)
    anna, ben = make.caller("runs.cancel_run"), make.caller("runs.cancel_run", name="ben")

    first, second = post(anna, f"runs/{run.pk}/cancel/"), post(ben, f"runs/{run.pk}/cancel/")

    assert (first.status_code, second.status_code) == (202, 202)
    assert (first.json()["first"], second.json()["first"]) == (True, False)
    assert first.json()["requested_by"] == second.json()["requested_by"] == "anna"
    assert first.json()["requested_at"] == second.json()["requested_at"]
    assert second.json()["run"]["status_label"] == "Canceling …"
    assert Event.objects.filter(after=RunStatus.CANCELING).count() == 1


def test_a_waiting_run_is_cancelled_at_once():
    run = make.run(status=RunStatus.WAITING)

    body = post(make.caller("runs.cancel_run"), f"runs/{run.pk}/cancel/").json()

    assert (body["first"], body["run"]["status"]) == (True, "cancelled")


def test_a_cancel_after_the_end_is_refused():
    run = make.run()

    body = refusal(post(make.caller("runs.cancel_run"), f"runs/{run.pk}/cancel/"), "completed")

    assert "the cancel came too late" in body["detail"]


def test_a_retry_is_a_new_run_of_the_same_type():
    old = make.failed_run(mode=RunMode.DESTRUCTIVE)
    anna = make.caller("runs.retry_run", "connectors.start_destructive_run")

    response = post(anna, f"runs/{old.pk}/retry/")

    new = Run.objects.get(retry_of=old)
    assert response.status_code == 201
    assert response["Location"].endswith(f"/api/runs/{new.pk}/")
    assert (response.json()["retry_of"], response.json()["type"]) == (old.pk, "destructive")
    assert (new.trigger, new.requested_by) == ("retry", "anna")


@pytest.mark.parametrize("body", [{"everything": True}, {"choice": "everything"}, {"choice": "window"}])
def test_a_retry_that_reuses_nothing_is_asked_for_in_the_body(body):
    old = make.failed_run()
    make.task(old, key="surveys", output={"x": 1})

    post(make.caller("runs.retry_run"), f"runs/{old.pk}/retry/", **body)

    assert not Run.objects.get(retry_of=old).tasks.exclude(reused_from=None).exists()


def test_the_retry_of_a_destructive_run_needs_the_right_to_start_one():
    old = make.failed_run(mode=RunMode.DESTRUCTIVE)

    refused = post(make.caller("runs.retry_run"), f"runs/{old.pk}/retry/")

    assert refused.status_code == 403
    assert "connectors.start_destructive_run" in refused.json()["detail"]
    assert not Run.objects.filter(retry_of=old).exists()


def test_a_dry_retry_answers_the_plan_and_starts_nothing():
    old = make.failed_run()
    make.task(old, key="surveys", endpoint="surveys", output={"call_count": 7}, row_count=120)
    make.task(old, key="responses/north", endpoint="responses", status=TaskStatus.FAILED)

    answer = post(make.caller("runs.retry_run"), f"runs/{old.pk}/retry/?dry_run=1")

    assert (answer.status_code, Run.objects.count()) == (200, 1)
    ways = {way["choice"]: way for way in answer.json()["choices"]}
    assert answer.json()["accepted"] is True
    assert (ways["failed"]["task_count"], ways["failed"]["row_count"]) == (1, 120)
    assert ways["failed"]["called"] == [{"endpoint": "responses", "task_count": 1, "call_count": None}]
    assert ways["consolidation"]["refusal"] == "One extraction is not finished, so it must be fetched first."
    assert {"endpoint": "surveys", "task_count": 1, "call_count": 7} in ways["everything"]["called"]
    assert ways["everything"]["task_count"] == 0


def test_a_choice_that_is_not_possible_is_refused_with_the_reason():
    old = make.failed_run()
    make.task(old, key="surveys", status=TaskStatus.FAILED)

    answer = post(make.caller("runs.retry_run"), f"runs/{old.pk}/retry/", choice="ingestion")

    assert (answer.status_code, answer.json()["code"]) == (409, "choice")
    assert "not finished" in answer.json()["detail"]
    assert not Run.objects.filter(retry_of=old).exists()


@pytest.mark.parametrize(
    ("build", "code"),
    [
        (lambda: make.run(), "not_retryable"),
        (lambda: make.open_run(), "not_retryable"),
        (lambda: _older(make.failed_run()), "not_newest"),
        (lambda: make.rejected_run(make.open_run()), "busy"),
        (lambda: _retried(make.failed_run()), "retried"),
    ],
)
def test_a_retry_that_is_not_allowed_says_why(build, code):
    run = build()

    refusal(post(make.caller("runs.retry_run"), f"runs/{run.pk}/retry/"), code)


def _older(run):
    make.failed_run(run.source)
    return run


def _retried(run):
    make.open_run(run.source, retry_of=run)
    return run


def test_an_open_run_is_closed_by_hand_with_a_reason():
    run = make.open_run()
    make.task(run, status=TaskStatus.RUNNING)

    response = post(make.caller("runs.close_run"), f"runs/{run.pk}/close/", force=True, reason="worker host is gone")

    assert (response.status_code, response.json()["status"]) == (200, "failed")
    assert Event.objects.get(task=None, after="failed").reason == "worker host is gone"


@pytest.mark.parametrize("body", [{}, {"force": True}, {"force": False, "reason": "x"}, {"force": True, "reason": " "}])
def test_a_close_needs_force_and_a_reason(body):
    run = make.open_run()

    refusal(post(make.caller("runs.close_run"), f"runs/{run.pk}/close/", **body), "invalid", 400)

    assert Run.objects.get().status == RunStatus.RUNNING


def test_a_canceling_run_is_closed_only_after_its_deadline():
    run = make.canceling_run()
    make.task(run, status=TaskStatus.RUNNING)
    client = make.caller("runs.close_run")

    refusal(post(client, f"runs/{run.pk}/close/", force=True, reason="stuck"), "not_overdue")
    Run.objects.update(cancel_requested_at=timezone.now() - timedelta(minutes=5))
    response = post(client, f"runs/{run.pk}/close/", force=True, reason="stuck")

    assert (response.status_code, response.json()["status"]) == (200, "cancelled")


@pytest.mark.parametrize("verb", ["cancel", "retry", "close"])
def test_a_verb_without_its_permission_changes_nothing(verb):
    run = make.open_run()
    others = {"cancel", "retry", "close"} - {verb}
    client = make.caller("runs.view_run", *(f"runs.{other}_run" for other in others))

    body = refusal(post(client, f"runs/{run.pk}/{verb}/", force=True, reason="x"), "permission_denied", 403)

    assert f"runs.{verb}_run" in body["detail"]
    assert Run.objects.get().status == RunStatus.RUNNING


@pytest.mark.parametrize("verb", ["cancel", "retry", "close"])
def test_a_verb_on_a_run_that_is_not_there_is_404(verb):
    client = make.caller(f"runs.{verb}_run")

    assert post(client, f"runs/99/{verb}/", force=True, reason="x").status_code == 404
