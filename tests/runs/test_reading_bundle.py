"""Comparing two runs, and the support bundle: from the page, the API and the command; without secrets."""

import io
import json
from zipfile import ZipFile

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from connectors.models import ConfigRevision
from ingestion.models import Batch
from runs.models import Level
from runs.reading.bundle import bundle_of
from runs.reading.compare import compare, partner_of
from runs.reading.redaction import Censor
from runs.states import TaskStatus
from tests import factories

pytestmark = pytest.mark.django_db
SECRET = "sup3r-s3cret/value"


def read(zipped) -> dict[str, str]:
    with ZipFile(zipped) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name).decode() for name in archive.namelist()}


def failed_run_that_leaks():
    source = factories.source()
    source.seal({"token": SECRET})
    source.save()
    run = factories.failed_run(source)
    task = factories.task(run, status=TaskStatus.FAILED, finished_at=timezone.now(), fault="auth", worker="host-7:11")
    factories.message(
        run, f"The source said {SECRET} is wrong.", task=task, detail="Authorization: Bearer abc123def456"
    )
    factories.event(run, "queued", "running", task=task, actor="worker host-7:11/ab")
    factories.event(run, "running", "failed", task=task, actor="worker host-7:11/ab", reason=f"refused {SECRET}")
    factories.table(task, "surveys")
    return run, task


def bundle(run, *, raw=True) -> dict[str, str]:
    return read(bundle_of(run, raw=raw, made_by="anna", now=timezone.now()))


def test_a_bundle_holds_the_run_its_parts_and_the_logs_of_failed_tasks():
    run, task = failed_run_that_leaks()

    files = bundle(run)

    expected = {"README.txt", "run.json", "failure.txt", "tables.json", "configuration.json", "tasks.json"}
    assert set(files) == expected | {"messages.json", "events.json", f"logs/{run.pk}-T{task.pk}.log"}
    assert json.loads(files["run.json"])["id"] == run.pk
    assert "No table was changed." in files["failure.txt"]
    assert [row["after"] for row in json.loads(files["events.json"])] == ["running", "failed"]
    log = files[f"logs/{run.pk}-T{task.pk}.log"]
    assert log.index("MOVE queued -> running") < log.index("MOVE running -> failed")
    assert "ERROR auth: The source said" in log


@pytest.mark.parametrize("raw", [True, False])
def test_no_known_secret_leaves_in_a_bundle_whoever_makes_it(raw):
    run, _ = failed_run_that_leaks()

    everything = "".join(bundle(run, raw=raw).values())

    assert SECRET not in everything
    assert "abc123def456" not in everything
    assert "•••" in everything


def test_details_and_hosts_are_for_those_who_may_see_raw_data():
    run, _ = failed_run_that_leaks()

    assert "host-7" in "".join(bundle(run, raw=True).values())
    plain = "".join(bundle(run, raw=False).values())
    assert "host-7" not in plain
    assert "Authorization" not in plain


@pytest.mark.parametrize(
    "text",
    [
        "password=hunter2hunter2",
        '{"api_key": "Zm9vYmFyYmF6"}',
        "https://anna:hunter2hunter2@example.org/x",
        "Basic YW5uYTpodW50ZXIy",
        "eyJhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.c2lnbmF0dXJl",
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_abcdefghijklmnop1234",
        "-----BEGIN RSA PRIVATE KEY-----\nhunter2\n-----END RSA PRIVATE KEY-----",
        "write to anna.smith@example.org",
    ],
)
def test_what_looks_like_a_secret_is_taken_out(text):
    cleaned = Censor().text(f"before {text} after")

    for part in ("hunter2", "Zm9v", "YW5u", "eyJ", "AKIA", "ghp_", "anna.smith"):
        assert part not in cleaned
    assert cleaned.startswith("before")


def test_ordinary_words_and_values_under_telling_names_are_told_apart():
    censor = Censor()

    assert censor.text("Page 3 of “Surveys” answered 500 after 12 s.") == "Page 3 of “Surveys” answered 500 after 12 s."
    cleaned = censor.data({"client_secret": "x", "rows": 3, "list": ["a", {"token": "y"}], "token": None})
    assert cleaned == {"client_secret": "•••", "rows": 3, "list": ["a", {"token": "•••"}], "token": None}


def test_the_page_the_api_and_the_command_give_the_same_files(admin_client, tmp_path):
    run, _ = failed_run_that_leaks()
    page = admin_client.get(reverse("admin:runs_run_bundle", args=[run.pk]))
    answer = factories.caller("runs.view_run", "runs.view_raw_data").get(f"/api/runs/{run.pk}/bundle/")
    call_command("support_bundle", run.pk, "--output", str(tmp_path))

    names = [set(read(io.BytesIO(b"".join(got.streaming_content)))) for got in (page, answer)]

    assert page["Content-Disposition"] == f'attachment; filename="headgate-run-{run.pk}.zip"'
    assert answer["Content-Type"] == "application/zip"
    assert names[0] == names[1] == set(read(tmp_path / f"headgate-run-{run.pk}.zip"))


def test_a_bundle_needs_the_right_to_view_runs(client):
    run = factories.run()
    client.force_login(factories.person(name="guest"))

    assert client.get(reverse("admin:runs_run_bundle", args=[run.pk])).status_code == 403
    assert client.get(reverse("admin:runs_run_compare", args=[run.pk])).status_code == 403
    assert factories.caller(name="other").get(f"/api/runs/{run.pk}/bundle/").status_code == 403


def test_a_command_for_a_run_or_a_place_that_is_not_there_says_so(tmp_path):
    run = factories.run()

    with pytest.raises(CommandError, match="There is no run 404"):
        call_command("support_bundle", 404)
    with pytest.raises(CommandError, match="cannot be written"):
        call_command("support_bundle", run.pk, "--output", str(tmp_path / "none" / "x.zip"))


def pair_of_runs():
    source = factories.source()
    good, bad = factories.run(source), factories.failed_run(source)
    for run, rows in ((good, 100), (bad, 50)):
        factories.table(factories.task(run, "Surveys"), "surveys")
        Batch.objects.filter(owner=run.owner).update(loaded_count=rows)
    factories.task(bad, "Staff", status=TaskStatus.FAILED)
    factories.table(factories.task(bad, "New"), "fresh")
    factories.message(good, "Both said it.", level=Level.INFO, fingerprint="b" * 32)
    factories.message(bad, "Both said it.", level=Level.INFO, fingerprint="b" * 32, count=3)
    factories.message(bad)
    return good, bad


def test_two_runs_are_compared_by_stage_table_and_message():
    good, bad = pair_of_runs()

    found = compare(good, bad, now=timezone.now())

    assert (found.stages[0].left.total, found.stages[0].right.total, found.stages[0].right.failed) == (1, 3, 1)
    surveys = next(pair for pair in found.tables if pair.name.endswith("surveys"))
    fresh = next(pair for pair in found.tables if pair.name.endswith("fresh"))
    assert (surveys.left, surveys.right, surveys.change) == (100, 50, -50.0)
    assert fresh.left is None
    said = [(pair.text, pair.left, pair.right) for pair in found.messages]
    assert said == [("The source refused our login (401).", 0, 1), ("Both said it.", 1, 3)]
    assert found.configuration == []


def test_a_run_is_compared_with_the_last_good_one_unless_told_otherwise(admin_client):
    good, bad = pair_of_runs()
    later = factories.failed_run(bad.source)
    address = reverse("admin:runs_run_compare", args=[later.pk])

    assert partner_of(later) == good
    assert f"Run {later.pk} beside run {good.pk}" in admin_client.get(address).content.decode()
    assert f"Run {later.pk} beside run {bad.pk}" in admin_client.get(address, {"with": bad.pk}).content.decode()


@pytest.mark.parametrize("asked", ["404", "x", "99999999999999999999"])
def test_a_partner_that_is_not_there_goes_back_and_says_so(admin_client, asked):
    _, bad = pair_of_runs()

    page = admin_client.get(reverse("admin:runs_run_compare", args=[bad.pk]), {"with": asked}, follow=True)

    assert "There is no other run" in str(next(iter(page.context["messages"])))


def test_what_changed_in_the_configuration_is_shown_line_by_line_to_those_who_may(client):
    _, bad = pair_of_runs()
    last = ConfigRevision.objects.get()
    changed = last.manifest + "\n# a new line"
    fresh = ConfigRevision.objects.create(source=bad.source, number=2, digest="d", manifest=changed)
    type(bad).objects.filter(pk=bad.pk).update(config=fresh)
    address = reverse("admin:runs_run_compare", args=[bad.pk])

    client.force_login(factories.person("runs.view_run", name="support"))
    plain = client.get(address).content.decode()
    client.force_login(factories.person("runs.view_run", "connectors.view_datasource", name="engineer"))

    assert "# a new line" not in plain
    assert "The configuration differs" in plain
    assert "+# a new line" in client.get(address).content.decode()
    assert "+# a new line" in bundle(type(bad).objects.get(pk=bad.pk))["configuration.diff"]


def test_a_comparison_costs_the_same_queries_however_big_the_runs_are():
    good, bad = pair_of_runs()

    def queries() -> int:
        with CaptureQueriesContext(connection) as asked:
            compare(good, bad, now=timezone.now())
        return len(asked)

    few = queries()
    for number in range(15):
        factories.table(factories.task(bad, f"Task {number}"), f"table_{number}")
        factories.message(bad, f"Message {number}", fingerprint=f"{number:032d}")

    assert queries() == few <= 8


def test_the_report_of_the_api_says_what_the_page_says():
    good, bad = pair_of_runs()
    caller = factories.caller("runs.view_run")

    report = caller.get(f"/api/runs/{bad.pk}/report/").json()

    assert [stage["name"] for stage in report["stages"]][1] == "Metadata consolidation"
    assert report["failure"]["effect"] == "No table was changed."
    assert report["failure"]["detail"] == ""
    assert report["compared_with"] == good.pk
    assert {row["table"].split(".")[1]: row["change_percent"] for row in report["tables"]}["surveys"] == -50.0
    assert caller.get(f"/api/runs/{good.pk}/report/").json()["failure"] is None


def test_kinds_and_comparisons_are_answered_by_the_api_and_bad_questions_named():
    good, bad = pair_of_runs()
    caller = factories.caller("runs.view_run")

    kinds = caller.get(f"/api/runs/{bad.pk}/message-kinds/").json()
    beside = caller.get(f"/api/runs/{bad.pk}/compare/").json()

    assert [(kind["text"], kind["count"]) for kind in kinds] == [
        ("The source refused our login (401).", 1),
        ("Both said it.", 3),
    ]
    assert (beside["left"], beside["right"], beside["configuration_changed"]) == (good.pk, bad.pk, False)
    assert caller.get(f"/api/runs/{bad.pk}/message-kinds/", {"page": "x"}).status_code == 400
    assert caller.get(f"/api/runs/{bad.pk}/message-kinds/", {"page": "9"}).json() == []
    assert caller.get(f"/api/runs/{bad.pk}/compare/", {"with": "x"}).status_code == 400
    assert caller.get(f"/api/runs/{bad.pk}/compare/", {"with": "404"}).status_code == 404
    assert caller.get("/api/runs/404/report/").status_code == 404
