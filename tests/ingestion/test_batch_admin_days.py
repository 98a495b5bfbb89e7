"""The strip of days above the list of batches, and the filters that are set on it."""

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.urls import reverse
from django.utils import timezone
from ulid import ULID

from ingestion.admin import days
from ingestion.drawing import HEIGHT
from ingestion.models import Batch
from ingestion.states import BatchStatus as S
from tests.ingestion import batch_admin_kit as kit

pytestmark = pytest.mark.django_db
LIST = reverse("admin:ingestion_batch_changelist")


@pytest.fixture(autouse=True)
def forgotten() -> None:
    cache.clear()


def made_ago(ago: timedelta, status: S = S.SUCCESS, **fields) -> Batch:
    at = timezone.now() - ago
    batch = kit.batch(status, public_id=str(ULID.from_datetime(at)), **fields)
    Batch.objects.filter(pk=batch.pk).update(created_at=at)
    return batch


def test_days_count_clients_batches_by_how_they_went():
    of = kit.dataset()
    made_ago(timedelta(), of=of)
    made_ago(timedelta(), of=of, rejected_count=2)
    made_ago(timedelta(), S.FAILED, of=of)
    made_ago(timedelta(days=2), S.ABANDONED, of=of)
    made_ago(timedelta(days=20), of=of)
    kit.of_a_run()

    bars = days.days({}, now=timezone.now()).bars

    assert len(bars) == 14
    assert {name: count for name, count in bars[-1].day.counts.items() if count} == {
        "completed": 1, "warned": 1, "failed": 1,
    }  # fmt: skip
    assert bars[-3].day.counts["cancelled"] == 1
    assert sum(bar.day.total for bar in bars) == 4
    assert sum(part.height for part in bars[-1].parts) == HEIGHT


def test_a_day_is_a_link_to_its_batches(admin_client):
    today, earlier = made_ago(timedelta()), made_ago(timedelta(days=3))
    day = days.days({}, now=timezone.now()).bars[-1].day

    page = admin_client.get(LIST).content.decode()
    listed = admin_client.get(LIST + day.address)

    assert f'href="{day.address}"' in page
    assert today.public_id in listed.content.decode()
    assert earlier.public_id not in listed.content.decode()
    assert 'aria-current="true"' in listed.content.decode()


def test_filters_that_are_set_stand_as_chips_that_remove_them(admin_client):
    kit.batch(S.FAILED)

    answer = admin_client.get(LIST, {"status": "failed", "created": "7d"})

    chips = {chip.words: chip.address for chip in answer.context["chips"]}
    assert chips == {"Status: Failed": "?created=7d", "Created: Last 7 days": "?status=failed"}
    assert not admin_client.get(LIST).context["chips"]


def test_chips_of_data_loads_name_what_was_chosen(admin_client):
    answer = admin_client.get(reverse("admin:runs_dataload_changelist"), {"status__exact": "completed"})

    assert [(chip.words, chip.address) for chip in answer.context["chips"]] == [("Status: Completed", "?")]
