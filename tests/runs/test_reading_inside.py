"""What the panels that look inside a run read: log, calls, files, columns, configuration; and the facts in short."""

import json
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from connectors.models import ConfigRevision
from ingestion.models import Batch, Part
from runs.models import Level, LogChunk, Run, Task
from runs.reading import logs
from runs.reading.bars import chart_of
from runs.reading.calls import ledger_of, quota_until
from runs.reading.chains import chains_of
from runs.reading.decisions import decisions_of
from runs.reading.files import files_of
from runs.reading.logs import Wanted, tail, whole
from runs.reading.quick import quick_of
from runs.search import matching
from runs.states import RunMode, TaskKind, TaskStatus
from tests import factories

pytestmark = pytest.mark.django_db


def address(run: Run, name: str = "change", **more) -> str:
    return reverse(f"admin:runs_run_{name}", args=[run.pk, *more.values()])


def chunk(task: Task, *lines: tuple[float, int, str], attempt: int = 1) -> LogChunk:
    return LogChunk.objects.create(
        run=task.run,
        task=task,
        attempt=attempt,
        line_count=len(lines),
        worst_level=max(level for _, level, _ in lines),
        last_at=max(at for at, _, _ in lines),
        lines="\n".join(json.dumps([at, level, "page", text]) for at, level, text in lines),
    )


def part(batch: Batch, task: Task, number: int = 1, **fields) -> Part:
    usual = {
        "label": task.label,
        "key": f"default/prod/1/run-1/{task.pk}/2/part-{number}.csv.gz",
        "columns": [],
        "row_count": 10,
        "extracted_count": 10,
        "size": 2_000,
        "sha256": "ab" * 32,
    }
    return Part.objects.create(batch=batch, number=number, **{**usual, **fields})


def texts(run: Run, wanted: Wanted | None = None, **how) -> list[str]:
    return [entry.text for entry in tail(run, wanted or Wanted(), **how).entries]


def test_lines_of_tasks_that_worked_side_by_side_are_shown_in_the_order_of_time(monkeypatch):
    monkeypatch.setattr(logs, "LINES_PER_PAGE", 3)
    run = factories.open_run()
    one, two = factories.task(run, "One"), factories.task(run, "Two")
    chunk(one, (1, 1, "a1"), (4, 1, "a4"))
    chunk(two, (2, 1, "b2"), (5, 1, "b5"))
    chunk(one, (3, 1, "a3"), (6, 1, "a6"))

    newest, older = tail(run, Wanted()), tail(run, Wanted(), page=2)

    assert [entry.text for entry in newest.entries] == ["a4", "b5", "a6"]
    assert [entry.text for entry in older.entries] == ["a1", "b2", "a3"]
    assert (newest.older, older.older) == (True, False)


def test_the_log_is_narrowed_by_level_task_and_text():
    run = factories.open_run()
    one, two = factories.task(run, "One"), factories.task(run, "Two")
    chunk(one, (1, 1, "Page 1"), (2, Level.WARNING, "Again: 503"))
    chunk(two, (3, 1, "Page 1"), (4, Level.ERROR, "Refused"))

    assert texts(run, Wanted(level=2)) == ["Again: 503", "Refused"]
    assert texts(run, Wanted(task=one.pk)) == ["Page 1", "Again: 503"]
    assert texts(run, Wanted(find="PAGE", task=two.pk)) == ["Page 1"]


def test_what_looks_like_a_secret_is_taken_out_of_the_log_when_it_is_read():
    run = factories.open_run()
    chunk(factories.task(run), (1, 2, "asked https://anna:geheim1@api.example.com for anna@example.com"))

    shown = texts(run)[0] + "".join(whole(run, Wanted()))

    assert "geheim1" not in shown
    assert "anna@example.com" not in shown


def test_the_log_can_be_taken_away_as_text(admin_client: Client):
    run = factories.run()
    task = factories.task(run, "Surveys")
    chunk(task, (1, 1, "Page 1"), (2, 3, "Refused"), attempt=2)

    answer = admin_client.get(address(run, "log"), {"level": 3})

    text = b"".join(answer.streaming_content).decode()
    assert text == f"1970-01-01T00:00:02.000000Z ERROR   T{task.pk} Surveys #2: Refused\n"
    assert "attachment" in answer["Content-Disposition"]


def calls(count: int, **more) -> dict[str, object]:
    return {"calls": count, "answers": {"2xx": count}, "wire_bytes": 100, "slowest_seconds": 0.5, **more}


def test_calls_are_summed_by_endpoint_over_tasks():
    run = factories.open_run()
    factories.task(run, "North", calls={"Responses": calls(3)})
    slow = {"answers": {"2xx": 4, "4xx": 1}, "throttled": 1, "waited_seconds": 2.5, "slowest_seconds": 4.0}
    factories.task(run, "South", calls={"Responses": calls(5, **slow), "Login": calls(1)})

    ledger = ledger_of(run)

    responses = ledger.rows[0]
    assert [row.endpoint for row in ledger.rows] == ["Responses", "Login"]
    assert (responses.count.calls, responses.tasks, responses.answers) == (8, 2, [7, 0, 1, 0, 0])
    assert (responses.count.slowest_seconds, responses.count.waited_seconds) == (4.0, 2.5)
    assert (ledger.totals.calls, ledger.totals.throttled, ledger.totals.wire_bytes) == (9, 1, 300)


def test_a_task_that_waits_for_quota_is_said_on_the_page_while_it_waits(admin_client: Client):
    run, until = factories.open_run(), timezone.now() + timedelta(minutes=5)
    task = factories.task(run, status=TaskStatus.QUEUED, quota_until=until)

    assert quota_until(run) == until
    assert "Waiting for quota until" in admin_client.get(address(run)).content.decode()

    Task.objects.filter(pk=task.pk).update(quota_until=timezone.now() - timedelta(seconds=1))

    assert quota_until(run) is None
    assert "Waiting for quota until" not in admin_client.get(address(run)).content.decode()


def test_files_tell_who_wrote_them_and_what_became_of_them():
    run = factories.run()
    task = factories.task(run, "Surveys")
    factories.table(task, "surveys")
    batch = Batch.objects.get()
    large = part(batch, task, 2)
    part(batch, task, 1, merged_into=large)

    files = files_of(run)

    assert [(file.name, file.task, file.attempt, file.state) for file in files.rows] == [
        ("part-1.csv.gz", "Surveys", "2", "merged into a larger file"),
        ("part-2.csv.gz", "Surveys", "2", "staged"),
    ]
    assert (files.row_count, files.size) == (10, 2_000)
    assert files.kept_until == run.finished_at + timedelta(days=7)


def test_staged_files_are_for_those_who_may_see_raw_data(client: Client):
    run = factories.run()
    task = factories.task(run)
    factories.table(task, "surveys")
    file = part(Batch.objects.get(), task)
    client.force_login(factories.person("runs.view_run", name="support"))

    page = client.get(address(run), {"tab": "files"}).content.decode()

    assert file.key not in page
    assert client.get(address(run, "file", part=file.pk)).status_code == 403
    client.force_login(factories.person("runs.view_run", "runs.view_raw_data", name="engineer"))
    assert client.get(address(run, "file", part=file.pk)).status_code == 302
    assert client.get(address(factories.run(), "file", part=file.pk)).status_code == 404


def test_a_decision_names_the_types_seen_and_the_tasks_that_sent_them():
    run = factories.run()
    north, south = factories.task(run, "North"), factories.task(run, "South")
    factories.table(north, "surveys")
    batch = Batch.objects.get()
    columns = [{"name": "id", "source": "id", "type": "integer(4,0,4)"}]
    both = [*columns, {"name": "score", "source": "a.score", "type": "text"}]
    batch.blueprint = both
    batch.changes = [
        {"kind": "widened", "column": "score", "before": "integer", "after": "text", "by": [south.label]},
        {"kind": "missing", "column": "old", "before": "text", "after": "", "by": []},
    ]
    batch.save()
    part(batch, north, 1, columns=[*columns, {"name": "score", "source": "a.score", "type": "integer(1,0,1)"}])
    part(batch, south, 2, columns=both)

    (table,) = decisions_of(run)

    assert (table.before, table.after) == (2, 2)
    assert [(one.column, one.word, list(one.seen)) for one in table.decisions] == [
        ("score", "Wider type", [("integer", "North"), ("text", "South")]),
        ("old", "Not sent this time", [("", "")]),
    ]


def test_the_configuration_is_compared_with_that_of_the_run_before(admin_client: Client):
    source = factories.source()
    before = factories.run(source)
    source.settings = {**source.settings, "api_key": "abcdef-123456"}
    source.save()
    run = factories.run(source, config=ConfigRevision.of(source))

    page = admin_client.get(address(run), {"tab": "configuration"}).content.decode()

    assert f"run {before.pk}</a>, used revision 1" in page
    assert "+    &quot;api_key&quot;" in page
    assert "abcdef-123456" not in page
    assert "first run of this source" in admin_client.get(address(before), {"tab": "configuration"}).content.decode()


def test_a_retry_names_its_place_in_the_chain_and_the_others():
    source = factories.source()
    first = factories.failed_run(source)
    second = factories.failed_run(source, retry_of=first)
    third = factories.run(source, retry_of=second)

    quick = quick_of(second, before=first, now=timezone.now())

    assert (quick.lineage.place, quick.lineage.count) == (2, 3)
    assert [run.pk for run in quick.lineage.others] == [first.pk, third.pk]


def test_quick_facts_count_calls_rows_and_windows():
    run = factories.open_run(mode=RunMode.INCREMENTAL)
    task = factories.task(
        run,
        endpoint="surveys",
        since="2026-01-01",
        checkpoint={"cursor": "2026-02-01"},
        worker="host:12/abc",
        call_count=7,
        throttled_count=2,
        waited_seconds=3.5,
        calls={"Surveys": calls(7)},
    )
    factories.table(task, "surveys")
    Batch.objects.update(extracted_count=12, staged_count=10, rejected_count=2)

    quick = quick_of(run, before=None, now=timezone.now())

    assert quick.windows == "surveys from 2026-01-01 to 2026-02-01"
    assert (quick.calls, quick.throttled, quick.waited_for, quick.fetched) == (7, 2, 3.5, "100 bytes")
    assert (quick.extracted, quick.staged, quick.rejected, quick.workers) == (12, 10, 2, ["host:12"])


def test_bars_are_drawn_beside_the_last_good_run_and_never_too_thin_to_see():
    source = factories.source()
    for run, rows in ((factories.run(source), 1_000), (factories.run(source), 1)):
        factories.table(factories.task(run), "surveys")
        Batch.objects.filter(owner=run.owner).update(loaded_count=rows)

    chart = chart_of(chains_of(run))

    (pair,) = chart.pairs
    assert (pair.rows, pair.before, pair.width_before) == (1, 1_000, 100.0)
    assert pair.width > 0.3


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("status:failed", {"Surveys"}),
        ("kind:extr >5m", {"Surveys"}),
        ("kind:ingestion", {"Postgres ingestion: employees"}),
        ("table:emp", {"Postgres ingestion: employees"}),
        ("<5m", {"Staff"}),
        ("kind:extraction sta", {"Staff"}),
        ("kind:nothing", set()),
    ],
)
def test_operators_narrow_a_search(text, names):
    run, now = factories.open_run(), timezone.now()
    long = {"started_at": now - timedelta(minutes=9), "finished_at": now}
    factories.task(run, "Surveys", status=TaskStatus.FAILED, **long)
    factories.task(run, "Staff", started_at=now - timedelta(seconds=9), finished_at=now)
    loading = factories.task(run, "Postgres ingestion: employees", kind=TaskKind.INGESTION)
    factories.table(loading, "employees")

    assert {task.name for task in matching(run.tasks.all(), text, run_id=run.pk)} == names


def test_a_run_of_very_many_tasks_shows_them_by_kind_first(admin_client: Client):
    run = factories.open_run(task_count=201)
    factories.task(run)

    whole_page = admin_client.get(address(run)).content.decode()
    narrowed = admin_client.get(address(run), {"kind": "extraction"}).content.decode()

    assert f"Tasks of run {run.pk} by kind" in whole_page
    assert f"Tasks of run {run.pk} by kind" not in narrowed
