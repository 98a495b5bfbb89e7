"""What happens along the way of a run: cancel, S3, columns that come, go and change between runs."""

import time
from datetime import timedelta

import pytest
from django.db.models.functions import Now

from ingestion import loading
from ingestion.errors import Fenced
from ingestion.models import Batch
from ingestion.rooms import warehouse
from ingestion.warehouse.base import StaleToken
from runs.lifecycle import ending
from runs.local import wait_for, workers
from runs.models import Run
from runs.perform import perform
from runs.stages import completion
from runs.states import RunMode, RunStatus, TaskStatus
from runs.upkeep import force_close
from tests.doubles.source import Call, Reply, ok, scripted

ITEMS = """
manifest: 1
name: items
base_url: "{{ settings.base_url }}"
settings: {base_url: {title: Address}}
endpoints:
  - {name: items, title: Items, path: /items, records: data, key: id, cursor: {field: at, param: since}}
"""


def test_a_cancel_midway_stops_within_a_page_and_changes_no_table(house):
    source = house.source(endpoints=["airlines"])
    house.run(source)
    source = house.source(endpoints=["airlines", "planes", "weather"])
    house.api.control(latency_ms=300)
    with workers(threads=2, sweep_every=0.2):
        run = house.ask(source)
        while Run.objects.get(pk=run.pk).status != RunStatus.RUNNING:
            time.sleep(0.02)
        time.sleep(0.5)
        asked = time.monotonic()
        ending.cancel(run.pk, actor="anna")
        run = wait_for(run.pk, seconds=20)

    assert run.status == RunStatus.CANCELLED
    assert time.monotonic() - asked < 3
    assert house.count("flights.airlines") == 16
    assert {batch.status for batch in Batch.objects.filter(owner=run.owner)} == {"aborted"}


CHILDREN = """
manifest: 1
name: children
base_url: "{{ settings.base_url }}"
settings: {base_url: {title: Address}}
endpoints:
  - {name: parents, path: /parents, records: data, key: id, pagination: {style: page}}
  - name: children
    path: /parents/{{ parent.id }}/children
    records: data
    partition: {by: parent, endpoint: parents}
"""


def test_a_cancel_is_heard_while_the_parent_records_are_listed(house):
    def endless(call: Call) -> Reply:
        time.sleep(0.05)
        return ok({"data": [{"id": int(call.params["page"])}]})

    with scripted(endless) as api, workers(threads=1, sweep_every=0.2):
        source = house.source("Children", manifest=CHILDREN, settings={"base_url": api.url}, endpoints=["children"])
        run = house.ask(source)
        while len(api.calls) < 3:
            time.sleep(0.02)
        ending.cancel(run.pk, actor="anna")
        run = wait_for(run.pk, seconds=10)

    assert run.status == RunStatus.CANCELLED
    assert len(api.calls) < 60


def test_a_completion_that_froze_in_a_closed_run_can_never_commit(house, monkeypatch):
    """It had everything ready and was about to commit when its worker was stopped; it wakes after the force close."""
    frozen = []

    def freeze(*request, **rest):
        frozen.append(lambda: real(*request, **rest))
        raise Fenced("as still as a stopped process")

    real = loading.publish
    monkeypatch.setattr(completion.loading, "publish", freeze)
    run = house.ask(house.source(endpoints=["airlines"]))
    while not frozen:
        for task in list(run.tasks.due()):
            perform(task.pk)
    ending.cancel(run.pk, actor="anna")
    long_ago = Now() - timedelta(hours=1)
    run.tasks.filter(status=TaskStatus.RUNNING).update(lease_until=long_ago)
    Run.objects.filter(pk=run.pk).update(cancel_requested_at=long_ago)

    assert force_close(run.pk, actor="anna", reason="its worker is gone") == RunStatus.CANCELLED
    with pytest.raises(StaleToken):
        frozen[0]()
    assert warehouse().published(run.load_id) is None


def test_a_run_stages_on_s3_and_loads_from_there(house, settings, s3_url):
    settings.STAGING_URL = s3_url

    run = house.run(house.source(endpoints=["planes"]))

    assert run.status == RunStatus.COMPLETED, [m.text + m.detail for m in run.messages.all()]
    assert house.count("flights.planes") == 3322
    batch = Batch.objects.get(owner=run.owner)
    assert batch.manifest_key.endswith(".json")


def test_columns_that_come_go_and_change_between_runs_keep_every_value(house):
    answers = iter(
        [
            [{"id": 1, "at": "2026-01-01T00:00:00Z", "a": 1, "gone": "x"}],
            [{"id": 2, "at": "2026-01-02T00:00:00Z", "a": 2.5, "new": True}],
            [{"id": 3, "at": "2026-01-03T00:00:00Z", "a": "three", "gone": "back"}],
        ]
    )
    with scripted(lambda _: ok({"data": next(answers)})) as api:
        source = house.source("Items", manifest=ITEMS, settings={"base_url": api.url})
        runs = [house.run(source, RunMode.INCREMENTAL) for _ in range(3)]

    assert [run.status for run in runs] == [RunStatus.COMPLETED] * 3, [
        m.text + m.detail for m in runs[-1].messages.all()
    ]
    new = _name_of("new")
    rows = house.rows(f'select id, a, gone, "{new}" from items.items order by id')
    assert [tuple(row) for row in rows] == [(1, "1", "x", None), (2, "2.5", None, True), (3, "three", "back", None)]


def _name_of(source):
    columns = Batch.objects.order_by("-pk").first().dataset.columns
    return next(column.name for column in columns.columns if column.source == source)


def test_rows_with_equal_cursors_and_repeated_keys_are_neither_lost_nor_doubled(house):
    first = [{"id": n, "at": "2026-01-01T00:00:00Z", "v": "old"} for n in range(5)]
    again = [{"id": n, "at": "2026-01-01T00:00:00Z", "v": "new"} for n in range(3, 8)] + [
        {"id": 7, "at": "2026-01-01T00:00:00Z", "v": "newest"},
        {"id": None, "at": "2026-01-01T00:00:00Z", "v": "no key"},
    ]
    with scripted(lambda call: ok({"data": again if call.params.get("since") else first})) as api:
        source = house.source("Items", manifest=ITEMS, settings={"base_url": api.url})
        house.run(source)
        run = house.run(source, RunMode.INCREMENTAL)

    assert run.status == RunStatus.COMPLETED, [m.text + m.detail for m in run.messages.all()]
    rows = dict(house.rows("select id, v from items.items"))
    assert rows == {0: "old", 1: "old", 2: "old", 3: "new", 4: "new", 5: "new", 6: "new", 7: "newest"}
    batch = Batch.objects.get(owner=run.owner)
    assert (batch.extracted_count, batch.rejected_count, batch.superseded_count, batch.staged_count) == (7, 1, 1, 5)
    assert run.messages.filter(code="null_key").exists()


@pytest.mark.parametrize("value", ["NaN", "Infinity"])
def test_a_nan_becomes_null_and_is_counted(house, value):
    body = f'{{"data": [{{"id": 1, "at": "2026-01-01", "v": {value}}}, {{"id": 2, "at": "2026-01-01", "v": 1.5}}]}}'
    with scripted(lambda _: ok(None).__class__(body.encode(), headers={"Content-Type": "application/json"})) as api:
        run = house.run(house.source("Items", manifest=ITEMS, settings={"base_url": api.url}))

    assert run.status == RunStatus.COMPLETED, [m.text + m.detail for m in run.messages.all()]
    assert dict(house.rows("select id, v from items.items"))[1] is None
    assert run.messages.filter(level=2, count=1).exists()
    warehouse().close()
