"""What goes wrong outside gets a message that says what, where, what became of the data, and what to do."""

import errno
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from connectors.manifest import ManifestError
from ingestion import batches
from ingestion.models import Dataset
from ingestion.warehouse.base import WarehouseUnavailable
from runs.models import Level
from runs.states import RunStatus
from tests.sources import small_source


def the_error(run):
    return run.messages.filter(level=Level.ERROR).order_by("pk").first()


def said(run):
    message = the_error(run)
    return f"{message.text} {message.advice}"


def test_a_manifest_with_an_error_starts_no_run_and_names_the_path(house):
    source = house.source(manifest="manifest: 1\nname: x\nbase_url: http://a\nendpoints:\n  - name: a\n    pth: /a\n")

    with pytest.raises(ManifestError, match=r"endpoints\[0\]\.pth"):
        house.ask(source)
    with pytest.raises(CommandError, match=r"endpoints\[0\]\.path: is missing"):
        call_command("run_now", str(source.pk))
    assert not source.runs.exists()


def test_a_source_that_answers_html_fails_and_no_table_is_changed(house, monkeypatch):
    monkeypatch.setattr("connectors.rest.client.FIRST_BACKOFF", 0.01)
    source = house.source(endpoints=["airlines"])
    house.run(source)
    house.api.control(rate_html=1.0)

    run = house.run(source)

    assert run.status == RunStatus.FAILED
    assert "HTML" in said(run)
    assert "No table was changed." in the_error(run).text
    assert house.count("flights.airlines") == 16


def test_an_empty_endpoint_completes_and_says_so_loudly(house):
    house.api.control(empty=["planes"])

    run = house.run(house.source(endpoints=["planes"]))

    assert run.status == RunStatus.COMPLETED, [m.text + m.detail for m in run.messages.all()]
    assert house.count("flights.planes") == 0
    assert run.messages.get(code="no_records").level == Level.WARNING


def test_an_unreachable_source_fails_with_its_address_and_no_secret(house, monkeypatch):
    monkeypatch.setattr("connectors.rest.client.FIRST_BACKOFF", 0.01)
    run = house.run(small_source(url="http://127.0.0.1:1", endpoints=["surveys"]))

    assert run.status == RunStatus.FAILED
    assert "127.0.0.1" in said(run)
    assert "No table was changed." in the_error(run).text


def test_an_address_outside_the_gate_is_refused_before_any_call(house, settings):
    settings.OUTBOUND_ALLOW = []

    run = house.run(house.source(endpoints=["airlines"]))

    assert (run.status, run.fault) == (RunStatus.FAILED, "config")
    assert house.api.stats()["calls"] == {}


def test_an_unreachable_warehouse_fails_the_run_without_losing_what_is_staged(house, settings):
    source = house.source(endpoints=["airlines"])
    good = settings.WAREHOUSE_URL
    away = "postgresql://nobody:secret-word@127.0.0.1:1/away"

    def when_loading(task):
        if task.kind == "ingestion":
            settings.WAREHOUSE_URL = away

    run = house.work(house.ask(source), before=when_loading)

    assert run.status == RunStatus.FAILED
    assert "127.0.0.1" in said(run)
    assert "secret-word" not in said(run) + the_error(run).detail
    settings.WAREHOUSE_URL = good
    again = house.work(_retry(run))
    assert again.status == RunStatus.COMPLETED
    assert again.tasks.exclude(reused_from=None).count() == 1
    assert house.count("flights.airlines") == 16


def _retry(run):
    from runs.lifecycle.starting import Asked, retry

    return retry(run.pk, asked=Asked(actor="test", trigger="retry"))


def test_a_full_disk_fails_the_run_as_disk_and_leaves_no_partial_file(house, settings, monkeypatch):
    def no_room(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(batches._Spool, "add", no_room)

    run = house.run(house.source(endpoints=["airlines"]))

    assert (run.status, run.fault) == (RunStatus.FAILED, "disk")
    assert "No space was left" in said(run)
    assert not list(Path(settings.SCRATCH_DIR).rglob("spool*"))


def test_a_truncated_staged_file_is_refused_and_nothing_goes_live(house, settings):
    source = house.source(endpoints=["planes"])

    def cut(task):
        if task.kind == "ingestion":
            for path in Path(settings.STAGING_URL.removeprefix("file://")).rglob("*.csv.gz"):
                path.chmod(0o644)
                path.write_bytes(path.read_bytes()[:-20])

    run = house.work(house.ask(source), before=cut)

    assert run.status == RunStatus.FAILED
    assert "is not what was written" in said(run)
    assert Dataset.objects.get(name="planes").live_rows is None


def test_a_publish_whose_answer_was_lost_is_recognised_by_the_ledger(house, monkeypatch):
    from runs.stages import completion

    publish = completion.loading.publish
    lost = []

    def answer_lost(*arguments, **facts):
        answer = publish(*arguments, **facts)
        if not lost:
            lost.append(answer)
            raise WarehouseUnavailable("the connection broke off")
        return answer

    monkeypatch.setattr(completion.loading, "publish", answer_lost)

    run = house.run(house.source(endpoints=["planes"]))

    assert lost
    assert run.status == RunStatus.COMPLETED
    assert house.count("flights.planes") == 3322
    assert run.tasks.get(kind="completion").attempt == 1


def test_a_frozen_schema_refuses_a_changed_column_and_names_it(house):
    source = house.source(endpoints=["planes"], schema_policy="freeze")
    house.run(house.source(endpoints=["planes"]))
    source = house.source(endpoints=["planes"], schema_policy="freeze")
    house.api.control(drift=[["planes", "seats", 1, "many"]])

    run = house.run(source)

    assert (run.status, run.fault) == (RunStatus.FAILED, "schema")
    assert "seats" in said(run)
