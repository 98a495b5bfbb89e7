"""What a whole run leaves for engineers: a log in plain words, and a ledger of its calls."""

from ingestion.warehouse.base import WarehouseUnavailable
from runs.models import Level, LogChunk
from runs.reading.calls import ledger_of
from runs.reading.logs import Wanted, tail, whole
from runs.stages import completion
from runs.states import RunStatus, TaskKind


def test_a_run_tells_what_it_did_step_by_step(house):
    run = house.run(house.source(endpoints=["airlines"]))

    log = tail(run, Wanted())
    told = [(entry.code, entry.text) for entry in log.entries]
    codes = [code for code, _ in told]
    steps = ["began", "page", "staged", "columns", "load", "loaded", "publish", "published"]
    assert [code for code in steps if code in codes] == steps
    assert sorted(steps, key=codes.index) == steps
    assert any(text.startswith("Page 1: 16 records, ") and "answer 200" in text for _, text in told)
    assert ("published", "“airlines”: 16 inserted, 0 updated, 0 deleted, 16 live") in told
    run.refresh_from_db()
    assert run.log_line_count == len(told) == sum(LogChunk.objects.values_list("line_count", flat=True))
    assert "demo-token" not in "".join(whole(run, Wanted()))


def test_the_ledger_agrees_with_the_counts_of_the_run(house):
    run = house.run(house.source(endpoints=["airlines", "planes"]))

    assert run.status == RunStatus.COMPLETED
    run.refresh_from_db()
    ledger = ledger_of(run)
    assert {row.endpoint for row in ledger.rows} == {"Airlines", "Planes"}
    assert ledger.totals.calls == run.call_count
    assert sum(row.count.answers["2xx"] for row in ledger.rows) == run.call_count


def test_a_login_that_is_refused_stands_in_the_log_as_an_error(house):
    run = house.run(house.source(endpoints=["airlines"], token="wrong-token-4711"))

    errors = tail(run, Wanted(level=3)).entries
    assert [entry.code for entry in errors] == ["auth"]
    assert "refused our login (401)" in errors[0].text
    assert ledger_of(run).rows[0].count.answers.get("4xx", 0) >= 1
    assert "wrong-token-4711" not in "".join(whole(run, Wanted()))


def test_a_publish_whose_answer_was_lost_is_told_to_be_live_after_its_error(house, monkeypatch):
    publish = completion.loading.publish

    def lose(*arguments, **facts):
        publish(*arguments, **facts)
        raise WarehouseUnavailable("The connection was lost while publishing.")

    monkeypatch.setattr(completion.loading, "publish", lose)

    run = house.run(house.source(endpoints=["airlines"]))

    assert run.status == RunStatus.COMPLETED
    entries = tail(run, Wanted()).entries
    error = next(number for number, entry in enumerate(entries) if entry.level == Level.ERROR)
    told = [entry.text for entry in entries[error:] if entry.code == "published"]
    assert told == [
        "The ledger says that this load was live already: nothing was loaded twice",
        "“airlines”: 16 inserted, 0 updated, 0 deleted, 16 live",
    ]


def test_a_ledger_that_cannot_be_read_after_a_lost_answer_is_asked_again_soon(house, monkeypatch):
    publish, give_up, waits = completion.loading.publish, completion.loading.give_up, []

    def lose(*arguments, **facts):
        publish(*arguments, **facts)
        raise WarehouseUnavailable("The connection was lost while publishing.")

    def away(*arguments, **facts):
        raise WarehouseUnavailable("The warehouse is starting up.")

    def back(task):
        if task.kind == TaskKind.COMPLETION and task.attempt:
            waits.append((task.note.partition(":")[0], task.failures))
            if len(waits) == 4:
                monkeypatch.setattr(completion.loading, "publish", publish)
                monkeypatch.setattr(completion.loading, "give_up", give_up)

    monkeypatch.setattr(completion.loading, "publish", lose)
    monkeypatch.setattr(completion.loading, "give_up", away)

    run = house.work(house.ask(house.source(endpoints=["airlines"])), before=back)

    assert run.status == RunStatus.COMPLETED
    assert [note for note, _ in waits] == [f"Tried again after a wait of {wait} s" for wait in (5, 15, 60, 60)]
    assert {failures for _, failures in waits} == {0}
    assert house.count("flights.airlines") == 16
