"""The page of one run: what it says in each status, its panels, its search, and its live fragment."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from ingestion.models import Batch
from runs.admin.view import TABS
from runs.models import Level, Run, Task
from runs.reading import freshness
from runs.states import RUN_WORDS, RunMode, RunStatus, TaskKind, TaskStatus
from tests import factories

pytestmark = pytest.mark.django_db
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def admin(admin_client: Client) -> Client:
    return admin_client


def address(run: Run, name: str = "change") -> str:
    return reverse(f"admin:runs_run_{name}", args=[run.pk])


def read(client: Client, run: Run, **query: object) -> str:
    page = client.get(address(run), query)
    assert page.status_code == 200
    return page.content.decode()


def tasks_shown(html: str) -> list[int]:
    return [int(found) for found in re.findall(r'<tr id="task-(\d+)"', html)]


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html.replace("\u00a0", " ")))


def test_the_header_names_the_run_its_status_source_and_type(admin):
    run = factories.open_run(mode=RunMode.DESTRUCTIVE)

    page = read(admin, run)

    assert f'data-copy="{run.pk}"' in page
    assert reverse("admin:connectors_datasource_change", args=[run.source_id]) in page
    assert "Destructive" in page
    assert RUN_WORDS["running"] in page


def test_a_running_run_says_how_far_it_is_and_what_the_last_one_took(admin):
    source, now = factories.source(), timezone.now()
    factories.run(source, started_at=now - timedelta(minutes=41), finished_at=now)
    run = factories.open_run(source, row_count=1_204_331, started_at=now - timedelta(minutes=22))
    factories.task(run, "Surveys")
    factories.task(run, "Responses", status=TaskStatus.RUNNING, lease_until=now + timedelta(minutes=1))

    text = text_of(read(admin, run))

    assert "Running for 22 min" in text
    assert "Extraction: 1 of 2 tasks ended. 1,204,331 rows so far." in text
    assert "The last completed incremental run took 41 min 00 s." in text


def test_a_waiting_run_that_nobody_takes_asks_whether_a_worker_is_running(admin):
    fresh = factories.run(factories.source("Fresh"), status=RunStatus.WAITING, created_at=timezone.now())
    stale = factories.run(factories.source("Stale"), status=RunStatus.WAITING)

    assert "waiting for a worker, and nothing is ahead of it." in text_of(read(admin, fresh))
    stale_text = text_of(read(admin, stale))
    assert "No worker has taken this run for 10 min. Workers seen in the last minute: 0: is one running?" in stale_text


def test_a_canceling_run_says_who_asked_and_when_it_can_be_forced(admin):
    run = factories.canceling_run(by="bert", task_count=9, ended_task_count=7)

    text = text_of(read(admin, run))

    assert "bert asked to cancel" in text
    assert "7 of 9 tasks have ended. It can be forced closed in" in text
    assert "bert asked to cancel already" in text


def test_a_rejected_run_links_the_run_that_was_in_its_way(admin):
    blocker = factories.open_run()
    run = factories.rejected_run(blocker)

    page = read(admin, run)

    assert f'href="{address(blocker)}"' in page
    assert f"Run {blocker.pk} of this source is still open" in page


def test_a_failed_run_says_what_happened_to_the_data_and_what_to_do(admin):
    run = factories.failed_run()
    task = factories.task(run, "Surveys", status=TaskStatus.FAILED, finished_at=timezone.now())
    factories.task(run, "Later", status=TaskStatus.FAILED, finished_at=timezone.now() + timedelta(seconds=9))
    factories.message(run, task=task)

    page = read(admin, run)

    text = text_of(page)
    assert "The source refused our login (401)." in text
    assert "No table was changed." in text
    assert "Renew the client secret." in text
    assert f"{run.pk}-T{task.pk}" in text
    assert re.search(rf'id="first-failure" href="[^"]*messages={task.pk}#task-{task.pk}">Surveys', page)
    assert page.count("first failure") == 1


def test_a_completed_run_leads_to_its_data_load_and_shows_no_failure(admin):
    run = factories.run(outcome="2 tables are live with 10 rows.")
    load = factories.data_load(run)

    page = read(admin, run)

    assert reverse("admin:runs_dataload_change", args=[load.pk]) in page
    assert "2 tables are live with 10 rows." in page
    assert "hg-card-failed" not in page


def test_only_the_newest_run_can_be_retried_and_the_page_says_which(admin):
    source = factories.source()
    older, newer = factories.failed_run(source), factories.failed_run(source)

    assert f"Only the newest run of this source can be retried: run {newer.pk}." in text_of(read(admin, older))
    assert f'href="{address(newer, "retry")}"' in read(admin, newer)


def test_stages_count_their_tasks(admin):
    run = factories.open_run()
    factories.task(run, "Surveys")
    factories.task(run, "Responses", status=TaskStatus.FAILED)
    factories.task(run, "Metadata consolidation", status=TaskStatus.WAITING, kind=TaskKind.METADATA)

    page = admin.get(address(run))

    stages = {stage.name: (stage.status, stage.ended, stage.total) for stage in page.context["stages"]}
    assert stages["Extraction"] == ("failed", 2, 2)
    assert stages["Metadata consolidation"] == ("waiting", 0, 1)
    assert stages["Table consolidation"] == ("waiting", 0, 0)
    assert stages["Ingestion"] == ("waiting", 0, 0)
    assert list(stages)[-1] == "Complete ingestion"


def test_tasks_are_ordered_by_what_needs_a_look_first(admin):
    run, now = factories.open_run(), timezone.now()
    done = factories.task(run, "Done", started_at=now)
    waiting = factories.task(run, "Waits", status=TaskStatus.WAITING)
    queued = factories.task(run, "Queued", status=TaskStatus.QUEUED)
    late = {"status": TaskStatus.RUNNING, "started_at": now}
    running = factories.task(run, "Runs", lease_until=now + timedelta(minutes=1), **late)
    silent = factories.task(run, "Silent", lease_until=now - timedelta(minutes=1), **late)
    failed = factories.task(run, "Failed", status=TaskStatus.FAILED, started_at=now)

    page = read(admin, run)

    assert tasks_shown(page) == [task.pk for task in (failed, silent, running, queued, waiting, done)]
    assert "No sign of life from 1 task" in page


@pytest.mark.parametrize(
    ("text", "found", "rule"),
    [
        ("cri", "Complete Redshift ingestion", "acronym"),
        ("surv", "Surveys", "name"),
        ("Waiting", "Metadata consolidation", "status"),
        ("employee", "Staff", "table"),
        ("429", "Surveys", "message"),
    ],
)
def test_the_search_says_which_of_its_rules_found_a_task(admin, text, found, rule):
    run = factories.open_run()
    surveys, staff = factories.task(run, "Surveys"), factories.task(run, "Staff")
    factories.message(run, "The source answered 429.", task=surveys)
    factories.table(staff, "employees")
    factories.task(run, "Metadata consolidation", status=TaskStatus.WAITING, kind=TaskKind.METADATA)
    factories.task(run, "Complete Redshift ingestion", kind=TaskKind.COMPLETION)

    page = read(admin, run, q=text)

    assert [Task.objects.get(pk=pk).name for pk in tasks_shown(page)] == [found]
    assert f"matched by {rule}" in page
    assert "1 task of" in page


def test_a_search_without_a_match_says_so(admin):
    run = factories.open_run()
    factories.task(run, "Surveys")

    assert "No task matches." in read(admin, run, q="start")


def test_the_number_of_tables_opens_names_descriptions_and_rows_by_an_address(admin):
    run = factories.run()
    task, other = factories.task(run, "Surveys"), factories.task(run, "Staff")
    factories.table(task, "surveys", description="All surveys.", row_count=12_345)
    factories.table(other, "employees")
    link = re.search(rf'id="tables-of-{task.pk}" href="(\?tables={task.pk})#', read(admin, run))
    assert link is not None

    page = admin.get(address(run) + link[1]).content.decode()

    assert "All surveys." in page
    assert "12,345" in page
    assert "<code>employees</code>" not in page


def test_the_number_of_messages_opens_their_texts_by_an_address(admin):
    run = factories.failed_run()
    task = factories.task(run, status=TaskStatus.FAILED, message_count=1, worst_level=Level.ERROR)
    factories.message(run, "The answer could not be read.", task=task, count=3)

    closed, opened = read(admin, run, tab="tasks"), read(admin, run, messages=task.pk)

    assert f'id="messages-of-{task.pk}" href="?messages={task.pk}#' in closed
    assert opened.count("The answer could not be read.") == closed.count("The answer could not be read.") + 1
    assert "3 times" in opened


def test_the_tables_panel_shows_the_chain_of_counts_and_the_changes_of_columns(admin):
    run = factories.run()
    factories.table(factories.task(run), "surveys")
    Batch.objects.update(
        extracted_count=1_010,
        rejected_count=4,
        superseded_count=6,
        staged_count=1_000,
        loaded_count=1_000,
        live_count=5_000,
        changes=[
            {"kind": "added", "column": "origin", "before": "", "after": "text"},
            {"kind": "widened", "column": "distance", "before": "integer", "after": "numeric(38,2)"},
        ],
    )

    text = text_of(read(admin, run, tab="tables"))

    assert "1,010 4 6 1,000 1,000 5,000" in text
    assert "new: origin (text)" in text
    assert "wider: distance (integer → numeric(38,2))" in text


def test_technical_detail_is_for_those_who_may_see_raw_data(client):
    run = factories.failed_run()
    task = factories.task(run, status=TaskStatus.FAILED, finished_at=timezone.now())
    factories.message(run, task=task, detail="Authorization header was refused")
    client.force_login(factories.person("runs.view_run", name="support"))
    seen = [read(client, run, tab=tab) for tab in ("tasks", "messages")]
    client.force_login(factories.person("runs.view_run", "runs.view_raw_data", name="engineer"))

    for tab, page in zip(("tasks", "messages"), seen, strict=True):
        assert "Authorization header was refused" not in page
        assert "Authorization header was refused" in read(client, run, tab=tab)


def test_history_names_who_moved_what_and_why(admin):
    run = factories.open_run()
    factories.event(run, "", "waiting", actor="anna")
    factories.event(run, "waiting", "running", actor="system", reason="“Surveys” was taken up")

    text = text_of(read(admin, run, tab="history"))

    assert "“Surveys” was taken up" in text
    assert text.index("system") < text.rindex("anna")


@pytest.mark.parametrize("tab", TABS)
def test_hostile_texts_show_as_text_in_every_panel(admin, tab):
    run = factories.failed_run(requested_by=HOSTILE, outcome=HOSTILE, cancel_requested_by=HOSTILE)
    task = factories.task(run, HOSTILE, status=TaskStatus.FAILED, note=HOSTILE, worker=HOSTILE)
    factories.table(task, HOSTILE, description=HOSTILE)
    factories.message(run, HOSTILE, task=task, advice=HOSTILE, detail=HOSTILE, table=HOSTILE)
    factories.event(run, "waiting", "running", actor=HOSTILE, reason=HOSTILE, task=task)
    Batch.objects.update(changes=[{"kind": "added", "column": HOSTILE, "before": "", "after": HOSTILE}])

    for query in ({}, {"tables": task.pk}, {"messages": task.pk}, {"q": HOSTILE}):
        page = read(admin, run, tab=tab, **query)
        assert HOSTILE not in page
        assert "&lt;script&gt;" in page


@pytest.mark.parametrize("tab", TABS)
def test_a_bigger_run_costs_no_more_queries(admin, tab):
    run = factories.failed_run()

    def grow(count: int) -> None:
        for number in range(count):
            task = factories.task(run, f"Task {number}", status=TaskStatus.FAILED)
            factories.table(task, f"table_{task.pk}")
            factories.message(run, f"Message {number}", task=task)
            factories.event(run, "queued", "running", task=task)

    def queries() -> int:
        with CaptureQueriesContext(connection) as asked:
            read(admin, run, tab=tab, q="task")
        return len(asked)

    grow(1)
    queries()
    few = queries()
    grow(20)

    assert queries() == few
    assert few <= 40


def test_a_run_of_many_tasks_is_paged(admin):
    run = factories.open_run()
    for number in range(150):
        factories.task(run, f"Task {number}")

    first, second = read(admin, run), read(admin, run, page=2)

    assert (len(tasks_shown(first)), len(tasks_shown(second))) == (100, 50)
    assert "Page 1 of 2" in first


@pytest.mark.parametrize(
    "query", ["?tab=nonsense", "?page=-4&tables=x&messages=99999999999999999999", "?kind=a,b", "?q=%00%25_'"]
)
def test_a_broken_address_still_shows_the_page(admin, query):
    run = factories.open_run()
    factories.task(run)

    assert admin.get(address(run) + query).status_code == 200


def test_a_run_that_does_not_exist_is_not_found(admin):
    assert admin.get(reverse("admin:runs_run_change", args=[404])).status_code == 404
    assert admin.get(reverse("admin:runs_run_change", args=["x"])).status_code == 404
    assert admin.get(reverse("admin:runs_run_live", args=[404])).status_code == 404


def test_an_open_run_is_looked_at_again_and_an_ended_one_is_not(admin):
    open_run, ended = factories.open_run(factories.source("One")), factories.run(factories.source("Two"))

    assert f'data-live="{address(open_run, "live")}" data-poll="' in read(admin, open_run)
    assert "data-live" not in read(admin, ended)


def test_nothing_is_sent_while_nothing_changes(admin, monkeypatch):
    monkeypatch.setattr(freshness, "WORDS_LAST", 10**9)
    run = factories.open_run(version=7)
    first = admin.get(address(run, "live"))

    unchanged = admin.get(address(run, "live"), headers={"If-None-Match": first["ETag"]})
    Run.objects.update(version=8)
    changed = admin.get(address(run, "live"), headers={"If-None-Match": first["ETag"]})

    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert (first.status_code, changed.status_code) == (200, 200)
    assert changed["ETag"] != first["ETag"]
    assert changed.content.decode().count('id="run-top"') == 1
    assert changed.content.decode().count('id="run-panel"') == 1


def test_only_fragments_that_changed_are_sent(admin):
    run = factories.open_run()
    task = factories.task(run, status=TaskStatus.RUNNING, started_at=timezone.now())
    known = admin.get(address(run, "live"))["X-Fragments"]

    unchanged = admin.get(address(run, "live"), headers={"X-Have": known})
    Task.objects.filter(pk=task.pk).update(failures=2)
    changed = admin.get(address(run, "live"), headers={"X-Have": known}).content.decode()

    assert unchanged.content == b""
    assert 'id="run-panel"' in changed
    assert 'id="run-top"' not in changed


@pytest.mark.parametrize(
    ("fields", "task", "seconds"),
    [
        ({"status": RunStatus.WAITING}, {"status": TaskStatus.QUEUED}, "3"),
        ({}, {"status": TaskStatus.RUNNING, "started_at": timedelta(seconds=2)}, "3"),
        ({}, {"status": TaskStatus.RUNNING, "started_at": timedelta(minutes=2)}, "10"),
        ({}, {"status": TaskStatus.QUEUED, "not_before": timedelta(minutes=-5)}, "10"),
        ({"status": RunStatus.COMPLETED}, {}, "0"),
    ],
)
def test_a_run_is_looked_at_often_while_tasks_start_or_end(admin, fields, task, seconds):
    now = timezone.now()
    run = factories.run(**{"status": RunStatus.RUNNING, **fields})
    times = {name: now - value for name, value in task.items() if isinstance(value, timedelta)}
    factories.task(run, **{**task, **times})

    assert admin.get(address(run, "live"))["X-Poll-Seconds"] == seconds


def test_the_last_word_of_an_ended_run_stops_the_polling(admin):
    run = factories.run(version=9)
    known = admin.get(address(run, "live"))

    last = admin.get(address(run, "live"), headers={"If-None-Match": known["ETag"], "X-Have": known["X-Fragments"]})

    assert last.status_code == 286
    assert 'id="run-top"' in last.content.decode()
    assert "data-seconds" not in last.content.decode()


def test_an_open_panel_stays_open_over_a_refresh(admin):
    run = factories.open_run()
    task = factories.task(run)
    factories.table(task, "surveys", description="All surveys.")

    fragment = admin.get(address(run, "live"), {"tables": task.pk}).content.decode()

    assert "All surveys." in fragment


def test_the_page_and_its_fragment_need_the_right_to_view_runs(client):
    run = factories.open_run()
    client.force_login(factories.person(name="guest"))

    assert client.get(address(run)).status_code == 403
    assert client.get(address(run, "live")).status_code == 403
    client.logout()
    assert client.get(address(run, "live")).status_code == 302


def test_pages_bring_no_script_of_ours_inline_and_nothing_from_elsewhere(admin):
    run = factories.open_run()
    factories.task(run)

    page = read(admin, run)

    ours = page[page.index('<div class="hg-run"') :]
    assert "<script" not in ours[: ours.index('id="run-panel"')]
    assert " style=" not in ours[: ours.index('id="run-panel"')]
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page)
    assert "unfold/js/htmx/htmx.js" in page
