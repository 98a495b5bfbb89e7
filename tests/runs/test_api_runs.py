"""The list of runs over HTTP, and one run: what is shown, filtered, ordered, paged, and at what cost."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from runs.models import Run
from runs.states import RUN_WORDS, RunMode, RunStatus
from tests import factories as make

pytestmark = pytest.mark.django_db
WAITING, FAILED, COMPLETED = RunStatus.WAITING, RunStatus.FAILED, RunStatus.COMPLETED


@pytest.fixture
def reader():
    return make.caller("runs.view_run")


def listed(client, **query):
    response = client.get("/api/runs/", query)
    assert response.status_code == 200, response.content
    return [row["id"] for row in response.json()["results"]]


def refused(client, **query):
    response = client.get("/api/runs/", query)
    assert response.status_code == 400
    return response.json()["errors"][0]


def test_a_run_is_shown_with_its_stored_and_its_shown_word(reader):
    run = make.failed_run(make.source("Flights"), message_count=2, worst_level=3)

    row = reader.get("/api/runs/").json()["results"][0]

    assert row["id"] == run.pk
    assert row["url"] == f"http://testserver/api/runs/{run.pk}/"
    assert (row["status"], row["status_label"]) == ("failed", "Failed")
    assert (row["type"], row["source"], row["source_name"]) == ("incremental", run.source_id, "Flights")
    assert (row["message_count"], row["worst_level"], row["worst_level_label"]) == (2, 3, "Error")
    assert row["duration_seconds"] == 300


@pytest.mark.parametrize("status", list(RunStatus))
def test_each_of_the_seven_words_is_shown(reader, status):
    run = make.run(status=status)

    assert reader.get(f"/api/runs/{run.pk}/").json()["status_label"] == RUN_WORDS[status]


def test_a_run_names_its_lineage_its_blocker_and_its_data_load(reader):
    old = make.failed_run()
    new = make.open_run(retry_of=old)
    rejected = make.rejected_run(new)
    load = make.data_load(make.run(make.source("Other")))

    rows = {row["id"]: row for row in reader.get("/api/runs/").json()["results"]}

    assert (rows[old.pk]["retried_by"], rows[new.pk]["retry_of"]) == (new.pk, old.pk)
    assert rows[rejected.pk]["blocked_by"] == new.pk
    assert (rows[load.run_id]["data_load"], rows[new.pk]["data_load"]) == (load.pk, None)


def test_a_run_that_has_not_begun_has_no_duration_and_one_that_runs_counts_on(reader):
    waiting = make.run(status=WAITING)
    running = make.open_run(make.source("Other"))

    rows = {row["id"]: row["duration_seconds"] for row in reader.get("/api/runs/").json()["results"]}

    assert rows[waiting.pk] is None
    assert 600 <= rows[running.pk] < 660


def test_one_run_says_whether_it_can_be_retried(reader):
    old, newest = make.failed_run(), make.failed_run()

    assert reader.get(f"/api/runs/{newest.pk}/").json()["why_not_retry"] == ""
    said = reader.get(f"/api/runs/{old.pk}/").json()["why_not_retry"]
    assert said == f"Only the newest run of this source can be retried: run {newest.pk}."


def test_the_newest_run_comes_first(reader):
    first, second = make.run(), make.run()

    assert listed(reader) == [second.pk, first.pk]


def test_runs_are_filtered_by_source_status_type_and_trigger(reader):
    one, two = make.source("One"), make.source("Two")
    a = make.run(one, mode=RunMode.DESTRUCTIVE)
    b = make.failed_run(one, trigger="api")
    c = make.failed_run(two, requested_by="ben")

    assert listed(reader, source=one.pk) == [b.pk, a.pk]
    assert listed(reader, source=[one.pk, two.pk]) == [c.pk, b.pk, a.pk]
    assert listed(reader, status="failed") == [c.pk, b.pk]
    assert listed(reader, status=["failed", "completed"], source=one.pk) == [b.pk, a.pk]
    assert listed(reader, type="destructive") == [a.pk]
    assert listed(reader, trigger="api") == [b.pk]
    assert listed(reader, requested_by="Ben") == [c.pk]
    assert listed(reader, fault="auth") == [c.pk, b.pk]


@pytest.mark.parametrize(
    ("typed", "status"),
    [
        ("canceled", RunStatus.CANCELLED),
        ("cancelled", RunStatus.CANCELLED),
        ("cancelling", RunStatus.CANCELING),
        ("canceling", RunStatus.CANCELING),
        ("FAILED", FAILED),
    ],
)
def test_a_status_is_found_in_every_spelling(reader, typed, status):
    wanted = make.run(status=status)
    make.run()

    assert listed(reader, status=typed) == [wanted.pk]


def test_runs_are_filtered_by_time(reader):
    now = timezone.now()
    old = make.run(created_at=now - timedelta(days=20))
    lately = make.run(created_at=now - timedelta(days=3))
    fresh = make.run(created_at=now)

    assert listed(reader, period="24h") == [fresh.pk]
    assert listed(reader, period="today") == [fresh.pk]
    assert listed(reader, period="7d") == [fresh.pk, lately.pk]
    assert listed(reader, period="30d") == [fresh.pk, lately.pk, old.pk]
    assert listed(reader, since=(now - timedelta(days=4)).isoformat()) == [fresh.pk, lately.pk]
    assert listed(reader, until=(now - timedelta(days=2)).date().isoformat()) == [lately.pk, old.pk]


def test_runs_are_filtered_by_how_long_they_took(reader):
    now = timezone.now()
    make.run(started_at=now - timedelta(minutes=5), finished_at=now)
    long = make.run(started_at=now - timedelta(hours=2), finished_at=now)
    running = make.open_run(started_at=now - timedelta(hours=3))

    assert listed(reader, longer_than=3600) == [running.pk, long.pk]


def test_by_status_the_most_urgent_comes_first(reader):
    order = ["failed", "rejected", "canceling", "running", "waiting", "cancelled", "completed"]
    made = {}
    for status in sorted(order):
        made[status] = make.run(make.source(status), status=status).pk

    assert listed(reader, ordering="status") == [made[status] for status in order]
    assert listed(reader, ordering="-status") == [made[status] for status in reversed(order)]


def test_what_has_no_value_comes_last_in_either_direction(reader):
    now = timezone.now()
    short = make.run(started_at=now - timedelta(seconds=5), finished_at=now)
    long = make.run(started_at=now - timedelta(hours=2), finished_at=now - timedelta(hours=1))
    waiting = make.run(status=WAITING)

    assert listed(reader, ordering="duration") == [short.pk, long.pk, waiting.pk]
    assert listed(reader, ordering="-duration") == [long.pk, short.pk, waiting.pk]
    assert listed(reader, ordering="started") == [long.pk, short.pk, waiting.pk]
    assert listed(reader, ordering="-completed") == [short.pk, long.pk, waiting.pk]


def test_pages_link_to_each_other_and_cover_every_run_once(reader):
    made = [make.run().pk for _ in range(7)]
    seen, address = [], "/api/runs/?limit=3&ordering=status"

    while address:
        page = reader.get(address).json()
        assert page["count"] is None
        seen.append([row["id"] for row in page["results"]])
        address = page["next"]

    assert [len(ids) for ids in seen] == [3, 3, 1]
    assert sorted(pk for ids in seen for pk in ids) == made
    back = reader.get(page["previous"]).json()
    assert [row["id"] for row in back["results"]] == seen[1]


def test_a_list_is_never_counted(reader):
    make.run()

    with CaptureQueriesContext(
        connection,
    ) as queries:
        listed(reader)

    assert not [q["sql"] for q in queries if "COUNT(" in q["sql"].upper()]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "501"}, "limit"),
        ({"limit": "ten"}, "limit"),
        ({"offset": "-1"}, "offset"),
        ({"offset": "10001"}, "offset"),
        ({"source": "999"}, "source"),
        ({"status": "done"}, "status"),
        ({"type": "partial"}, "type"),
        ({"trigger": "moon"}, "trigger"),
        ({"period": "1y"}, "period"),
        ({"since": "yesterday"}, "since"),
        ({"longer_than": "-5"}, "longer_than"),
        ({"longer_than": "1e400"}, "longer_than"),
        ({"ordering": "urgency"}, "ordering"),
        ({"requested_by": "a\x00b"}, "requested_by"),
        ({"statuss": "failed"}, "statuss"),
    ],
)
def test_a_filter_that_makes_no_sense_is_refused_by_name(reader, query, field):
    assert refused(reader, **query)["field"] == field


def test_a_misspelt_filter_is_helped(reader):
    assert "Did you mean “status”?" in refused(reader, statuss="failed")["message"]


@pytest.mark.parametrize("query", [{}, {"ordering": "-status"}, {"status": "failed", "period": "7d"}])
def test_thirty_runs_cost_as_many_queries_as_three(reader, query, django_assert_num_queries):
    sources = [make.source(f"Source {n}") for n in range(3)]
    for n in range(3):
        make.failed_run(sources[n])
    with CaptureQueriesContext(connection) as few:
        assert len(listed(reader, **query)) == 3
    for n in range(27):
        old = Run.objects.filter(source=sources[n % 3]).first()
        make.data_load(make.failed_run(sources[n % 3], retry_of=old))

    with django_assert_num_queries(len(few)):
        assert len(listed(reader, **query)) == 30
    assert len(few) <= 5  # session, person, permissions of the person and of groups, runs
