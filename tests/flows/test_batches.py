"""Client batches from COMPLETE to live rows: judged, grouped, replayed, reverted, tried again, put away."""

from __future__ import annotations

import pytest
from django.db import connections
from django.db.models import F

from ingestion import lifecycle, rooms
from ingestion.checking.base import CheckReport
from ingestion.errors import TransientError, WrongState
from ingestion.models import Batch, BatchEvent, Dataset, Load
from ingestion.promotion import (
    aborting,
    archive,
    grouping,
    leases,
    monitor,
    publishing,
    reverting,
    settling,
    taking_up,
)
from ingestion.states import BatchStatus
from tests.flows.lake import SCHEMA, Lake, lines, rows


@pytest.fixture
def lake(settings, tmp_path, transactional_db, warehouse_url) -> Lake:
    settings.WAREHOUSE_URL = warehouse_url
    for name in ("STAGING", "ARCHIVE", "COLD"):
        setattr(settings, f"{name}_URL", f"file://{tmp_path}/{name.lower()}")
    settings.SCRATCH_DIR = tmp_path / "scratch"
    settings.RETRY_WAITS = (0.01, 0.01)
    settings.WAKE_AGAIN_SECONDS = settings.PUBLISH_PAUSE_SECONDS = 0
    yield Lake()
    rooms.warehouse().close()


def test_a_batch_of_json_lines_becomes_live_with_its_counts(lake):
    batch = lake.send(lake.dataset(schema=SCHEMA), rows(1, 3), rows(4, 5, place={"city": "Ulm"}))

    assert batch.status == BatchStatus.SUCCESS, batch.errors
    assert lake.rows("select id, name, place__city from lake.visits order by id") == [
        (1, "n1", None),
        (2, "n2", None),
        (3, "n3", None),
        (4, "n4", "Ulm"),
        (5, "n5", "Ulm"),
    ]
    assert (batch.extracted_count, batch.staged_count, batch.loaded_count, batch.live_count) == (5, 5, 5, 5)
    assert [event.after for event in batch.events.all()] == ["loading", "loaded", "staging", "success"]
    assert Dataset.objects.get().live_rows == 5


def test_the_columns_of_the_schema_are_live_even_where_a_batch_has_no_value(lake):
    lake.send(lake.dataset(schema=SCHEMA), rows(1, 1))

    assert lake.rows('select "at", score, kind from lake.visits') == [(None, None, None)]


def test_without_a_schema_columns_are_inferred(lake):
    lake.send(lake.dataset(), lines({"a": 1, "b": "x"}, {"a": 2.5}))

    assert [(float(a), b) for a, b in lake.rows("select a, b from lake.visits order by a")] == [(1, "x"), (2.5, None)]


def test_one_bad_row_fails_a_batch_that_tolerates_none_and_nothing_is_live(lake):
    dataset = lake.dataset(schema=SCHEMA)
    lake.send(dataset, rows(1, 1))

    batch = lake.send(dataset, rows(2, 9) + lines({"name": "no id"}))

    assert batch.status == BatchStatus.FAILED
    assert batch.errors[0]["code"] == "INGEST-1211-400"
    assert "1 of 9 rows" in batch.errors[0]["description"]
    assert lake.count() == 1


def test_bad_rows_below_the_threshold_are_left_out_and_told_of(lake):
    batch = lake.send(
        lake.dataset(schema=SCHEMA),
        rows(1, 9) + lines({"name": "no id"}),
        error_percent=10.0,
        diagnostics=True,
    )

    assert batch.status == BatchStatus.SUCCESS
    assert [entry["code"] for entry in batch.errors] == ["INGEST-1212-400", "INGEST-1555-400"]
    assert (batch.errors[1]["recordCount"], batch.errors[1]["rows"]) == (1, ["9"])
    assert (batch.rejected_count, batch.staged_count, lake.count()) == (1, 9, 9)
    assert batch.diagnostics_files.exists()


def test_bad_rows_above_the_threshold_fail_the_whole_batch(lake):
    batch = lake.send(lake.dataset(schema=SCHEMA), rows(1, 8) + lines({"name": "a"}, {"name": "b"}), error_percent=10.0)

    assert batch.status == BatchStatus.FAILED
    assert "10 % may be" in batch.events.last().reason


def test_an_empty_file_fails_the_batch_with_106(lake):
    batch = lake.send(lake.dataset(schema=SCHEMA), b"")

    assert (batch.status, batch.errors[0]["code"]) == (BatchStatus.FAILED, "106")


def test_a_header_without_names_fails_the_batch_with_118(lake):
    batch = lake.send(lake.dataset(schema=SCHEMA), b"\n1,2\n", input_format={"format": "csv"})

    assert (batch.status, batch.errors[0]["code"]) == (BatchStatus.FAILED, "118")


def test_small_batches_that_wait_together_share_one_load_and_keep_their_own_rows(lake):
    dataset = lake.dataset(schema=SCHEMA)
    batches = [_completed(lake, dataset, rows(10 * n, 10 * n + 4)) for n in range(5)]
    for batch in batches:
        taking_up.take_up(batch.pk)
    publishing.publish_ready(dataset.pk)

    assert Load.objects.count() == 1
    assert lake.count() == 25
    assert reverting.revert(_fresh(batches[2]), actor="client")
    assert lake.rows("select count(*) from lake.visits where id between 20 and 24") == [(0,)]
    assert lake.count() == 20
    assert Dataset.objects.get().live_rows == 20


def test_small_batches_that_wait_together_are_taken_up_by_one_worker(lake):
    dataset = lake.dataset(schema=SCHEMA)
    batches = [_completed(lake, dataset, rows(n, n)) for n in range(4)]
    bad = _completed(lake, dataset, b"{")

    assert taking_up.take_up(batches[1].pk)
    assert not taking_up.take_up(batches[2].pk)
    publishing.publish_ready(dataset.pk)

    assert {_fresh(batch).status for batch in batches} == {"success"}
    assert _fresh(bad).status == "failed"
    assert [_fresh(batch).staged_count for batch in batches] == [1] * 4
    assert lake.count() == 4


def test_the_trouble_of_one_file_does_not_touch_the_others_of_its_worker(lake, monkeypatch):
    dataset = lake.dataset(schema=SCHEMA)
    fine, lost = _completed(lake, dataset, rows(1, 1)), _completed(lake, dataset, rows(2, 2))
    rooms.store().delete(lost.files.get().pieces.get().key)

    taking_up.take_up(fine.pk)
    publishing.publish_ready(dataset.pk)

    assert _fresh(fine).status == BatchStatus.SUCCESS
    assert _fresh(lost).status == BatchStatus.RETRYING
    assert lake.count() == 1


def test_a_batch_that_spoils_its_group_fails_alone(lake):
    dataset = lake.dataset(schema_policy="freeze")
    lake.send(dataset, lines({"a": 1}))
    good, bad, fine = (_completed(lake, dataset, lines(record)) for record in ({"a": 2}, {"a": 3, "new": 1}, {"a": 4}))
    for batch in (good, bad, fine):
        taking_up.take_up(batch.pk)
    publishing.publish_ready(dataset.pk)

    assert [_fresh(batch).status for batch in (good, bad, fine)] == ["success", "failed", "success"]
    assert _fresh(bad).errors[0]["code"] == "140"
    assert lake.rows("select a from lake.visits order by a") == [(1,), (2,), (4,)]


def test_a_replay_takes_the_place_of_its_predecessors_at_once(lake):
    dataset = lake.dataset(schema=SCHEMA)
    old = [lake.send(dataset, rows(1, 3)), lake.send(dataset, rows(4, 6))]
    kept = lake.send(dataset, rows(7, 7))

    new = lake.send(
        dataset, rows(100, 101), replay={"predecessors": [batch.public_id for batch in old], "reason": "replace"}
    )

    assert lake.rows("select id from lake.visits order by id") == [(7,), (100,), (101,)]
    assert [_fresh(batch).status for batch in old] == ["inactive"] * 2
    assert {_fresh(batch).successor_id for batch in old} == {new.pk}
    assert _fresh(kept).status == BatchStatus.SUCCESS


def test_a_replay_of_what_is_no_longer_live_fails_and_leaves_everything(lake):
    dataset = lake.dataset(schema=SCHEMA)
    old = lake.send(dataset, rows(1, 3))
    reverting.revert(old, actor="client")

    new = lake.send(dataset, rows(4, 4), replay={"predecessors": [old.public_id]})

    assert new.status == BatchStatus.FAILED
    assert old.public_id in new.errors[0]["description"]
    assert lake.count() == 0


def test_a_predecessor_that_is_reverted_before_it_is_known_to_be_replaced_still_names_its_successor(lake, monkeypatch):
    dataset = lake.dataset(schema=SCHEMA)
    old = lake.send(dataset, rows(1, 3))
    new = _completed(lake, dataset, rows(100, 101), replay={"predecessors": [old.public_id]})
    taking_up.take_up(new.pk)
    with monkeypatch.context() as patched:
        patched.setattr(publishing, "warehouse", lambda: _LosesTheAnswer(times=1))
        publishing.publish_ready(dataset.pk)
    assert _fresh(new).status == BatchStatus.RETRYING

    assert reverting.revert(_fresh(old), actor="client")
    lake.work(new)

    assert (_fresh(new).status, _fresh(old).status) == (BatchStatus.SUCCESS, BatchStatus.INACTIVE)
    assert _fresh(old).successor_id == new.pk
    assert lake.rows("select id from lake.visits order by id") == [(100,), (101,)]
    assert Dataset.objects.get().live_rows == 2


def test_of_two_replays_of_one_batch_the_second_fails_and_changes_nothing(lake):
    dataset = lake.dataset(schema=SCHEMA)
    old = lake.send(dataset, rows(1, 3))
    replay = {"predecessors": [old.public_id]}
    new = [_completed(lake, dataset, rows(100 * n, 100 * n), replay=replay) for n in (1, 2)]
    for batch in new:
        taking_up.take_up(batch.pk)

    publishing.publish_ready(dataset.pk)

    assert [_fresh(batch).status for batch in new] == ["success", "failed"]
    assert lake.rows("select id from lake.visits") == [(100,)]
    assert _fresh(old).successor_id == new[0].pk


def test_reverting_twice_is_the_same_as_once(lake):
    batch = lake.send(lake.dataset(schema=SCHEMA), rows(1, 3))

    assert reverting.revert(batch, actor="client")
    assert not reverting.revert(_fresh(batch), actor="client")
    assert lake.count() == 0
    assert batch.events.filter(after="inactive").count() == 1


def test_what_never_was_live_cannot_be_reverted(lake):
    batch = lake.send(lake.dataset(schema=SCHEMA), b"")

    with pytest.raises(WrongState, match="never was live"):
        reverting.revert(batch, actor="client")


def test_records_of_one_key_replace_each_other_where_the_dataset_is_upserted(lake):
    dataset = lake.dataset(schema=SCHEMA, key=["id"])
    lake.send(dataset, rows(1, 3), mode="merge")
    lake.send(dataset, lines({"id": 2, "name": "new"}, {"id": 4, "name": "n4"}), mode="merge")

    assert lake.rows("select id, name from lake.visits order by id") == [(1, "n1"), (2, "new"), (3, "n3"), (4, "n4")]


def test_rows_of_one_key_are_all_kept_where_batches_only_add(lake):
    batch = lake.send(lake.dataset(schema=SCHEMA, key=["id"]), lines({"id": 1, "name": "a"}, {"id": 1, "name": "b"}))

    assert batch.status == BatchStatus.SUCCESS
    assert lake.rows("select name from lake.visits order by name") == [("a",), ("b",)]


def test_a_warehouse_that_is_away_makes_the_batch_wait_and_then_go_on(lake, monkeypatch):
    away = _Away(times=1)
    monkeypatch.setattr(publishing, "warehouse", lambda: away)

    batch = lake.send(lake.dataset(schema=SCHEMA), rows(1, 3))

    assert batch.status == BatchStatus.SUCCESS
    passed = [event.after for event in batch.events.all()]
    assert passed == ["loading", "loaded", "staging", "retrying", "staging", "success"]
    assert lake.count() == 3


def test_a_warehouse_that_stays_away_stalls_the_batch_and_support_resumes_it(lake, monkeypatch):
    away = _Away(times=3)
    monkeypatch.setattr(publishing, "warehouse", lambda: away)
    batch = lake.send(lake.dataset(schema=SCHEMA), rows(1, 3))

    assert batch.status == BatchStatus.STALLED
    assert "tried 3 times" in batch.events.last().reason
    assert taking_up.go_on(batch.pk, actor="anna", reason="the warehouse is back")
    assert lake.work(batch).status == BatchStatus.SUCCESS
    assert lake.count() == 3


def test_a_stalled_batch_whose_rows_are_live_after_all_is_not_aborted(lake, monkeypatch):
    lost = _LosesTheAnswer(times=3)
    monkeypatch.setattr(publishing, "warehouse", lambda: lost)
    batch = lake.send(lake.dataset(schema=SCHEMA), rows(1, 3))
    assert batch.status == BatchStatus.STALLED

    with pytest.raises(WrongState, match="live already"):
        aborting.abort_stalled(batch, actor="anna", reason="enough")

    assert lake.work(batch).status == BatchStatus.SUCCESS
    assert lake.count() == 3


def test_a_stalled_batch_is_aborted_and_can_never_become_live(lake, monkeypatch):
    away = _Away(times=99)
    monkeypatch.setattr(publishing, "warehouse", lambda: away)
    batch = lake.send(lake.dataset(schema=SCHEMA), rows(1, 3))

    assert aborting.abort_stalled(batch, actor="anna", reason="enough")
    assert _fresh(batch).status == BatchStatus.ABORTED


def test_a_published_load_whose_answer_was_lost_is_settled_and_not_loaded_again(lake, monkeypatch):
    lost = _LosesTheAnswer(times=1)
    monkeypatch.setattr(publishing, "warehouse", lambda: lost)

    batch = lake.send(lake.dataset(schema=SCHEMA), rows(1, 3))

    assert batch.status == BatchStatus.SUCCESS
    assert lake.count() == 3


def test_batches_that_share_a_load_go_on_together(lake, monkeypatch):
    away = _Away(times=1)
    monkeypatch.setattr(publishing, "warehouse", lambda: away)
    dataset = lake.dataset(schema=SCHEMA)
    first, second = (_completed(lake, dataset, rows(n, n)) for n in (1, 2))
    for batch in (first, second):
        taking_up.take_up(batch.pk)
    publishing.publish_ready(dataset.pk)
    assert {_fresh(first).status, _fresh(second).status} == {"retrying"}

    Batch.objects.filter(pk=second.pk).update(status="stalled")
    Batch.objects.filter(pk=first.pk).update(status="staging")
    assert grouping.take(dataset.pk) == []
    Batch.objects.filter(pk=first.pk).update(status="retrying")
    taking_up.go_on(second.pk, actor="anna")
    publishing.publish_ready(dataset.pk)

    assert {_fresh(first).status, _fresh(second).status} == {"success"}
    assert lake.count() == 2


def test_a_file_whose_worker_died_is_checked_again_by_another(lake):
    dataset = lake.dataset(schema=SCHEMA)
    batch = _completed(lake, dataset, rows(1, 2), rows(3, 4))
    lifecycle.start_staging(batch.pk, actor="worker")
    [dead] = leases.claim_files([batch.files.first().pk])
    assert leases.claim_files([dead.pk]) == []

    batch.files.update(lease_until=F("created_at"))
    done = lake.work(batch)

    assert done.status == BatchStatus.SUCCESS
    ghost = settling.Checked(dead, CheckReport(), [], [])
    assert settling.settle([ghost]) == [ghost]
    assert lake.count() == 4


def test_a_silent_client_loses_its_batch(lake, settings):
    settings.ABANDON_HOURS = 0
    batch = lake.batch(lake.dataset())

    monitor.sweep()

    assert _fresh(batch).status == BatchStatus.ABANDONED


def test_a_batch_older_than_its_dataset_keeps_expires(lake):
    batch = lake.send(lake.dataset(schema=SCHEMA, retention_days=0), rows(1, 3))

    monitor.sweep()

    assert _fresh(batch).status == BatchStatus.INACTIVE
    assert batch.events.last().reason == "expired"
    assert lake.count() == 0


def test_a_reverted_batch_is_retained_archived_and_deleted_in_truth(lake, settings):
    batch = lake.send(lake.dataset(schema=SCHEMA), rows(1, 3))
    reverting.revert(batch, actor="client")
    assert archive.put_away() == 0

    settings.INACTIVE_DAYS = 0
    archive.put_away()
    retained = _fresh(batch)
    key = retained.archive["key"]
    assert (retained.status, retained.archive["rows"]) == (BatchStatus.RETAINED, 3)
    assert rooms.archive().open(key).read(4) == b"PAR1"
    settings.RETAINED_DAYS = 0
    archive.put_away()
    assert _fresh(batch).status == BatchStatus.ARCHIVED
    assert [item.key for item in rooms.cold().list("")] == [key]
    assert list(rooms.archive().list("")) == []
    settings.ARCHIVED_DAYS = 0
    archive.put_away()
    assert _fresh(batch).status == BatchStatus.DELETED
    assert list(rooms.cold().list("")) == []


def test_every_move_of_a_batch_is_told_with_who_and_why(lake):
    batch = lake.send(lake.dataset(schema=SCHEMA), b"")

    told = list(BatchEvent.objects.filter(batch=batch).values_list("before", "after", "actor"))
    assert told == [
        ("", "loading", "client"),
        ("loading", "loaded", "client"),
        ("loaded", "staging", "worker"),
        ("staging", "failed", "worker"),
    ]
    assert batch.events.last().reason


def _completed(lake: Lake, dataset: Dataset, *contents: bytes, **fields) -> Batch:
    batch = lake.batch(dataset, **fields)
    for number, data in enumerate(contents):
        lake.put(batch, f"{number}.json", data)
    lake.complete(batch)
    return _fresh(batch)


def _fresh(batch: Batch) -> Batch:
    connections["default"].ensure_connection()
    return Batch.objects.select_related("dataset").get(pk=batch.pk)


class _Away:
    """The warehouse, which does not answer the first few loads."""

    def __init__(self, *, times: int) -> None:
        self.times = times

    def __getattr__(self, name):
        return getattr(rooms.warehouse(), name)

    def stage(self, request):
        if self.times:
            self.times -= 1
            raise TransientError("The warehouse did not answer.", advice="Nothing needs to be done.")
        return rooms.warehouse().stage(request)


class _LosesTheAnswer(_Away):
    """The warehouse, which publishes and whose answer is lost on the way, like that of the ledger at first."""

    def stage(self, request):
        return rooms.warehouse().stage(request)

    def publish(self, request):
        answer = rooms.warehouse().publish(request)
        if self.times:
            self.times -= 1
            raise TransientError("The connection broke off.", advice="Nothing needs to be done.")
        return answer

    def published(self, load_id):
        if self.times:
            self.times -= 1
            raise TransientError("The connection broke off.", advice="Nothing needs to be done.")
        return rooms.warehouse().published(load_id)
