"""The Idempotency-Key of a start: the same wish twice is one run, another wish under the same key is none."""

from datetime import timedelta

import pytest
from django.utils import timezone

from runs.models import Run, StartKey
from runs.states import RunStatus
from tests import factories as make
from tests.runs.test_api_verbs import START, refusal

pytestmark = pytest.mark.django_db


def keyed(client, key, **body):
    return client.post("/api/runs/", body, format="json", headers={"Idempotency-Key": key})


def test_the_same_key_and_body_answer_the_same_run():
    anna, body = make.caller(START), {"source": make.source().pk, "type": "incremental"}

    first, again = keyed(anna, "a-1", **body), keyed(anna, "a-1", **body)

    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json()["id"] == again.json()["id"]
    assert Run.objects.count() == 1


def test_the_same_key_with_another_body_is_refused_and_starts_nothing():
    anna = make.caller(START)
    keyed(anna, "a-1", source=make.source().pk, type="incremental")

    answer = keyed(anna, "a-1", source=make.source("Other").pk, type="incremental")

    assert "use a new key for a new run" in refusal(answer, "key_reused", 422)["detail"]
    assert Run.objects.count() == 1


def test_a_key_is_its_senders_own_and_lasts_a_day():
    source, other = make.source(), make.source("Other")
    anna, ben = make.caller(START), make.caller(START, name="ben")
    first = keyed(anna, "a-1", source=source.pk, type="incremental").json()["id"]

    assert keyed(ben, "a-1", source=other.pk, type="incremental").json()["id"] != first
    StartKey.objects.update(created_at=timezone.now() - timedelta(hours=25))
    later = keyed(anna, "a-1", source=other.pk, type="incremental")

    assert (later.status_code, StartKey.objects.count()) == (409, 1)
    assert later.json()["code"] == "rejected"


def test_a_rejected_start_is_rejected_again_by_its_key_and_not_a_second_time():
    blocker = make.open_run()
    anna, body = make.caller(START), {"source": blocker.source_id, "type": "incremental"}

    first, again = keyed(anna, "k", **body), keyed(anna, "k", **body)

    assert refusal(first, "rejected")["run_id"] == refusal(again, "rejected")["run_id"]
    assert Run.objects.filter(status=RunStatus.REJECTED).count() == 1


@pytest.mark.parametrize("key", ["", "x" * 201, "tab\t"])
def test_a_key_that_is_none_is_refused_with_how_it_should_look(key):
    answer = keyed(make.caller(START), key, source=make.source().pk, type="incremental")

    assert refusal(answer, "invalid", 400)["errors"][0]["field"] == "Idempotency-Key"
    assert not Run.objects.exists()
