"""The list of batches: what it shows, finds, filters and counts, and that a million rows cost it no more."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from ulid import ULID

from ingestion.access import clients
from ingestion.access.models import Organisation, Sandbox
from ingestion.models import Batch, Origin
from ingestion.states import BatchStatus as S
from tests.ingestion import batch_admin_kit as kit

pytestmark = pytest.mark.django_db
LIST = reverse("admin:ingestion_batch_changelist")


@pytest.fixture
def admin(admin_client: Client) -> Client:
    return admin_client


def listed(client: Client, **query) -> list[int]:
    return [batch.pk for batch in client.get(LIST, query).context["cl"].result_list]


def made_before(batch: Batch, **ago) -> Batch:
    """The batch as if it had been made so long ago: its id begins with the time."""
    at = timezone.now() - timedelta(**ago)
    public_id = str(ULID.from_bytes(int(at.timestamp() * 1000).to_bytes(6, "big") + batch.pk.to_bytes(10, "big")))
    Batch.objects.filter(pk=batch.pk).update(created_at=at, public_id=public_id)
    return batch


# What it shows


def test_the_newest_batch_comes_first(admin):
    batches = [kit.batch() for _ in range(3)]

    assert listed(admin) == [batch.pk for batch in reversed(batches)]


def test_every_status_has_a_word_and_a_shape(admin):
    for status in S:
        kit.batch(status)

    page = admin.get(LIST).content.decode()

    for status in S:
        assert f"<span>{status.capitalize()}</span></span>" in page


def test_a_row_says_what_came_what_was_bad_and_what_is_live(admin):
    batch = kit.batch(extracted_count=1000, rejected_count=13, loaded_count=987, input_size=2_500_000)
    kit.file(batch), kit.file(batch, "more.json")

    page = admin.get(LIST).content.decode()

    for text in (
        "1,000",
        "13",
        "987",
        "2.4\xa0MB",
        "with bad rows",
        "Survey answers",
        f'data-copy="{batch.public_id}"',
    ):
        assert text in page


def test_rows_that_are_not_live_any_more_do_not_count_as_live(admin):
    kit.batch(S.INACTIVE, loaded_count=987)

    assert "987" not in admin.get(LIST).content.decode()


def test_the_client_is_shown_by_its_name(admin):
    organisation, _ = Organisation.objects.get_or_create(name="default")
    given = clients.create(
        organisation=organisation, name="Nightly upload", sandboxes=Sandbox.objects.none(), by="anna"
    )
    kit.batch(created_client=given.client_id)

    assert "Nightly upload" in admin.get(LIST).content.decode()


def test_the_batch_of_a_run_leads_to_its_run(admin):
    kit.of_a_run()

    page = admin.get(LIST, {"origin": "runs"}).content.decode()

    assert f'href="{reverse("admin:runs_run_change", args=[31548])}"' in page


def test_hostile_names_show_as_text(admin):
    of = kit.dataset(kit.HOSTILE, organisation=kit.HOSTILE, sandbox=kit.HOSTILE)
    kit.batch(of=of, created_client=kit.HOSTILE, input_format={"format": kit.HOSTILE})

    page = admin.get(LIST, {"q": "", "dataset": str(of.pk), "created": kit.HOSTILE}).content.decode()

    assert kit.HOSTILE not in page
    assert "&lt;script&gt;" in page


# From whom


def test_batches_of_clients_are_shown_first_and_those_of_runs_on_demand(admin):
    client, run = kit.batch(), kit.of_a_run()

    assert listed(admin) == [client.pk]
    assert listed(admin, origin="runs") == [run.pk]
    assert listed(admin, origin="all") == [run.pk, client.pk]


def test_where_no_client_has_a_dataset_the_batches_of_runs_are_shown(admin):
    run = kit.of_a_run()

    assert listed(admin) == [run.pk]


# Filters


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"status": "failed"}, "failed"),
        ({"status": "open"}, "loading stalled"),
        ({"status": "attention"}, "failed stalled"),
        ({"status": "nonsense"}, "failed loading stalled csv"),
        ({"format": "csv"}, "csv"),
        ({"sandbox": "acme/test"}, "csv"),
        ({"sandbox": "acme/other"}, "failed loading stalled csv"),
    ],
)
def test_filters_leave_what_they_say(admin, query, expected):
    elsewhere = kit.dataset(organisation="acme", sandbox="test")
    batches = {
        "failed": kit.batch(S.FAILED),
        "loading": kit.batch(S.LOADING),
        "stalled": kit.batch(S.STALLED),
        "csv": kit.batch(of=elsewhere, input_format={"format": "csv"}),
    }

    assert set(listed(admin, **query)) == {batches[name].pk for name in expected.split()}


def test_one_dataset_can_be_chosen_also_when_it_is_not_offered(admin, monkeypatch):
    monkeypatch.setattr("ingestion.admin.filters.DATASETS_OFFERED", 1)
    batches = [kit.batch(of=kit.dataset(f"Number {n}", live_at=timezone.now())) for n in range(3)]

    page = admin.get(LIST, {"dataset": str(batches[0].dataset_id)})

    assert [batch.pk for batch in page.context["cl"].result_list] == [batches[0].pk]
    assert "<strong>Number 0" in page.content.decode()


@pytest.mark.parametrize(
    ("created", "expected"),
    [
        ("24h", "new"),
        ("7d", "new days"),
        ("30d", "new days weeks"),
        ("", "new days weeks old"),
        ("2026-99-99", "new days weeks old"),
    ],
)
def test_batches_are_found_by_when_they_were_made(admin, created, expected):
    batches = {
        "new": kit.batch(),
        "days": made_before(kit.batch(), days=3),
        "weeks": made_before(kit.batch(), days=20),
        "old": made_before(kit.batch(), days=90),
    }

    assert set(listed(admin, created=created)) == {batches[name].pk for name in expected.split()}


def test_one_day_can_be_asked_for(admin):
    wanted, other = made_before(kit.batch(), days=3), made_before(kit.batch(), days=5)
    day = timezone.localtime(timezone.now() - timedelta(days=3)).date().isoformat()

    page = admin.get(LIST, {"created": day, "status": "success"}).content.decode()

    assert listed(admin, created=day) == [wanted.pk]
    assert f'type="date" name="created" value="{day}"' in page
    assert '<input type="hidden" name="status" value="success">' in page
    assert other.pk not in listed(admin, created=day)


def test_a_filter_without_a_match_says_so_and_clears(admin):
    kit.batch()

    page = admin.get(LIST, {"status": "stalled"}).content.decode()

    assert "Nothing here matches these filters" in page
    assert "Clear all" in page


# Search


def test_a_batch_is_found_by_each_of_its_names(admin):
    of = kit.dataset("Survey answers")
    batch, _ = kit.batch(of=of, external_id="nightly-7"), kit.batch(of=kit.dataset("Hires"))

    for text in (batch.public_id, batch.public_id.lower(), str(batch.pk), "nightly-7", "survey", of.name, of.public_id):
        assert listed(admin, q=text) == [batch.pk], text


def test_an_id_is_found_whoever_made_the_batch(admin):
    kit.batch()
    run = kit.of_a_run()

    assert listed(admin, q=run.public_id) == [run.pk]
    assert listed(admin, q="run/31548") == [run.pk]


@pytest.mark.parametrize("text", ["%", "_", "'", '"', "\0", "run/", "9" * 40, "0" * 26, "x" * 5000, kit.HOSTILE])
def test_odd_texts_are_searched_for_like_any_other(admin, text):
    kit.batch()

    answer = admin.get(LIST, {"q": text})

    assert answer.status_code == 200
    assert kit.HOSTILE not in answer.content.decode()


def test_the_palette_of_all_pages_finds_a_batch_by_its_id_alone(admin):
    batch = kit.batch()
    palette = reverse("admin:search")

    by_id = admin.get(palette, {"s": batch.public_id, "extended": "1"}).content.decode()
    by_name = admin.get(palette, {"s": "Survey answers", "extended": "1"}).content.decode()

    assert kit.verb("change", batch) in by_id
    assert kit.verb("change", batch) not in by_name


# The strip


def test_the_strip_counts_what_is_in_which_trouble(admin):
    for status, many in ((S.LOADING, 1), (S.LOADED, 1), (S.STAGING, 2), (S.RETRYING, 4), (S.STALLED, 5), (S.FAILED, 6)):
        for _ in range(many):
            kit.batch(status)
    made_before(kit.batch(S.FAILED), days=2)
    kit.of_a_run(S.STAGING)

    counted = {counter.word: counter.count for counter in admin.get(LIST).context["strip"]}

    assert counted == {"Loading": 1, "In work": 3, "Retrying": 4, "Stalled": 5, "Failed": 6}


def test_each_number_leads_to_exactly_what_was_counted(admin):
    for status in S:
        kit.batch(status)
    made_before(kit.batch(S.FAILED), days=2)

    for counter in admin.get(LIST).context["strip"]:
        answer = admin.get(LIST + counter.query)
        assert len(answer.context["cl"].result_list) == counter.count
        assert [each.word for each in answer.context["strip"] if each.chosen] == [counter.word]


def test_without_datasets_of_clients_there_is_no_strip(admin):
    kit.of_a_run()

    assert not admin.get(LIST).context.get("strip")
    assert kit.dataset(origin=Origin.RUNS).origin == "runs"


# Cost


def test_the_list_is_never_counted(admin):
    kit.batch()

    with CaptureQueriesContext(connection) as asked:
        admin.get(LIST)

    assert not [query["sql"] for query in asked if "COUNT(*)" in query["sql"]]


def test_more_batches_cost_no_more_queries(admin):
    def queries() -> int:
        with CaptureQueriesContext(connection) as asked:
            assert admin.get(LIST).status_code == 200
        return len(asked)

    def some(number: int) -> None:
        for n in range(number):
            kit.file(kit.batch(of=kit.dataset(organisation=f"org{n}"), created_client=f"client {n}"))

    some(1)
    queries()
    few = queries()
    some(12)

    assert queries() == few <= 12


def test_what_is_heavy_is_not_read_for_the_list(admin):
    kit.batch()

    with CaptureQueriesContext(connection) as asked:
        admin.get(LIST)

    rows = next(
        query["sql"] for query in asked if "LIMIT 50" in query["sql"] and 'FROM "ingestion_batch"' in query["sql"]
    )
    for column in ("blueprint", "changes", "errors", "temporary", "archive", "schema"):
        assert f'"{column}"' not in rows


def test_the_list_needs_the_right_to_view_it(client):
    kit.batch()
    client.force_login(kit.factories.person(name="guest"))

    assert client.get(LIST).status_code == 403
