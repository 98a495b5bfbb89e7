"""The list of datasets and the page of one: what it shows, and the three settings that can be changed on it."""

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from ingestion.admin import datasets
from ingestion.models import Batch, Dataset, Origin
from ingestion.states import BatchStatus as S
from tests.ingestion import batch_admin_kit as kit

pytestmark = pytest.mark.django_db
CHANGE = "ingestion.change_dataset"
SCHEMA = {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]}


@pytest.fixture
def admin(admin_client: Client) -> Client:
    return admin_client


def address(dataset: Dataset, page: str = "change") -> str:
    return reverse(f"admin:ingestion_dataset_{page}", args=[dataset.pk])


def shown(client: Client, dataset: Dataset) -> str:
    answer = client.get(address(dataset))
    assert answer.status_code == 200
    return answer.content.decode()


def save(client: Client, dataset: Dataset, **fields):
    return client.post(address(dataset, "settings"), {"schema_policy": "evolve", **fields})


def settings_of(dataset: Dataset) -> tuple:
    return Dataset.objects.values_list("retention_days", "schema_policy", "error_diagnostics").get(pk=dataset.pk)


def old_batch(dataset: Dataset, *, days: int, **fields) -> Batch:
    finished = timezone.now() - timedelta(days=days)
    return kit.batch(of=dataset, finished_at=finished, **{"loaded_count": 10, **fields})


# What it shows


def test_a_dataset_is_shown_with_table_key_schema_and_columns(admin):
    dataset = kit.dataset(
        schema=SCHEMA,
        key=["id"],
        blueprint=kit.LAYOUT,
        live_rows=1234,
        live_load=7,
        live_at=timezone.now(),
        tags={"team": ["hr"]},
    )

    page = shown(admin, dataset)

    for text in (
        str(dataset),
        dataset.public_id,
        "&quot;required&quot;",
        "integer",
        "1,234 rows are live",
        "team",
        "hr",
    ):
        assert text in page


def test_a_dataset_without_a_schema_says_that_columns_are_inferred(admin):
    page = shown(admin, kit.dataset())

    for text in (
        "No schema: columns are inferred",
        "No column is known yet",
        "No batch was sent",
        "Nothing is live yet",
    ):
        assert text in page


def test_last_batches_and_counts_by_status_lead_to_the_batches(admin):
    dataset = kit.dataset()
    batches = [kit.batch(status, of=dataset) for status in (S.FAILED, S.FAILED, S.SUCCESS)]
    kit.batch(S.STALLED)

    answer = admin.get(address(dataset))
    page = answer.content.decode()

    counters = answer.context["counters"]
    assert [counter["count"] for counter in counters] == ["1", "2"]
    assert all(kit.verb("change", batch) in page for batch in batches)
    listed = admin.get(counters[1]["address"]).context["cl"].result_list
    assert {batch.pk for batch in listed} == {batches[0].pk, batches[1].pk}


def test_the_dataset_of_runs_can_only_be_looked_at(admin):
    dataset = kit.dataset("", origin=Origin.RUNS, source_name="flights")
    kit.of_a_run(of=dataset)

    page = shown(admin, dataset)
    answer = save(admin, dataset, retention_days="5")

    assert "its settings are those of its data source" in page
    assert "API run 31548" in page
    assert 'name="retention_days"' not in page
    assert "Nothing was changed" in kit.said(answer)
    assert settings_of(dataset) == (None, "evolve", False)


def test_hostile_names_show_as_text(admin):
    dataset = kit.dataset(
        kit.HOSTILE, description=kit.HOSTILE, tags={kit.HOSTILE: [kit.HOSTILE]}, schema={"title": kit.HOSTILE},
        key=[kit.HOSTILE], source_name=kit.HOSTILE, created_user=kit.HOSTILE, organisation=kit.HOSTILE,
        blueprint=[{"name": kit.HOSTILE, "source": kit.HOSTILE, "type": "text"}],
    )  # fmt: skip
    kit.batch(of=dataset, created_user=kit.HOSTILE)

    pages = [shown(admin, dataset), admin.get(reverse("admin:ingestion_dataset_changelist")).content.decode()]

    for page in pages:
        assert kit.HOSTILE not in page
        assert "&lt;script&gt;" in page


def test_a_dataset_is_reached_by_the_id_that_clients_know(admin):
    dataset = kit.dataset()
    by_id = address(dataset).replace(f"/{dataset.pk}/", f"/{dataset.public_id}/")

    assert admin.get(by_id).status_code == 200
    assert admin.get(by_id.replace(dataset.public_id, "f" * 24)).status_code == 404


def test_a_deleted_dataset_says_so(admin):
    page = shown(admin, kit.dataset(deleted_at=timezone.now()))

    assert "Its client deleted it" in page
    assert 'name="retention_days"' not in page


def test_more_batches_cost_no_more_queries(admin):
    def queries(dataset: Dataset) -> int:
        with CaptureQueriesContext(connection) as asked:
            shown(admin, dataset)
        return len(asked)

    small, large = kit.dataset(), kit.dataset()
    kit.batch(of=small)
    for number in range(9):
        kit.batch(of=large, created_client=f"client {number}")
    queries(small)

    assert queries(small) == queries(large) <= 8


# Settings


def test_settings_are_changed_and_who_did_it_is_kept(admin):
    dataset = kit.dataset()

    answer = save(admin, dataset, retention_days="30", schema_policy="freeze", error_diagnostics="on")

    dataset.refresh_from_db()
    assert settings_of(dataset) == (30, "freeze", True)
    assert (dataset.version, dataset.updated_user, dataset.title) == (1, "admin", "Survey answers")
    assert "retention days: for ever → 30; schema policy: evolve → freeze" in kit.said(answer)
    assert "evolve → freeze" in LogEntry.objects.get(object_id=str(dataset.pk)).change_message


def test_saving_what_is_so_already_changes_nothing(admin):
    dataset = kit.dataset(retention_days=30)

    answer = save(admin, dataset, retention_days="30")

    assert "were so already" in kit.said(answer)
    assert Dataset.objects.get(pk=dataset.pk).version == 0
    assert not LogEntry.objects.exists()


def test_only_the_three_settings_can_be_changed(admin):
    dataset = kit.dataset(key=["id"])

    save(admin, dataset, title="Another", key="[]", origin="runs", live_rows="0", namespace="other")

    before = (dataset.title, dataset.key, dataset.origin, dataset.live_rows, dataset.namespace)
    dataset.refresh_from_db()
    assert (dataset.title, dataset.key, dataset.origin, dataset.live_rows, dataset.namespace) == before


@pytest.mark.parametrize(
    "fields",
    [{"retention_days": "0"}, {"retention_days": "-1"}, {"retention_days": "36501"}, {"retention_days": kit.HOSTILE},
     {"retention_days": "9" * 30}, {"schema_policy": "whatever"}, {"schema_policy": ""}],
)  # fmt: skip
def test_a_setting_that_cannot_be_is_refused_with_its_name(admin, fields):
    dataset = kit.dataset()

    answer = save(admin, dataset, **fields)

    assert "Nothing was changed" in kit.said(answer)
    assert settings_of(dataset) == (None, "evolve", False)


def test_a_shorter_retention_asks_first_when_rows_would_leave(admin):
    dataset = kit.dataset()
    old_batch(dataset, days=10), old_batch(dataset, days=20), old_batch(dataset, days=2)

    asked = save(admin, dataset, retention_days="5").content.decode()

    assert "2 live batches of it are older than that: 20 rows leave the table" in asked
    assert settings_of(dataset) == (None, "evolve", False)

    save(admin, dataset, retention_days="5", confirmed="yes")

    assert settings_of(dataset) == (5, "evolve", False)


def test_a_longer_retention_is_not_asked_about(admin):
    dataset = kit.dataset(retention_days=5)
    old_batch(dataset, days=10)

    assert save(admin, dataset, retention_days="7").status_code == 302
    assert settings_of(dataset) == (7, "evolve", False)


def test_the_questions_answer_keeps_every_setting_that_was_chosen(admin):
    dataset = kit.dataset()
    old_batch(dataset, days=10)

    page = save(admin, dataset, retention_days="5", schema_policy="freeze", error_diagnostics="on").content.decode()

    for name, value in {
        "retention_days": "5",
        "schema_policy": "freeze",
        "error_diagnostics": "on",
        "confirmed": "yes",
    }.items():
        assert f'name="{name}" value="{value}"' in page


def test_a_change_by_somebody_else_in_between_is_refused(admin, monkeypatch):
    dataset = kit.dataset()
    changed = datasets.differences

    def beside(*args):
        Dataset.objects.filter(pk=dataset.pk).update(version=5, retention_days=99)
        return changed(*args)

    monkeypatch.setattr(datasets, "differences", beside)

    answer = save(admin, dataset, retention_days="30")

    assert "changed by somebody else" in kit.said(answer)
    assert settings_of(dataset)[0] == 99


def test_settings_need_their_right_a_token_and_a_post(client):
    dataset = kit.dataset()
    kit.may(client)
    strict = kit.may(Client(enforce_csrf_checks=True), CHANGE)

    assert "You do not have the right to change the settings" in shown(client, dataset)
    assert save(client, dataset, retention_days="5").status_code == 403
    assert save(strict, dataset, retention_days="5").status_code == 403
    assert strict.get(address(dataset, "settings")).status_code == 405
    assert settings_of(dataset) == (None, "evolve", False)


def test_the_right_to_the_settings_is_enough(client):
    dataset = kit.dataset()

    save(kit.may(client, CHANGE), dataset, retention_days="5")

    assert settings_of(dataset)[0] == 5


def test_a_deleted_dataset_says_that_its_table_stays(admin_client):
    of = kit.dataset(deleted_at=timezone.now(), live_at=timezone.now(), live_rows=7)

    page = admin_client.get(reverse("admin:ingestion_dataset_change", args=[of.pk])).content.decode()

    assert f"Its table {of} stays in the warehouse, with 7 rows." in page


def test_a_column_names_the_batch_that_changed_it_last(admin_client):
    of = kit.dataset(blueprint=kit.LAYOUT)
    kit.batch(of=of, changes=[{"kind": "added", "column": "name", "before": "", "after": "text"}])
    widened = kit.batch(of=of, changes=[{"kind": "widened", "column": "name", "before": "text", "after": "json"}])

    shown = admin_client.get(reverse("admin:ingestion_dataset_change", args=[of.pk])).context["columns"]

    told = {column["name"]: column["changed"] for column in shown}
    assert told["id"] is None
    assert told["name"]["kind"] == "widened"
    assert widened.public_id in told["name"]["link"]


# Where a row comes from


def keyed(**fields) -> Dataset:
    of = kit.dataset(key=["id"], blueprint=kit.LAYOUT, **fields)
    kit.live(3, of=of)
    of.refresh_from_db()
    return of


def test_a_clients_row_leads_to_its_batch_and_file(admin):
    dataset = keyed()

    page = admin.get(address(dataset), {"key": "2"}).content.decode()

    assert reverse("admin:ingestion_batch_change", args=[dataset.batches.get().pk]) in page
    assert "file/0" in page
    assert "row 2" in page


def test_a_value_that_the_key_cannot_have_is_said(admin):
    page = admin.get(address(keyed()), {"key": "two"}).content.decode()

    assert "id holds whole numbers" in page


def test_rows_are_shown_to_those_who_may_see_raw_data(client):
    dataset = keyed()
    kit.may(client, "ingestion.view_dataset")

    page = client.get(address(dataset), {"key": "2"}).content.decode()

    assert "row 2" not in page
    assert "You do not have the right to see raw data" in page


def test_a_table_without_a_key_or_without_rows_offers_no_search(admin):
    for dataset in (kit.dataset(key=["id"], blueprint=kit.LAYOUT), kit.dataset("Keyless", blueprint=kit.LAYOUT)):
        assert admin.get(address(dataset), {"key": "2"}).context["search"] is None
