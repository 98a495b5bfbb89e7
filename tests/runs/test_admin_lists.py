"""The lists of the admin: what they show, how they sort and filter, and that rows cost no queries of their own."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from ingestion.models import Batch
from runs.models import Level, Run
from runs.states import RUN_WORDS, RunMode, RunStatus
from tests import factories

pytestmark = pytest.mark.django_db
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def admin(admin_client: Client) -> Client:
    return admin_client


def runs_listed(page) -> list[int]:
    return [run.pk for run in page.context["cl"].result_list]


def every_status() -> dict[str, Run]:
    found = {RunStatus.RUNNING: factories.open_run(factories.source("One"))}
    found[RunStatus.REJECTED] = factories.rejected_run(found[RunStatus.RUNNING])
    found[RunStatus.WAITING] = factories.run(factories.source("Two"), status=RunStatus.WAITING)
    found[RunStatus.CANCELING] = factories.canceling_run(factories.source("Three"))
    for name, status in (("Four", RunStatus.CANCELLED), ("Five", RunStatus.COMPLETED)):
        found[status] = factories.run(factories.source(name), status=status)
    return found | {RunStatus.FAILED: factories.failed_run(factories.source("Six"))}


def test_every_status_is_listed_with_its_word_and_an_icon(admin):
    every_status()

    page = admin.get(reverse("admin:runs_run_changelist")).content.decode()

    for status, word in RUN_WORDS.items():
        icon = r'<span class="[^"]*" aria-hidden="true">\w+</span>'
        assert re.search(rf'<span class="hg-badge hg-{status}">{icon}<span>{re.escape(word)}', page), word


def test_runs_sort_by_urgency_and_not_by_alphabet(admin):
    runs = every_status()

    page = admin.get(reverse("admin:runs_run_changelist"), {"o": "state"})

    order = ("failed", "rejected", "canceling", "running", "waiting", "cancelled", "completed")
    assert runs_listed(page) == [runs[status].pk for status in order]


def test_runs_sort_by_how_long_they_took(admin):
    source, now = factories.source(), timezone.now()
    long, short, middle = (
        factories.run(source, started_at=now - timedelta(minutes=minutes), finished_at=now) for minutes in (60, 1, 10)
    )

    page = admin.get(reverse("admin:runs_run_changelist"), {"o": "took"})

    assert runs_listed(page) == [short.pk, middle.pk, long.pk]


def test_the_newest_run_comes_first(admin):
    source = factories.source()
    older, newer = factories.run(source), factories.run(source)

    assert runs_listed(admin.get(reverse("admin:runs_run_changelist"))) == [newer.pk, older.pk]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"status__exact": "failed"}, "failed"),
        ({"mode__exact": "destructive"}, "destructive"),
        ({"trigger": "schedule"}, "scheduled"),
        ({"period": "24h"}, "failed destructive scheduled"),
        ({"period": "7d"}, "failed destructive scheduled old"),
        ({"q": "nothing like it"}, ""),
    ],
)
def test_runs_are_filtered_by_what_the_address_says(admin, query, expected):
    source, old = factories.source(), timezone.now() - timedelta(days=3)
    runs = {
        "failed": factories.failed_run(source),
        "destructive": factories.run(source, mode=RunMode.DESTRUCTIVE),
        "scheduled": factories.run(source, trigger="schedule"),
        "old": factories.run(source, created_at=old),
    }

    page = admin.get(reverse("admin:runs_run_changelist"), query)

    assert set(runs_listed(page)) == {runs[name].pk for name in expected.split()}


def test_the_source_page_leads_to_the_runs_of_that_source_alone(admin):
    mine, other = factories.run(factories.source("Mine")), factories.run(factories.source("Other"))
    page = admin.get(reverse("admin:connectors_datasource_change", args=[mine.source_id])).content.decode()
    address = re.search(r'href="([^"]+)">View API runs', page)
    assert address is not None

    listed = runs_listed(admin.get(address[1]))

    assert listed == [mine.pk]
    assert other.pk not in listed


def test_a_run_id_finds_its_run(admin):
    runs = [factories.run(factories.source()) for _ in range(3)]

    assert runs_listed(admin.get(reverse("admin:runs_run_changelist"), {"q": str(runs[1].pk)})) == [runs[1].pk]


@pytest.mark.parametrize("name", ["runs_run", "runs_dataload", "ingestion_batch"])
def test_lists_that_grow_for_ever_are_never_counted(admin, name):
    _one_of_each(0)
    with CaptureQueriesContext(connection) as asked:
        admin.get(reverse(f"admin:{name}_changelist"))

    assert not [query["sql"] for query in asked if "COUNT(*)" in query["sql"]]


def test_messages_are_counted_and_their_worst_level_is_said(admin):
    factories.run(message_count=3, worst_level=Level.WARNING)

    page = admin.get(reverse("admin:runs_run_changelist")).content.decode()

    assert 'title="Worst: Warning"' in page
    assert "with warnings" in page


def test_empty_lists_say_what_to_do(admin):
    words = {
        "runs_run": "No API run yet. Add a data source",
        "runs_dataload": "No data load yet.",
        "connectors_datasource": "No data source yet.",
        "connectors_connector": "No connector yet.",
        "ingestion_dataset": "No dataset yet.",
        "ingestion_batch": "No batch yet.",
    }
    for name, sentence in words.items():
        assert sentence in admin.get(reverse(f"admin:{name}_changelist")).content.decode()


def test_a_filter_without_a_match_says_so_and_clears(admin):
    factories.run()

    page = admin.get(reverse("admin:runs_run_changelist"), {"status__exact": "failed"}).content.decode()

    assert "matches these filters" in page
    assert "Clear all" in page


LISTS = (
    "runs_run",
    "runs_dataload",
    "connectors_datasource",
    "connectors_connector",
    "ingestion_dataset",
    "ingestion_batch",
)


def _one_of_each(number: int) -> None:
    run = factories.run(factories.source(f"Source {number}"))
    factories.table(factories.task(run), f"table_{number}")
    factories.data_load(run)


@pytest.mark.parametrize("name", LISTS)
def test_more_rows_cost_no_more_queries(admin, name):
    def queries() -> int:
        with CaptureQueriesContext(connection) as asked:
            assert admin.get(reverse(f"admin:{name}_changelist")).status_code == 200
        return len(asked)

    _one_of_each(0)
    queries()
    few = queries()
    for number in range(1, 9):
        _one_of_each(number)

    assert queries() == few


@pytest.mark.parametrize("name", LISTS)
def test_hostile_names_show_as_text(admin, name):
    run = factories.run(factories.source(HOSTILE, namespace="hostile"), requested_by=HOSTILE)
    factories.table(factories.task(run, HOSTILE), HOSTILE, description=HOSTILE)
    factories.data_load(run, note=HOSTILE)
    Batch.objects.update(changes=[{"kind": "added", "column": HOSTILE, "before": "", "after": HOSTILE}])

    pages = [admin.get(reverse(f"admin:{name}_changelist"))]
    pages += [admin.get(reverse(f"admin:{name}_change", args=[row.pk])) for row in pages[0].context["cl"].result_list]

    for page in pages:
        assert page.status_code == 200
        assert HOSTILE not in page.content.decode()
    assert "&lt;script&gt;" in "".join(page.content.decode() for page in pages)


@pytest.mark.parametrize("name", ["runs_run", "runs_dataload", "ingestion_dataset", "ingestion_batch"])
def test_rows_that_machines_write_cannot_be_added_or_deleted(admin, name):
    _one_of_each(0)
    row = admin.get(reverse(f"admin:{name}_changelist")).context["cl"].result_list[0]

    assert admin.get(reverse(f"admin:{name}_add")).status_code == 403
    assert admin.post(reverse(f"admin:{name}_delete", args=[row.pk]), {"post": "yes"}).status_code == 403
    assert type(row).objects.filter(pk=row.pk).exists()


@pytest.mark.parametrize("name", LISTS)
def test_lists_and_pages_need_the_right_to_view_them(client, name):
    _one_of_each(0)
    client.force_login(factories.person(name="guest"))

    assert client.get(reverse(f"admin:{name}_changelist")).status_code == 403


def test_a_data_load_leads_back_to_its_run_and_lists_its_tables(admin):
    run = factories.run()
    factories.table(factories.task(run), "surveys")
    load = factories.data_load(run, table_count=1, row_count=1234)

    page = admin.get(reverse("admin:runs_dataload_change", args=[load.pk])).content.decode()

    assert reverse("admin:runs_run_change", args=[run.pk]) in page
    assert "surveys" in page
    assert "1,234 rows" in page
