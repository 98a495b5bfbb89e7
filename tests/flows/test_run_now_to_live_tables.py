"""From "Run now" to live tables, and everything that must be right along the way."""

from decimal import Decimal

import pytest

from connectors.models import Bookmark
from ingestion.models import Batch, Dataset
from runs.demo import expected
from runs.models import DataLoad, Message
from runs.states import RunMode, RunStatus, TaskKind

SMALL = ["airlines", "airports", "planes"]


def test_a_run_brings_every_row_exactly(house):
    source = house.source(endpoints=SMALL)

    run = house.run(source)

    assert run.status == RunStatus.COMPLETED, [m.text + m.detail for m in run.messages.all()]
    assert house.count("flights.airlines") == 16
    assert house.count("flights.planes") == 3322
    exact = [
        (r["faa"], r["name"], Decimal(str(r["location__lat"])), Decimal(str(r["location__lon"])))
        for r in expected.airports()
    ]
    got = house.rows('select faa, name, "location__lat", "location__lon" from flights.airports order by faa')
    assert [tuple(row) for row in got] == sorted(exact)


def test_the_count_chain_is_whole_and_the_data_load_exists(house):
    run = house.run(house.source(endpoints=SMALL))

    for batch in Batch.objects.filter(owner=run.owner):
        assert batch.extracted_count == batch.staged_count + batch.rejected_count + batch.superseded_count
        assert batch.staged_count == batch.loaded_count == batch.inserted_count == batch.live_count
    load = DataLoad.objects.get(run=run)
    assert (load.table_count, load.row_count) == (3, 16 + 1458 + 3322)
    assert run.live_row_count == 16 + 1458 + 3322


def test_the_tasks_are_those_of_the_field(house):
    run = house.run(house.source(endpoints=["airlines"]))

    label = (
        "DuckDB"
        if "duckdb" in house.rows("select version()")[0][0].lower()
        or "PostgreSQL" not in house.rows("select version()")[0][0]
        else "Postgres"
    )
    names = [task.name for task in run.tasks.order_by("pk")]
    assert names == [
        "Airlines",
        "Metadata consolidation",
        f"Complete {label} ingestion",
        f"{label} ingestion: airlines",
    ]
    assert {table.name for table in run.tables.filter(task__kind=TaskKind.EXTRACTION)} == {"airlines"}


@pytest.mark.parametrize("warehouse_url", ["postgres", pytest.param("duckdb", marks=pytest.mark.long)], indirect=True)
def test_flights_come_in_twelve_tasks_and_their_delays_in_a_table_of_their_own(house):
    run = house.run(house.source(endpoints=["flights"]))

    assert run.status == RunStatus.COMPLETED, [m.text + m.detail for m in run.messages.all()]
    assert run.tasks.filter(kind=TaskKind.EXTRACTION).count() == 12
    assert run.tasks.filter(kind=TaskKind.CONSOLIDATION).count() >= 1
    assert house.count("flights.flights") == 336_776
    wanted = sum(1 for _ in expected.flights__delays())
    assert house.count("flights.flights__delays") == wanted
    late = house.rows("select max(cast(departure__delay as integer)) from flights.flights")[0][0]
    assert late == max(row["departure__delay"] or 0 for row in expected.flights())


def test_an_incremental_run_asks_only_for_what_changed(house):
    source = house.source(endpoints=["weather"])
    house.run(source)
    before = Bookmark.objects.get(source=source, endpoint="weather").value

    run = house.run(source, RunMode.INCREMENTAL)

    assert run.status == RunStatus.COMPLETED
    assert 0 < run.row_count < 26_115 // 10
    assert house.count("flights.weather") == 26_115
    assert Bookmark.objects.get(source=source, endpoint="weather").value == before


def test_a_destructive_run_replaces_what_is_live(house):
    source = house.source(endpoints=SMALL)
    house.run(source)
    house.api.control(empty=["airlines"])

    run = house.run(source)

    assert run.status == RunStatus.COMPLETED
    assert house.count("flights.airlines") == 0
    assert Message.objects.filter(run=run, code="no_records").exists()
    assert Dataset.objects.get(namespace="flights", name="airlines").live_rows == 0


@pytest.mark.parametrize("switch", ["rate_500", "rate_truncated", "rate_html", "rate_reset"])
def test_a_source_in_trouble_costs_time_but_no_row(house, switch):
    house.api.control(**{switch: 0.2, "seed": 7})

    run = house.run(house.source(endpoints=["planes"]))

    assert run.status == RunStatus.COMPLETED, [m.text for m in run.messages.all()]
    assert house.count("flights.planes") == 3322


def test_a_wrong_token_fails_the_run_and_says_what_to_do(house):
    run = house.run(house.source(token="wrong", endpoints=SMALL))

    assert (run.status, run.fault) == (RunStatus.FAILED, "auth")
    message = run.messages.filter(level=3).first()
    assert "401" in message.text
    assert "No table was changed." in message.text
    assert message.advice
    assert "wrong" not in message.text + message.detail


def test_parent_records_make_tasks_of_their_own(house):
    source = house.source(endpoints=["airport_summaries"])

    run = house.run(source)

    assert run.status == RunStatus.COMPLETED, [m.text for m in run.messages.all()]
    assert run.tasks.filter(kind=TaskKind.EXTRACTION).count() > 2
    summaries = dict(house.rows("select faa, departures from flights.airport_summaries"))
    assert summaries["EWR"] == sum(1 for row in expected.flights() if row["origin"] == "EWR")


def test_a_column_that_changes_type_half_way_is_widened_and_nothing_is_lost(house):
    source = house.source(endpoints=["planes"])
    house.run(source)
    house.api.control(drift=[["planes", "seats", 4, "many"]])

    run = house.run(source)

    assert run.status == RunStatus.COMPLETED, [m.text + m.detail for m in run.messages.all()]
    values = dict(house.rows("select tailnum, seats from flights.planes"))
    assert "many" in values.values()
    wanted = {row["tailnum"]: str(row["seats"]) for row in expected.planes()}
    assert all(value in ("many", wanted[tail]) for tail, value in values.items())
    changes = Batch.objects.get(owner=run.owner).changes
    assert [(c["kind"], c["column"], c["before"], c["after"]) for c in changes] == [
        ("widened", "seats", "integer", "text")
    ]
