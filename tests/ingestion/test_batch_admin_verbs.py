"""Abort, fail, resume, try again, revert and put away: what they ask, what they do, and whom they refuse."""

from pathlib import Path

import pytest
from django.test import Client

from ingestion import dispatch
from ingestion.models import Batch, Load
from ingestion.promotion import asked
from ingestion.promotion.archive import put_away
from ingestion.promotion.leases import publisher_of
from ingestion.promotion.publishing import publish_ready
from ingestion.rooms import archive, cold, warehouse
from ingestion.states import BatchStatus as S
from ingestion.warehouse.base import WarehouseUnavailable
from tests.ingestion import batch_admin_kit as kit

pytestmark = pytest.mark.django_db
WHY = {"reason": "the client called us"}
VERBS = ("abort", "fail", "resume", "retry", "revert", "retain", "archive", "remove")
CHANGE, TAKE_AWAY = "ingestion.change_batch", "ingestion.delete_batch"
RIGHTS = {verb: CHANGE if verb in ("abort", "fail", "resume", "retry") else TAKE_AWAY for verb in VERBS}
ALLOWED = {  # from the table of moves, and who may make which
    "abort": {S.LOADING, S.STALLED},
    "fail": {S.RETRYING, S.STALLED},
    "resume": {S.STALLED},
    "retry": {S.RETRYING},
    "revert": {S.SUCCESS},
    "retain": {S.INACTIVE},
    "archive": {S.RETAINED},
    "remove": {S.INACTIVE, S.RETAINED, S.ARCHIVED},
}


@pytest.fixture
def admin(admin_client: Client) -> Client:
    return admin_client


@pytest.fixture(autouse=True)
def house(settings, tmp_path: Path) -> None:
    """A warehouse, a store, an archive and cold storage of this test's own."""
    settings.WAREHOUSE_URL = f"duckdb:///{tmp_path}/warehouse.duckdb?memory_limit=200MB&threads=2"
    settings.STAGING_URL = f"file://{tmp_path}/staging"
    settings.ARCHIVE_URL, settings.COLD_URL = f"file://{tmp_path}/archive", f"file://{tmp_path}/cold"
    settings.SCRATCH_DIR = tmp_path / "scratch"


def rows_live(batch: Batch) -> int:
    dataset = batch.dataset
    dataset.refresh_from_db()
    return len(warehouse().rows(dataset.target(dataset.columns), limit=100))


def status_of(batch: Batch) -> str:
    return Batch.objects.values_list("status", flat=True).get(pk=batch.pk)


# Whatever the verb


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("status", list(S))
def test_a_verb_asks_only_where_it_is_allowed_and_says_why_elsewhere(admin, verb, status):
    batch = kit.batch(status)

    answer = admin.get(kit.verb(verb, batch))

    if status in ALLOWED[verb]:
        page = answer.content.decode()
        assert 'name="csrfmiddlewaretoken"' in page
        assert 'name="reason"' in page
        assert batch.public_id in page
    else:
        assert answer.headers["Location"] == kit.verb("change", batch)
        assert len(kit.said(answer)) > 20
    assert status_of(batch) == status


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_that_is_not_allowed_changes_nothing(admin, verb):
    refused = [kit.batch(status) for status in S if status not in ALLOWED[verb]]

    for batch in refused:
        answer = admin.post(kit.verb(verb, batch), WHY)

        assert answer.headers["Location"] == kit.verb("change", batch)
        assert status_of(batch) == batch.status
        assert batch.events.count() == 1


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_wants_a_reason(admin, verb):
    batch = kit.batch(min(ALLOWED[verb]))

    page = admin.post(kit.verb(verb, batch), {"reason": "  "}).content.decode()

    assert "Say why" in page
    assert status_of(batch) == batch.status


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_needs_its_right(client, verb):
    batch = kit.batch(min(ALLOWED[verb]))
    kit.may(client, *({CHANGE, TAKE_AWAY} - {RIGHTS[verb]}))

    assert client.get(kit.verb(verb, batch)).status_code == 403
    assert client.post(kit.verb(verb, batch), WHY).status_code == 403
    assert status_of(batch) == batch.status


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_refuses_a_request_without_a_token(verb):
    client = Client(enforce_csrf_checks=True)
    kit.may(client, CHANGE, TAKE_AWAY)
    batch = kit.batch(min(ALLOWED[verb]))

    assert client.post(kit.verb(verb, batch), WHY).status_code == 403
    assert status_of(batch) == batch.status


@pytest.mark.parametrize("verb", VERBS)
def test_the_batch_of_a_run_is_left_to_its_run(admin, verb):
    batch = kit.of_a_run(min(ALLOWED[verb]))

    answer = admin.post(kit.verb(verb, batch), WHY)

    assert "belongs to an API run" in kit.said(answer)
    assert status_of(batch) == batch.status


def test_a_button_without_the_right_stays_in_sight_with_the_reason(client):
    batch = kit.batch(S.LOADING)

    page = kit.page_of(kit.may(client), batch)

    assert 'id="abort-batch" aria-disabled="true"' in page
    assert "You do not have the right to abort, fail or resume batches" in page


def test_an_unknown_batch_is_not_found(admin):
    batch = kit.batch()
    address = kit.verb("revert", batch).replace(f"/{batch.pk}/", "/999999999/")

    assert admin.get(address).status_code == 404


# Abort


def test_an_abort_ends_a_loading_batch_and_keeps_who_and_why(admin):
    batch = kit.batch(S.LOADING)

    answer = admin.post(kit.verb("abort", batch), WHY)

    event = batch.events.last()
    assert (event.before, event.after, event.actor, event.reason) == ("loading", "aborted", "admin", WHY["reason"])
    assert "No row of it is live" in kit.said(answer)


def test_a_second_abort_changes_nothing_and_says_so(admin):
    batch = kit.batch(S.LOADING)
    admin.post(kit.verb("abort", batch), WHY)

    answer = admin.post(kit.verb("abort", batch), WHY)

    assert "It was aborted" in kit.said(answer)
    assert batch.events.filter(after=S.ABORTED).count() == 1


def test_an_abort_of_a_stalled_batch_shuts_its_load(admin):
    batch = kit.stuck()

    admin.post(kit.verb("abort", batch), WHY)

    assert status_of(batch) == S.ABORTED
    assert warehouse().published(batch.load_id) is None


def test_an_abort_that_finds_the_rows_live_says_so_and_lets_the_batch_go_on(admin):
    batch = kit.live()
    Batch.objects.filter(pk=batch.pk).update(status=S.STALLED, failures=5)

    answer = admin.post(kit.verb("abort", batch), WHY)

    assert "live already" in kit.said(answer)
    assert status_of(batch) == S.STAGING
    publish_ready(batch.dataset_id)
    assert status_of(batch) == S.SUCCESS


# Fail


@pytest.mark.parametrize("status", [S.RETRYING, S.STALLED])
def test_a_fail_tells_the_client_what_to_mend(admin, status):
    batch = kit.stuck(status)

    admin.post(kit.verb("fail", batch), {"reason": "The table was renamed. Use the new dataset."})

    batch.refresh_from_db()
    assert batch.status == S.FAILED
    assert [entry["description"] for entry in batch.errors] == ["The table was renamed. Use the new dataset."]
    assert "Use the new dataset." in kit.page_of(admin, batch)


def test_a_fail_that_finds_the_rows_live_says_so(admin):
    batch = kit.live()
    Batch.objects.filter(pk=batch.pk).update(status=S.STALLED)

    assert "live already" in kit.said(admin.post(kit.verb("fail", batch), WHY))
    assert status_of(batch) == S.STAGING


# Resume and try again


@pytest.mark.parametrize(("verb", "status"), [("resume", S.STALLED), ("retry", S.RETRYING)])
def test_what_was_held_up_goes_on_to_success(admin, verb, status):
    batch = kit.stuck(status)

    answer = admin.post(kit.verb(verb, batch), {"reason": "the disk is larger now"})

    assert "goes on" in kit.said(answer)
    assert batch.events.filter(after=S.STAGING, actor="admin", reason="the disk is larger now").exists()
    publish_ready(batch.dataset_id)
    assert status_of(batch) == S.SUCCESS
    assert rows_live(batch) == 3


def test_a_resumed_batch_has_all_its_tries_again(admin):
    batch = kit.stuck()

    admin.post(kit.verb("resume", batch), WHY)

    assert Batch.objects.get(pk=batch.pk).failures == 0


def test_batches_of_one_load_go_on_together_and_the_page_says_so(admin):
    load, of = Load.objects.create(), kit.dataset()
    one, other = kit.stuck(load=load, of=of), kit.stuck(load=load, of=of)

    page = admin.get(kit.verb("resume", one)).content.decode()
    admin.post(kit.verb("resume", one), WHY)

    assert "1 other batch of the same load goes on with it" in page
    assert status_of(other) == S.STAGING


# Revert


def test_a_revert_says_how_many_rows_leave_and_takes_them_out(admin):
    of = kit.dataset()
    batch, other = kit.live(3, of=of), kit.live(2, of=of)

    page = admin.get(kit.verb("revert", batch)).content.decode()
    answer = admin.post(kit.verb("revert", batch), WHY)

    assert f"3 rows leave the table {of}, which holds 5 now" in page
    assert f"{of} holds 2 rows now" in kit.said(answer)
    assert (status_of(batch), status_of(other)) == (S.INACTIVE, S.SUCCESS)
    assert rows_live(batch) == 2
    assert batch.events.filter(after=S.INACTIVE, actor="admin", reason=WHY["reason"]).exists()


def test_a_second_revert_changes_nothing(admin):
    batch = kit.live()
    admin.post(kit.verb("revert", batch), WHY)

    answer = admin.post(kit.verb("revert", batch), WHY)

    assert "readers see none of its rows already" in kit.said(answer)
    assert batch.events.filter(after=S.INACTIVE).count() == 1


def test_trouble_of_the_warehouse_is_said_and_nothing_is_half_done(admin, monkeypatch):
    batch = kit.live()
    trouble = WarehouseUnavailable("The warehouse did not answer.", advice="Look whether it is running.")

    def withdraw(self, request):
        raise trouble

    with monkeypatch.context() as patched:
        patched.setattr(type(warehouse()), "withdraw", withdraw)
        answer = admin.post(kit.verb("revert", batch), WHY)

    assert "did not answer. Look whether it is running. The batch is still success." in kit.said(answer)
    assert (status_of(batch), rows_live(batch)) == (S.SUCCESS, 3)


def test_a_revert_beside_a_publish_that_does_not_end_asks_to_try_again(admin, monkeypatch):
    batch = kit.live()
    monkeypatch.setattr("ingestion.promotion.leases.publisher_soon.__wrapped__.__kwdefaults__", {"seconds": 0.1})

    with publisher_of(batch.dataset_id):
        answer = admin.post(kit.verb("revert", batch), WHY)

    assert "Try again in a minute" in kit.said(answer)
    assert status_of(batch) == S.SUCCESS


# Putting away


def test_a_batch_is_retained_archived_and_deleted_by_hand(admin):
    batch = kit.live()
    admin.post(kit.verb("revert", batch), WHY)

    retained = admin.post(kit.verb("retain", batch), WHY)
    assert status_of(batch) == S.INACTIVE
    assert "A worker moves its rows to the archive. You need not wait" in kit.said(retained)
    assert asked.carry_out(batch.pk)
    kept = Batch.objects.get(pk=batch.pk).archive
    key = kept["key"]
    assert (status_of(batch), kept["rows"]) == (S.RETAINED, 3)
    assert "3 rows were moved to the archive" in kit.page_of(admin, batch, tab="history")
    assert [item.key for item in archive().list("")] == [key]

    admin.post(kit.verb("archive", batch), WHY)
    assert asked.carry_out(batch.pk)
    assert status_of(batch) == S.ARCHIVED
    assert [item.key for item in cold().list("")] == [key]
    assert not list(archive().list(""))

    admin.post(kit.verb("remove", batch), WHY)
    assert asked.carry_out(batch.pk)
    assert status_of(batch) == S.DELETED
    assert Batch.objects.get(pk=batch.pk).archive == {}
    assert not list(cold().list(""))
    assert not asked.carry_out(batch.pk)


def test_the_page_tells_that_a_batch_is_being_put_away_and_then_that_it_is_done(admin, monkeypatch):
    batch = kit.live()
    admin.post(kit.verb("revert", batch), WHY)

    admin.post(kit.verb("retain", batch), WHY)
    begun, polled = kit.page_of(admin, batch), admin.get(kit.verb("live", batch))
    assert "Being moved to the archive, as admin asked at" in begun
    assert "data-live" in begun
    assert polled.status_code == 200

    asked.carry_out(batch.pk)
    ended, last = kit.page_of(admin, batch), admin.get(kit.verb("live", batch))
    assert "Being moved" not in ended
    assert "Put away: its 3 rows are kept" in ended
    assert "data-live" not in ended
    assert last.status_code == 286


def test_what_is_asked_for_is_sent_to_a_worker_and_sent_again_until_it_is_done(
    admin, monkeypatch, django_capture_on_commit_callbacks
):
    batch = kit.live()
    admin.post(kit.verb("revert", batch), WHY)
    sent = []
    monkeypatch.setattr(dispatch, "send", lambda actor, queue, subject: sent.append((actor, queue, subject)) or True)

    with django_capture_on_commit_callbacks(execute=True):
        admin.post(kit.verb("remove", batch), WHY)
    assert sent == [("put_away_batch", "publish", batch.pk)]
    assert (asked.wake(), len(sent)) == (1, 2)

    asked.carry_out(batch.pk)
    assert (asked.wake(), len(sent)) == (0, 2)


@pytest.mark.parametrize("verb", ["retain", "remove"])
def test_while_a_step_is_under_way_no_other_can_be_asked_for(admin, verb):
    batch = kit.batch(S.INACTIVE)
    admin.post(kit.verb("retain", batch), WHY)

    answer = admin.post(kit.verb(verb, batch), {"reason": "another"})

    assert "wait until it is done" in kit.said(answer)
    assert Batch.objects.get(pk=batch.pk).archive["asked"]["why"] == WHY["reason"]


def test_housekeeping_that_was_first_leaves_nothing_to_be_done_twice(admin, settings):
    batch = kit.live()
    admin.post(kit.verb("revert", batch), WHY)
    admin.post(kit.verb("retain", batch), WHY)
    settings.INACTIVE_DAYS = 0

    with publisher_of(batch.dataset_id):
        assert put_away() == 0  # somebody is at work in the dataset
    assert put_away() == 1
    kept = Batch.objects.get(pk=batch.pk)
    assert not asked.carry_out(batch.pk)

    assert (kept.status, kept.archive["rows"]) == (S.RETAINED, 3)
    assert Batch.objects.get(pk=batch.pk).archive == kept.archive
    assert [item.key for item in archive().list("")] == [kept.archive["key"]]


def test_a_step_that_does_not_fit_any_more_is_forgotten(admin):
    batch = kit.batch(S.INACTIVE)
    admin.post(kit.verb("retain", batch), WHY)
    Batch.objects.filter(pk=batch.pk).update(status=S.RETAINED)

    assert not asked.carry_out(batch.pk)

    assert Batch.objects.get(pk=batch.pk).archive == {}


def test_who_had_it_put_away_and_why_stands_in_the_history(admin):
    batch = kit.live()
    admin.post(kit.verb("revert", batch), WHY)

    admin.post(kit.verb("remove", batch), {"reason": "asked for by the works council"})
    asked.carry_out(batch.pk)

    page = kit.page_of(admin, batch, tab="history")
    assert "its data was removed: asked for by the works council" in page
    assert batch.events.filter(after=S.DELETED, actor="admin").exists()


def test_a_second_delete_changes_nothing_more(admin):
    batch = kit.live()
    admin.post(kit.verb("revert", batch), WHY)
    admin.post(kit.verb("remove", batch), WHY)
    asked.carry_out(batch.pk)

    answer = admin.post(kit.verb("remove", batch), WHY)

    assert "Its data is deleted" in kit.said(answer)
    assert batch.events.filter(after=S.DELETED).count() == 1


def test_an_installation_without_an_archive_says_so(admin, settings):
    settings.ARCHIVE = False

    answer = admin.post(kit.verb("retain", kit.batch(S.INACTIVE)), WHY)

    assert "keeps no archive" in kit.said(answer)


def test_an_archive_that_is_away_leaves_the_batch_inactive(admin, settings, tmp_path):
    batch = kit.live()
    admin.post(kit.verb("revert", batch), WHY)
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a folder should be")
    settings.ARCHIVE_URL = f"file://{blocked}/archive"

    admin.post(kit.verb("retain", batch), WHY)
    assert not asked.carry_out(batch.pk)

    page = kit.page_of(admin, batch)
    assert status_of(batch) == S.INACTIVE
    assert "Not moved to the archive yet, as admin asked at" in page
    assert "It is tried again within" in page
    assert "data-live" not in page

    settings.ARCHIVE_URL = f"file://{tmp_path}/archive"
    assert asked.carry_out(batch.pk)
    assert (status_of(batch), Batch.objects.get(pk=batch.pk).archive["rows"]) == (S.RETAINED, 3)


def test_after_trouble_another_step_can_be_asked_for(admin, monkeypatch):
    batch = kit.live()
    admin.post(kit.verb("revert", batch), WHY)
    admin.post(kit.verb("retain", batch), WHY)
    with monkeypatch.context() as patched:
        patched.setattr("ingestion.promotion.archive.archive", lambda: (_ for _ in ()).throw(OSError(28, "full")))
        assert not asked.carry_out(batch.pk)

    admin.post(kit.verb("remove", batch), {"reason": "not wanted at all"})
    assert asked.carry_out(batch.pk)

    assert status_of(batch) == S.DELETED
    assert batch.events.get(after=S.DELETED).reason == "its data was removed: not wanted at all"
