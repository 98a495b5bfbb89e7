"""What clients say of their batches: COMPLETE, ABORT, FAIL, REVERT; and which batches a new one may replace."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ingestion import dispatch, lifecycle
from ingestion.access.models import Sandbox
from ingestion.models import Batch, BatchEvent, Discarded, Load, Piece
from ingestion.states import BatchStatus
from tests import factories as make
from tests.ingestion.import_kit import IMPORT, dataset, kept, refused, sender, statements

pytestmark = pytest.mark.django_db
S = BatchStatus


@pytest.fixture(autouse=True)
def staging(settings, tmp_path):
    settings.STAGING_URL = f"file://{tmp_path}/staging"
    settings.SCRATCH_DIR = tmp_path / "scratch"


@pytest.fixture
def sent(monkeypatch):
    """The wake-ups that were sent, by actor and id."""
    found = []
    monkeypatch.setattr(dispatch, "send", lambda actor, queue, subject: found.append((actor, subject)))
    return found


@pytest.fixture
def send():
    return sender()


@pytest.fixture
def batch(send):
    return send.create(dataset())


def in_status(batch, status):
    """The batch further on, past the lifecycle."""
    Batch.objects.filter(public_id=batch["id"]).update(**{"status": status})
    return batch


def test_a_completed_batch_is_loaded_and_sent_to_be_promoted(send, batch, sent, django_capture_on_commit_callbacks):
    send.put(batch)

    with django_capture_on_commit_callbacks(execute=True):
        answer = send.act(batch, "COMPLETE")

    row = kept(batch)
    assert (answer.status_code, answer.json()["status"], answer.json()["version"]) == (200, "loaded", "1.0.1")
    assert (row.status, row.files_left, row.version) == (S.LOADED, 1, 1)
    assert row.completed_at is not None
    assert sent == [("promote_batch", row.pk)]
    assert list(BatchEvent.objects.values_list("before", "after", "actor")) == [
        ("", "loading", "nightly@techacct"),
        ("loading", "loaded", "nightly@techacct"),
    ]


def test_a_complete_costs_four_statements_at_most(send, batch):
    send.put(batch)

    with CaptureQueriesContext(connection) as captured:
        send.act(batch, "COMPLETE")

    assert len(statements(captured)) <= 1 + 4  # one for the gateway


@pytest.mark.parametrize("status", [S.LOADED, S.STAGING, S.RETRYING, S.SUCCESS, S.FAILED])
def test_complete_may_be_said_again_whatever_became_of_the_batch(
    send, batch, sent, status, django_capture_on_commit_callbacks
):
    send.put(batch)
    send.act(batch, "COMPLETE")
    in_status(batch, status)

    with django_capture_on_commit_callbacks(execute=True):
        answer = send.act(batch, "complete")

    assert (answer.status_code, answer.json()["status"]) == (200, status)
    assert sent == []
    assert kept(batch).version == 1


def test_a_batch_without_files_cannot_be_completed(send, batch):
    refused(send.act(batch, "COMPLETE"), 400, batch["id"], "no files")
    assert kept(batch).status == S.LOADING


def test_a_batch_with_a_large_file_that_is_not_whole_cannot_be_completed(send, batch):
    send.put(batch)
    send.begin(batch, "a/big.json")
    send.chunk(batch, 0, 9, name="a/big.json")

    refused(send.act(batch, "COMPLETE"), 400, "a/big.json")
    send.finish(batch, "a/big.json")
    assert send.act(batch, "COMPLETE").status_code == 200


@pytest.mark.parametrize("status", [S.ABORTED, S.ABANDONED, S.FAILED])
def test_a_batch_that_was_given_up_cannot_be_completed(send, batch, status):
    send.put(batch)
    in_status(batch, status)

    refused(send.act(batch, "COMPLETE"), 428, status, code="ERR-BI-104")


@pytest.mark.parametrize(("action", "status"), [("ABORT", S.ABORTED), ("fail", S.FAILED)])
def test_a_loading_batch_can_be_given_up_and_frees_its_room(send, batch, action, status):
    send.put(batch)
    send.begin(batch)
    send.chunk(batch, 0, 9)

    first, second = send.act(batch, action), send.act(batch, action)

    assert (first.status_code, first.json()["status"]) == (200, status)
    assert (second.status_code, second.json()["status"]) == (200, status)
    assert kept(batch).finished_at is not None
    assert BatchEvent.objects.filter(after=status).count() == 1
    assert (Piece.objects.count(), Discarded.objects.count()) == (0, 2)


def test_a_batch_that_its_client_marks_as_failed_says_so_in_its_errors(send, batch):
    (error,) = send.act(batch, "FAIL").json()["errors"]

    assert error["code"] == "FAIL"
    assert "client" in error["description"]


@pytest.mark.parametrize("action", ["ABORT", "FAIL"])
@pytest.mark.parametrize("status", [S.LOADED, S.STAGING, S.RETRYING, S.STALLED, S.SUCCESS, S.ABANDONED, S.INACTIVE])
def test_a_batch_beyond_loading_cannot_be_given_up_by_its_client(send, batch, action, status):
    in_status(batch, status)

    refused(send.act(batch, action), 428, status, code="ERR-BI-104")
    assert kept(batch).status == status


def test_a_failed_batch_cannot_be_aborted_nor_an_aborted_one_fail(send, batch):
    send.act(batch, "ABORT")
    refused(send.act(batch, "FAIL"), 428, code="ERR-BI-104")
    refused(send.act(in_status(batch, S.FAILED), "ABORT"), 428, code="ERR-BI-104")


@pytest.mark.parametrize("status", [S.LOADING, S.ABORTED, S.FAILED, S.STAGING])
def test_a_batch_that_never_was_live_cannot_be_reverted(send, batch, status):
    in_status(batch, status)

    refused(send.act(batch, "REVERT"), 428, status, code="ERR-BI-104")


@pytest.mark.parametrize("status", [S.INACTIVE, S.RETAINED, S.DELETED])
def test_a_batch_that_was_taken_back_may_be_reverted_again(send, batch, status):
    answer = send.act(in_status(batch, status), "REVERT")

    assert (answer.status_code, answer.json()["status"]) == (200, status)


def test_a_warehouse_that_is_away_makes_revert_wait(send, batch, settings):
    settings.WAREHOUSE_URL = "postgresql://nobody:nothing@127.0.0.1:9/nowhere"
    Batch.objects.filter(public_id=batch["id"]).update(**{"status": S.SUCCESS, "load": Load.objects.create()})

    answer = send.act(batch, "REVERT")

    refused(answer, 503)
    assert int(answer["Retry-After"]) > 0
    assert kept(batch).status == S.SUCCESS


def test_a_runs_batch_is_not_the_clients_to_touch(send):
    run = make.run()
    row = make.table(make.task(run)).batch
    batch = {"id": row.public_id, "relatedObjects": [{"id": row.dataset.public_id}]}

    refused(send.put(batch), 409, "API run")
    for action in ("COMPLETE", "ABORT", "FAIL", "REVERT"):
        refused(send.act(batch, action), 428, "API run", code="ERR-BI-104")
    assert kept(batch).status == S.LOADING


@pytest.mark.parametrize("action", ["", "DELETE", "%00", "COMPLETE2"])
def test_an_action_that_is_not_known_is_refused(send, batch, action):
    refused(send.act(batch, action), 400, "COMPLETE, ABORT, FAIL, REVERT")


def test_an_action_needs_a_batch_of_ones_own(send, batch):
    for stranger in (sender("else"), sender(name="Dev", sandbox="dev")):
        for action in ("COMPLETE", "ABORT", "FAIL", "REVERT"):
            refused(stranger.act(batch, action), 404)
    assert kept(batch).status == S.LOADING


def test_an_action_takes_a_slash_at_its_end(send, batch):
    send.put(batch)

    assert send.call("POST", f"/batches/{batch['id']}/?action=COMPLETE").status_code == 200


def test_people_of_the_admin_may_do_what_their_rights_allow(send, batch, client):
    client.force_login(make.person("ingestion.view_batch", name="reader"))
    address = f"{IMPORT}/batches/{batch['id']}?action=ABORT"
    refused(client.post(address), 403, "ingestion.change_batch")
    client.force_login(make.person("ingestion.change_batch", name="keeper"))

    assert client.post(address).json()["status"] == "aborted"
    assert BatchEvent.objects.last().actor == "keeper"


def test_support_aborts_a_stalled_batch(send, batch, client):
    client.force_login(make.person("ingestion.change_batch", name="keeper"))
    in_status(batch, S.STALLED)

    assert client.post(f"{IMPORT}/batches/{batch['id']}?action=ABORT").json()["status"] == "aborted"


def live(send, of, **body):
    return in_status(send.create(of, **body), S.SUCCESS)


def test_a_replay_names_what_it_replaces_with_or_without_a_dollar(send):
    of = dataset()
    first, second, third, fourth = (live(send, of) for _ in range(4))
    named = [f"${first['id']}", second["id"], f"${{{third['id']}}}"]

    made = send.create(
        of, replay={"predecessors": named, "predecessorsByExternalId": [f"${fourth['id']}"], "reason": "replace"}
    )

    everyone = [batch["id"] for batch in (first, second, third, fourth)]
    assert kept(made).replay["predecessors"] == made["replay"]["predecessors"] == everyone
    assert made["replay"]["predecessorsByExternalId"] == [fourth["id"]]
    assert made["replay"]["reason"] == "replace"


def test_a_replay_finds_batches_by_external_id(send):
    of = dataset()
    old = live(send, of, externalId="night-7")

    made = send.create(of, replay={"predecessorsByExternalId": ["$night-7"]})

    assert kept(made).replay["predecessors"] == [old["id"]]


def test_a_replay_by_a_name_of_two_batches_replaces_neither(send):
    of = dataset()
    first, second = live(send, of), live(send, of)
    Batch.objects.filter(public_id=second["id"]).update(external_id=first["id"])  # from before it was refused

    body = {"datasetId": of.public_id, "replay": {"predecessorsByExternalId": [f"${first['id']}"]}}
    refused(send.post(body), 400, first["id"], "by its id")

    made = send.create(of, replay={"predecessors": [f"${first['id']}"]})
    assert made["replay"]["predecessors"] == [first["id"]]


@pytest.mark.parametrize("status", [S.LOADING, S.STAGING, S.FAILED, S.INACTIVE])
def test_only_a_live_batch_can_be_replaced(send, status):
    of = dataset()
    old = in_status(send.create(of), status)

    refused(send.post({"datasetId": of.public_id, "replay": {"predecessors": [old["id"]]}}), 400, old["id"], status)


def test_a_batch_cannot_replace_what_is_not_its_own(send):
    of = dataset()
    elsewhere, replaced = live(send, dataset()), live(send, of)
    Batch.objects.filter(public_id=replaced["id"]).update(successor=kept(elsewhere))
    foreign = live(sender("else"), dataset(organisation="else"))

    for old, word in ((elsewhere, "another dataset"), (replaced, "already"), (foreign, "does not exist")):
        body = {"datasetId": of.public_id, "replay": {"predecessors": [f"${old['id']}"]}}
        refused(send.post(body), 400, old["id"], word)
    refused(send.post({"datasetId": of.public_id, "replay": {"predecessorsByExternalId": ["$x"]}}), 400, "x")


def test_a_replay_asked_for_again_is_the_same_batch_even_once_it_has_happened(send):
    of = dataset()
    old = live(send, of)
    asked = {"externalId": "again", "replay": {"predecessors": [old["id"]]}}
    first = send.create(of, **asked)
    Batch.objects.filter(public_id=old["id"]).update(**{"status": S.INACTIVE, "successor": kept(first)})

    assert send.create(of, **asked)["id"] == first["id"]


def test_the_sandbox_of_a_request_is_prod_where_none_is_named(send):
    assert Sandbox.objects.filter(name="prod").exists()
    assert send.create(dataset())["sandboxId"] == "prod"


def test_the_clients_last_sign_of_life_is_noted(send, batch):
    before = timezone.now()

    send.put(batch)

    assert kept(batch).touched_at >= before
    assert lifecycle.abandon(kept(batch).pk, actor="monitor", reason="silent")
