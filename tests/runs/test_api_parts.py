"""What hangs on a run over HTTP: tasks and their search, messages, tables, history; and data loads."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from runs.models import Level
from runs.states import RunStatus, TaskKind, TaskStatus
from tests import factories as make

pytestmark = pytest.mark.django_db
RAW = "runs.view_raw_data"


@pytest.fixture
def reader():
    return make.caller("runs.view_run")


def rows(client, path, **query):
    response = client.get(f"/api/{path}/", query)
    assert response.status_code == 200, response.content
    return response.json()["results"]


def test_tasks_are_listed_in_their_order_with_their_words(reader):
    run = make.open_run()
    make.task(run, "Surveys")
    make.task(run, "Complete Redshift ingestion", kind=TaskKind.COMPLETION, status=TaskStatus.WAITING)
    make.task(make.open_run(make.source("Other")), "Elsewhere")

    tasks = rows(reader, f"runs/{run.pk}/tasks")

    assert [task["name"] for task in tasks] == ["Surveys", "Complete Redshift ingestion"]
    assert [task["status_label"] for task in tasks] == ["Completed", "Waiting to start"]
    assert tasks[1]["kind_label"] == "Completion"


@pytest.mark.parametrize(
    ("text", "name", "rule"),
    [
        ("cri", "Complete Redshift ingestion", "acronym"),
        ("surv", "Surveys", "name"),
        ("Waiting", "Complete Redshift ingestion", "status"),
        ("employee", "Responses", "table"),
        ("429", "Surveys", "message"),
    ],
)
def test_a_search_says_which_rule_matched(reader, text, name, rule):
    run = make.open_run()
    make.message(run, "The source answered 429.", task=make.task(run, "Surveys"))
    make.table(make.task(run, "Responses"), "employee")
    make.task(run, "Complete Redshift ingestion", status=TaskStatus.WAITING)

    found = rows(reader, f"runs/{run.pk}/tasks", q=text)

    assert [(task["name"], task["matched_rule"]) for task in found] == [(name, rule)]


def test_tasks_are_filtered_and_ordered(reader):
    run = make.open_run()
    make.task(run, "A", endpoint="surveys")
    make.task(run, "B", status=TaskStatus.FAILED)
    make.task(run, "C", status=TaskStatus.CANCELLED, kind=TaskKind.INGESTION)

    def names(**query):
        return [task["name"] for task in rows(reader, f"runs/{run.pk}/tasks", **query)]

    assert names(status="failed") == ["B"]
    assert names(status="canceled") == ["C"]
    assert names(kind="ingestion") == ["C"]
    assert names(endpoint="surveys") == ["A"]
    assert names(ordering="status") == ["B", "C", "A"]
    assert names(ordering="-name") == ["C", "B", "A"]


def test_hosts_and_technical_details_are_for_those_who_may_see_raw_data():
    run = make.open_run()
    task = make.task(run, worker="host-7/1234")
    make.message(run, task=task)
    make.event(run, "queued", "running", task=task, actor="worker host-7/1234")
    plain, entitled = make.caller("runs.view_run"), make.caller("runs.view_run", RAW, name="ben")

    def seen(client):
        at = f"runs/{run.pk}"
        task, message, event = (rows(client, f"{at}/{part}")[0] for part in ("tasks", "messages", "events"))
        return task["worker"], message["detail"], event["actor"]

    assert seen(plain) == (None, None, "worker")
    assert seen(entitled) == ("host-7/1234", "HTTP 401", "worker host-7/1234")


def test_nothing_internal_of_a_task_is_shown_to_anybody():
    run = make.open_run()
    make.task(run, partition={"slices": [{"id": "canary"}]}, checkpoint={"c": "canary"}, output={"o": "canary"})

    response = make.caller("runs.view_run", RAW).get(f"/api/runs/{run.pk}/tasks/")

    assert b"canary" not in response.content


def test_messages_come_newest_first_and_are_filtered_by_level_and_task(reader):
    run = make.failed_run()
    task = make.task(run)
    make.message(run, "One", level=Level.INFO, task=task)
    make.message(run, "Two", level=Level.WARNING, table="surveys")
    make.message(run, "Three", code="lost")

    def texts(**query):
        return [message["text"] for message in rows(reader, f"runs/{run.pk}/messages", **query)]

    assert texts() == ["Three", "Two", "One"]
    assert texts(level=2) == ["Three", "Two"]
    assert texts(task=task.pk) == ["One"]
    assert texts(table="surveys") == ["Two"]
    assert texts(code="lost") == ["Three"]


def test_tables_give_name_description_and_records_of_each_task(reader):
    run = make.run()
    surveys = make.task(run, "Surveys")
    make.table(surveys, "surveys", description="One row for each survey.", row_count=12)
    make.table(make.task(run, "Load surveys", kind=TaskKind.INGESTION), "surveys", row_count=11)

    tables = rows(reader, f"runs/{run.pk}/tables", task=surveys.pk)

    assert [(t["name"], t["description"], t["row_count"]) for t in tables] == [
        ("surveys", "One row for each survey.", 12)
    ]
    assert [t["row_count"] for t in rows(reader, f"runs/{run.pk}/tables", kind="ingestion")] == [11]


def test_history_tells_each_move_in_the_words_people_know(reader):
    run = make.open_run()
    make.event(run, "", "waiting")
    make.event(run, "waiting", "running", actor="system")
    make.event(run, "waiting", "queued", task=make.task(run), attempt=0)

    events = rows(reader, f"runs/{run.pk}/events")

    assert [(e["before_label"], e["after_label"]) for e in events] == [
        ("", "Waiting to start"),
        ("Waiting to start", "Running"),
        ("Waiting to start", "Waiting to start"),
    ]
    assert len(rows(reader, f"runs/{run.pk}/events", of_run="true")) == 2


def test_data_loads_are_listed_and_filtered():
    client = make.caller("runs.view_dataload")
    one, two = make.data_load(make.run(make.source("One")), row_count=9), make.data_load(make.run(make.source("Two")))

    assert [load["id"] for load in rows(client, "data-loads")] == [two.pk, one.pk]
    found = rows(client, "data-loads", source=one.run.source_id, status="completed")
    assert [(load["run"], load["source_name"], load["row_count"]) for load in found] == [(one.run_id, "One", 9)]
    assert client.get(f"/api/data-loads/{one.pk}/").json()["status_label"] == "Completed"


@pytest.mark.parametrize("part", ["tasks", "messages", "tables", "events"])
def test_the_parts_of_a_run_need_the_permission_to_see_runs(part):
    run = make.run()

    assert make.caller("runs.view_dataload").get(f"/api/runs/{run.pk}/{part}/").status_code == 403


def test_data_loads_need_their_own_permission(reader):
    assert reader.get("/api/data-loads/").status_code == 403


@pytest.mark.parametrize(
    "path", ["runs/{}/tasks", "runs/{}/messages", "runs/{}/tables", "runs/{}/events", "data-loads"]
)
def test_thirty_rows_cost_as_many_queries_as_three(path, django_assert_num_queries):
    client = make.caller("runs.view_run", "runs.view_dataload", RAW)
    run = make.open_run()
    fill(run, 3)
    with CaptureQueriesContext(connection) as few:
        assert len(rows(client, path.format(run.pk))) == 3
    fill(run, 27)

    with django_assert_num_queries(len(few)):
        assert len(rows(client, path.format(run.pk))) == 30


def fill(run, count):
    for n in range(count):
        task = make.task(run, f"Responses {n}")
        make.table(task, f"responses_{n}")
        make.message(run, f"Text {n}", task=task)
        make.event(run, task=task)
        make.data_load(make.run(run.source, status=RunStatus.COMPLETED))
