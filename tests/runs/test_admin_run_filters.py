"""What the list of runs can be asked for, what it says of that, and how it is left and found again."""

import csv
import io
import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from runs.admin import export, listing
from runs.models import Run
from runs.states import RunMode
from tests import factories

pytestmark = pytest.mark.django_db
LIST = "/admin/runs/run/"


def listed(client, query: str = "all=1") -> list[int]:
    page = client.get(f"{LIST}?{query}")
    assert page.status_code == 200
    return [run.pk for run in page.context["cl"].result_list]


def chips(client, query: str):
    return {chip.words: chip.address for chip in client.get(f"{LIST}?{query}").context["cl"].chips}


def test_values_of_one_filter_add_up_and_filters_narrow_each_other(admin_client):
    one, two = factories.source("One"), factories.source("Two")
    failed = factories.failed_run(one, mode=RunMode.DESTRUCTIVE)
    cancelled = factories.run(one, status="cancelled")
    completed, other = factories.run(one), factories.failed_run(two)

    assert listed(admin_client, "status=failed&status=cancelled") == [other.pk, cancelled.pk, failed.pk]
    assert listed(admin_client, f"status=failed&status=cancelled&source={one.pk}") == [cancelled.pk, failed.pk]
    assert listed(admin_client, f"source={one.pk}&source={two.pk}&status=completed") == [completed.pk]
    assert listed(admin_client, "type=destructive") == [failed.pk]


def test_addresses_of_before_find_the_same(admin_client):
    failed, other = factories.failed_run(factories.source("One")), factories.run(factories.source("Two"))

    assert listed(admin_client, "status__exact=failed") == [failed.pk]
    assert listed(admin_client, f"source__id__exact={other.source_id}&mode__exact=incremental") == [other.pk]


@pytest.mark.parametrize(
    "query",
    [
        "status=nonsense", "source=x", "source=99999999999999999999", "longer=soon", "period=never", "attention=maybe",
        "fault=%00",
    ],
)  # fmt: skip
def test_a_value_that_is_unknown_finds_nothing_and_breaks_nothing(admin_client, query):
    factories.run()

    assert listed(admin_client, query) == ([] if "%00" not in query else [Run.objects.get().pk])


def test_a_run_is_found_by_who_asked_for_it_and_by_its_failure(admin_client):
    mine = factories.failed_run(requested_by="bert", fault="auth")
    factories.failed_run(factories.source("Two"), requested_by="anna", fault="schema")

    assert listed(admin_client, "by=bert") == [mine.pk]
    assert listed(admin_client, "fault=auth") == [mine.pk]


def test_from_one_day_to_another_both_days_are_included(admin_client):
    noon = timezone.now().replace(hour=12)
    ago = (3, 2, 1, 0)
    runs = {n: factories.run(factories.source(f"S{n}"), created_at=noon - timedelta(days=n)) for n in ago}
    first, last = (f"{noon - timedelta(days=n):%Y-%m-%d}" for n in (2, 1))

    assert listed(admin_client, f"from={first}&to={last}") == [runs[1].pk, runs[2].pk]
    assert listed(admin_client, f"from={first}&to={last}&o=run_id") == [runs[2].pk, runs[1].pk]
    assert listed(admin_client, f"from={last}&to={last}") == [runs[1].pk]
    assert len(listed(admin_client, "from=yesterday")) == 4


def test_longer_than_counts_runs_that_are_still_at_work(admin_client):
    now = timezone.now()
    long = factories.run(started_at=now - timedelta(hours=3), finished_at=now)
    working = factories.open_run(factories.source("Two"), started_at=now - timedelta(hours=2))
    factories.run(factories.source("Three"))

    assert listed(admin_client, "longer=60") == [working.pk, long.pk]
    assert listed(admin_client, "longer=150") == [long.pk]


def test_the_inbox_holds_what_failed_or_warned_and_nobody_knows_of(admin_client):
    failed = factories.failed_run()
    warned = factories.run(factories.source("Two"), worst_level=2, message_count=1)
    known = factories.failed_run(factories.source("Three"), acknowledged_at=timezone.now(), acknowledged_by="bert")
    later = timezone.now() + timedelta(hours=2)
    snoozed = factories.failed_run(factories.source("Four"), snoozed_until=later, snoozed_by="bert")
    factories.run(factories.source("Five"))

    assert listed(admin_client, "attention=needed") == [warned.pk, failed.pk]
    assert listed(admin_client, "attention=acknowledged") == [known.pk]
    assert listed(admin_client, "attention=snoozed") == [snoozed.pk]
    counter = {c.name: c for c in admin_client.get(LIST + "?all=1").context["strip"]}["attention"]
    assert counter.text == "2 Need attention"
    assert listed(admin_client, counter.address.lstrip("?")) == [warned.pk, failed.pk]


def test_runs_are_acknowledged_together_and_those_that_are_fine_are_skipped_with_why(admin_client):
    failed, fine = factories.failed_run(), factories.run(factories.source("Two"))
    chosen = {"action": "acknowledge_chosen", "_selected_action": [failed.pk, fine.pk]}

    asked = admin_client.post(LIST, chosen)
    page = admin_client.get(asked["Location"]).content.decode()
    admin_client.post(reverse("admin:runs_run_bulk", args=["acknowledge"]), {"ids": f"{failed.pk},{fine.pk}"})

    assert "Acknowledge 1 run?" in page
    assert "only a run that failed or completed with warnings" in page
    assert Run.objects.get(pk=failed.pk).acknowledged_by == "admin"
    assert Run.objects.get(pk=fine.pk).acknowledged_at is None


def test_each_chip_takes_away_one_value_and_keeps_the_others(admin_client):
    source = factories.source("Surveys")
    query = f"status=failed&status=rejected&source={source.pk}&longer=5&from=2026-01-02&to=2026-01-02&q=Sur"

    found = chips(admin_client, query)

    assert set(found) == {
        "Data source: Surveys", "Status: Failed", "Status: Rejected - previous load still running",
        "Longer than: 5 min", "Period: 02 Jan 2026",
    }  # fmt: skip
    without = found["Status: Failed"]
    assert "status=failed" not in without
    for kept in ("status=rejected", f"source={source.pk}", "longer=5", "from=2026-01-02", "q=Sur"):
        assert kept in without
    assert "from=" not in found["Period: 02 Jan 2026"]


def test_the_last_chip_leads_to_the_whole_list(admin_client):
    factories.run()

    assert chips(admin_client, "status=failed") == {"Status: Failed": "?all=1"}


def test_no_match_names_the_filter_that_stands_in_the_way(admin_client):
    factories.run(trigger="schedule")

    page = admin_client.get(LIST, {"trigger": "schedule", "status": "failed"})
    text = page.content.decode()

    assert "No run matches these filters." in text
    assert "Without “Status: Failed” something would match." in text
    assert [chip.words for chip in page.context["cl"].chips if chip.blamed] == ["Status: Failed"]


def test_the_last_filters_are_remembered_until_they_are_cleared(admin_client):
    failed = factories.failed_run()
    factories.run(factories.source("Two"))
    listed(admin_client, "status=failed")

    back = admin_client.get(LIST)
    page = admin_client.get(back["Location"] if "/" in back["Location"] else LIST + back["Location"])

    assert [run.pk for run in page.context["cl"].result_list] == [failed.pk]
    assert "These are your last filters." in page.content.decode()
    assert len(listed(admin_client, "all=1")) == 2
    assert admin_client.get(LIST).status_code == 200


def test_another_person_has_other_filters(admin_client, client):
    listed(admin_client, "status=failed")
    client.force_login(factories.person("runs.view_run"))

    assert client.get(LIST).status_code == 200


def test_a_search_finds_statuses_in_every_spelling(admin_client):
    cancelled = factories.run(status="cancelled")
    factories.run(factories.source("Two"))

    for text in ("canceled", "Cancelled", "cancelled"):
        assert listed(admin_client, f"q={text}") == [cancelled.pk]


def test_every_column_but_the_actions_sorts_both_ways(admin_client):
    factories.failed_run(row_count=5)
    factories.rejected_run(factories.open_run(factories.source("Two"), row_count=9, message_count=3, worst_level=1))
    for heading in admin_client.get(LIST).context["cl"].headings():
        name = heading.column.name
        up, down = listed(admin_client, f"o={name}"), listed(admin_client, f"o=-{name}")
        assert sorted(up) == sorted(down)
        assert len(up) == 3
    page = admin_client.get(f"{LIST}?o=-rows").content.decode()
    assert re.search(r'aria-sort="descending" class="column-rows"', page)
    assert "By urgency: failed first, completed last" in page


def test_what_is_missing_sorts_last_both_ways(admin_client):
    ended = factories.run()
    waiting = factories.run(factories.source("Two"), status="waiting")

    assert listed(admin_client, "o=took") == listed(admin_client, "o=-took") == [ended.pk, waiting.pk]


def test_pages_are_fifty_rows_and_say_where_they_are(admin_client, monkeypatch):
    monkeypatch.setattr(listing, "PER_PAGE", 2)
    source = factories.source()
    runs = [factories.run(source).pk for _ in range(5)][::-1]

    pages = [admin_client.get(f"{LIST}?p={number}").context["cl"] for number in (1, 2, 3)]

    assert [[run.pk for run in page.result_list] for page in pages] == [runs[:2], runs[2:4], runs[4:]]
    assert [page.count_words for page in pages] == ["1–2 of many", "3–4 of many", "5–5 of 5"]
    assert [page.has_next for page in pages] == [True, True, False]
    assert "This page is empty" in admin_client.get(f"{LIST}?p=9").content.decode()


def test_a_sort_of_very_many_is_bounded_and_says_so(admin_client, monkeypatch):
    monkeypatch.setattr(listing, "MOST_SORTED", 3)
    source = factories.source()
    runs = [factories.run(source, row_count=rows).pk for rows in (9, 1, 3, 2)]

    assert listed(admin_client, "o=-rows") == [runs[2], runs[3], runs[1]]
    assert "Sorted among the newest 3 that match" in admin_client.get(f"{LIST}?o=rows").content.decode()


def cells(answer) -> list[list[str]]:
    return list(csv.reader(io.StringIO(b"".join(answer.streaming_content).decode().lstrip("\ufeff"))))


def test_chosen_runs_are_exported_and_no_cell_is_a_formula(admin_client):
    run = factories.failed_run(factories.source("=cmd|' /C calc'!A0"), requested_by="@SUM(A1)", outcome='+1, "x"\n-2')
    factories.run(factories.source("Two"))

    answer = admin_client.post(LIST, {"action": "export_chosen", "_selected_action": [run.pk]})
    head, *rows = cells(answer)

    assert answer["Content-Disposition"].startswith('attachment; filename="runs-')
    assert len(rows) == 1
    found = dict(zip(head, rows[0], strict=True))
    assert found["Data source"] == "'=cmd|' /C calc'!A0"
    assert found["By"] == "'@SUM(A1)"
    assert found["Outcome"].startswith("'+1")
    assert found["Run id"] == str(run.pk)


def test_everything_that_is_filtered_is_exported_up_to_a_bound(admin_client, monkeypatch):
    failed = factories.failed_run()
    newer = [factories.run(factories.source(f"S{n}")).pk for n in range(3)]

    rows = cells(admin_client.get(f"{LIST}export/?status=failed"))[1:]
    monkeypatch.setattr(export, "MOST", 2)
    bounded = cells(admin_client.get(f"{LIST}export/"))[1:]

    assert [row[0] for row in rows] == [str(failed.pk)]
    assert [row[0] for row in bounded] == [str(newer[2]), str(newer[1])]


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", "\t=1", "\r=1", " =1", "\n=1"])
def test_whatever_begins_like_a_formula_is_made_text(text):
    assert export.safe(text) == f"'{text}"
    assert export.safe("plain") == "plain"
    assert export.safe(-5) == -5


def test_the_export_needs_the_right_to_see_runs(client):
    client.force_login(factories.person())

    assert client.get(f"{LIST}export/").status_code == 403


def test_what_a_form_leaves_empty_is_not_in_the_address(admin_client):
    tidied = admin_client.get(f"{LIST}?all=1&q=&status=failed&status=&by=&from=")
    emptied = admin_client.get(f"{LIST}?all=1&q=&by=")

    assert tidied["Location"] == "?status=failed"
    assert emptied["Location"] == "?all=1"
