"""The page of one batch: what its first sentence says, what it shows to whom, and how it refreshes."""

import json
import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from ingestion.admin import samples
from ingestion.admin.stages import stages_of
from ingestion.models import BatchEvent, Diagnostic, Load, Part, Piece
from ingestion.rooms import store
from ingestion.states import OPEN
from ingestion.states import BatchStatus as S
from tests.ingestion import batch_admin_kit as kit

pytestmark = pytest.mark.django_db
RAW = "runs.view_raw_data"
TABS = ("files", "errors", "rows", "history", "lineage")


@pytest.fixture
def admin(admin_client: Client) -> Client:
    return admin_client


@pytest.fixture(autouse=True)
def staging(settings, tmp_path) -> None:
    settings.STAGING_URL = f"file://{tmp_path}/staging"


def sentence(page: str) -> str:
    found = re.search(r'<p class="hg-sentence">(.*?)</p>', page, re.S)
    assert found
    return found[1]


def live_of(client: Client, batch, *, tag: str = "", **query):
    headers = {"If-None-Match": tag} if tag else {}
    return client.get(reverse("admin:ingestion_batch_live", args=[batch.pk]), query, headers=headers)


# The sentence


@pytest.mark.parametrize("status", list(S))
def test_every_status_is_told_in_words(admin, status):
    batch = kit.batch(status, reason="something happened", loaded_count=5)

    told = sentence(kit.page_of(admin, batch))

    assert len(told) > 30
    assert "None" not in told


@pytest.mark.parametrize("status", list(S))
def test_every_status_of_a_runs_batch_is_told_and_leads_to_the_run(admin, status):
    page = kit.page_of(admin, kit.of_a_run(status, loaded_count=5))

    assert len(sentence(page)) > 20
    assert reverse("admin:runs_run_change", args=[31548]) in page
    assert 'id="abort-batch"' not in page


def test_a_retry_says_why_when_and_that_nobody_is_needed(admin):
    due = timezone.now() + timedelta(minutes=3)
    batch = kit.batch(S.RETRYING, reason="The warehouse did not answer.", failures=2, not_before=due)

    told = sentence(kit.page_of(admin, batch))

    assert "Retrying: The warehouse did not answer. It is tried again at" in told
    assert timezone.localtime(due).strftime("%H:%M") in told
    assert "(try 3 of 5); nobody needs to do anything." in told


def test_a_failure_says_that_nothing_is_live_and_what_the_client_does(admin):
    error = {"code": "INGEST-1211-400", "description": "“id” is required.", "rows": ["13-25"]}
    batch = kit.batch(
        S.FAILED, reason="13 of 1,000 rows are bad, where none may be.", errors=[error], rejected_count=13
    )

    page = kit.page_of(admin, batch)

    assert sentence(page) == (
        "Failed: 13 of 1,000 rows are bad, where none may be. No row of it is live. "
        "The client must correct the rows and send a new batch."
    )
    assert "“id” is required." in page
    assert "The table was not changed" in page


def test_a_silent_client_is_told_apart_from_one_at_work(admin):
    now = timezone.now()
    busy = kit.batch(S.LOADING, touched_at=now - timedelta(minutes=2))
    silent = kit.batch(S.LOADING, touched_at=now - timedelta(hours=3))
    for batch in (busy, silent):
        kit.file(batch)

    assert "Nobody needs to do anything" in sentence(kit.page_of(admin, busy))
    assert "forgot to send COMPLETE" in sentence(kit.page_of(admin, silent))


def test_a_batch_that_nobody_takes_up_asks_for_the_workers(admin):
    batch = kit.batch(S.LOADED, completed_at=timezone.now() - timedelta(minutes=5))

    assert "is one running?" in sentence(kit.page_of(admin, batch))


def test_checking_counts_files_and_notices_a_dead_worker(admin):
    batch = kit.batch(S.STAGING, files_left=2, extracted_count=10)
    kit.file(batch, checked_at=timezone.now())
    kit.file(batch, "second.json")
    lost = kit.file(batch, "third.json", lease_until=timezone.now() + timedelta(minutes=1), attempt=1)

    assert "1 of 3 files done, 10 rows read so far" in sentence(kit.page_of(admin, batch))
    type(lost).objects.filter(pk=lost.pk).update(lease_until=timezone.now() - timedelta(minutes=1))
    assert "1 file lost the worker" in sentence(kit.page_of(admin, batch))


def test_a_success_with_bad_rows_is_not_called_fine(admin):
    batch = kit.batch(extracted_count=1000, rejected_count=13, loaded_count=987, error_percent=5.0)

    page = kit.page_of(admin, batch)

    assert "13 bad rows of 1,000 were left out, as its client allows (up to 5 % may be)" in sentence(page)
    assert "With bad rows" in page


def test_a_replaced_batch_leads_to_what_replaced_it_and_back(admin):
    of = kit.dataset()
    old = kit.batch(S.INACTIVE, of=of, reason="replaced")
    new = kit.batch(of=of, replay={"predecessors": [old.public_id], "reason": "replace"})
    type(old).objects.filter(pk=old.pk).update(successor=new)

    assert f"replaced by the batch {new.public_id}" in sentence(kit.page_of(admin, old))
    assert kit.verb("change", new) in kit.page_of(admin, old, tab="lineage")
    assert kit.verb("change", old) in kit.page_of(admin, new, tab="lineage")


# Panels


def test_the_chain_leads_from_upload_to_live(admin):
    batch = kit.batch(
        extracted_count=1000, rejected_count=13, superseded_count=2, staged_count=985, loaded_count=985, input_size=2048
    )
    kit.file(batch, checked_at=timezone.now())

    page = kit.page_of(admin, batch)

    for text in ("2.0\xa0KB", "1,000", "1.3 % of those read", "2 replaced by later rows", "985"):
        assert text in page


def test_files_show_pieces_checks_and_what_is_wrong_with_them(admin):
    batch = kit.batch(S.FAILED)
    problem = {"code": "106", "text": "The file is empty.", "retry": False}
    bad = kit.file(batch, "folder/empty.json", size=0, problem=problem, checked_at=timezone.now())
    Piece.objects.create(file=bad, first=0, last=0, key="k", sha256="0" * 64)

    page = kit.page_of(admin, batch, tab="files")

    assert "folder/empty.json" in page
    assert "The file is empty. <span" in page


def test_many_files_are_paged(admin):
    batch = kit.batch(S.STAGING)
    for number in range(101):
        kit.file(batch, f"f{number:03d}.json")

    first, second = kit.page_of(admin, batch, tab="files"), kit.page_of(admin, batch, tab="files", page="2")

    assert "f000.json" in first
    assert "Page 1 of 2" in first
    assert "f100.json" in second
    assert "f000.json" not in second


def test_errors_are_listed_by_code_with_counts_and_spans(admin):
    errors = [
        {"code": "INGEST-1555-400", "description": "“id” is required.", "rows": ["13-26", "31"], "recordCount": 15}
    ]
    page = kit.page_of(admin, kit.batch(S.FAILED, errors=errors), tab="errors")

    for text in ("INGEST-1555-400", "“id” is required.", ">15<", "13-26, 31"):
        assert text in page


def with_samples(lines: list[dict], **fields):
    batch = kit.batch(rejected_count=len(lines), diagnostics=True, extracted_count=100)
    data = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    store().put_bytes(f"kit/{batch.pk}.json", data)
    facts = {"key": f"kit/{batch.pk}.json", "rows": len(lines), "size": len(data), **fields}
    Diagnostic.objects.create(batch=batch, file=kit.file(batch), kind="sample", **facts)
    return batch


BAD = {
    "secret_name": "Ada",
    "_errors": [{"code": "INGEST-1555-400", "message": "“id” is required."}],
    "_filename": "a.json",
}


def test_bad_rows_need_the_right_to_raw_data(client):
    batch = with_samples([BAD])

    without = kit.page_of(kit.may(client), batch, tab="rows")
    allowed = kit.page_of(kit.may(client, RAW), batch, tab="rows")

    assert "secret_name" not in without
    assert "You do not have the right to see raw data" in without
    assert "secret_name" in allowed
    assert "“id” is required." in allowed


def test_no_more_than_64_kilobytes_of_bad_rows_are_read(admin, monkeypatch):
    read = []
    batch = with_samples([BAD | {"filler": "x" * 5000}] * 40)
    beginning = samples._beginning

    def counted(key: str, limit: int) -> bytes:
        data = beginning(key, limit)
        read.append(len(data))
        return data

    monkeypatch.setattr(samples, "_beginning", counted)

    page = kit.page_of(admin, batch, tab="rows")

    assert sum(read) == 64 << 10
    assert f"{(64 << 10) // 5130} of 40 bad rows" in page


def test_bad_rows_that_were_removed_are_said_to_be(admin):
    batch = with_samples([BAD])
    Diagnostic.objects.update(key="kit/gone.json")

    assert "have been removed since" in kit.page_of(admin, batch, tab="rows")


def test_a_broken_line_of_bad_rows_is_shown_as_it_is(admin):
    batch = with_samples([BAD])
    store().put_bytes("kit/broken.json", b'{"cut off\n[1]\n\n' + json.dumps(BAD | {"_errors": None}).encode())
    Diagnostic.objects.update(key="kit/broken.json", size=10)

    assert "{&quot;cut off" in kit.page_of(admin, batch, tab="rows")


def test_the_history_tells_every_move_with_who_and_why(admin):
    batch = kit.batch(S.STALLED, reason="the disk is full")
    BatchEvent.objects.create(batch=batch, before="stalled", after="aborted", actor="bert", reason="no use")

    page = kit.page_of(admin, batch, tab="history")

    for text in ("the disk is full", "bert", "no use", "Stalled"):
        assert text in page


def test_where_it_went_names_load_parts_manifest_and_its_mates(admin):
    load, of = Load.objects.create(), kit.dataset()
    batch, mate = (kit.batch(of=of, load=load, manifest_key=f"m/{n}.json") for n in range(2))
    facts = {"number": 1, "key": "part-0.csv.gz", "columns": [], "row_count": 5, "size": 10, "sha256": "0" * 64}
    Part.objects.create(batch=batch, label="file/0", **facts)

    page = kit.page_of(admin, batch, tab="lineage")

    for text in (f">{load.pk}<", "m/0.json", "part-0.csv.gz", kit.verb("change", mate)):
        assert text in page


@pytest.mark.parametrize("tab", [*TABS, "nonsense", kit.HOSTILE])
def test_an_empty_batch_has_words_for_every_panel(admin, tab):
    page = kit.page_of(admin, kit.batch(S.LOADING), tab=tab, page="99999999999")

    assert kit.HOSTILE not in page
    assert 'id="run-panel"' in page


@pytest.mark.parametrize("tab", TABS)
def test_hostile_names_show_as_text(admin, tab):
    of = kit.dataset(kit.HOSTILE, organisation=kit.HOSTILE)
    error = {"code": kit.HOSTILE, "description": kit.HOSTILE, "rows": [kit.HOSTILE]}
    batch = with_samples([{kit.HOSTILE: kit.HOSTILE, "_filename": kit.HOSTILE, "_errors": [{"code": kit.HOSTILE}]}])
    type(batch).objects.filter(pk=batch.pk).update(
        dataset=of, status=S.FAILED, errors=[error], external_id=kit.HOSTILE, created_client=kit.HOSTILE,
        tags={kit.HOSTILE: [kit.HOSTILE]}, replay={"predecessors": [kit.HOSTILE], "reason": kit.HOSTILE},
        input_format={"format": kit.HOSTILE, kit.HOSTILE: kit.HOSTILE}, manifest_key=kit.HOSTILE,
        changes=[{"kind": "added", "column": kit.HOSTILE}], load=Load.objects.create(), created_user=kit.HOSTILE,
    )  # fmt: skip
    kit.file(batch, kit.HOSTILE, problem={"code": kit.HOSTILE, "text": kit.HOSTILE})
    BatchEvent.objects.create(batch=batch, after=S.FAILED, actor=kit.HOSTILE, reason=kit.HOSTILE)

    page = kit.page_of(admin, batch, tab=tab)

    assert kit.HOSTILE not in page
    assert kit.HOSTILE.upper() not in page.upper()
    assert page.count("&lt;script&gt;") > 5


# Addresses and rights


def test_a_batch_is_reached_by_the_id_that_clients_know(admin):
    batch = kit.batch()
    by_id = kit.verb("change", batch).replace(f"/{batch.pk}/", f"/{batch.public_id}/")

    assert admin.get(by_id).status_code == 200
    assert admin.get(by_id.replace(batch.public_id, "0" * 26)).status_code == 404
    assert admin.get(by_id.replace(batch.public_id, "9" * 30)).status_code == 404


def test_the_page_and_its_fragment_need_the_right_to_view_them(client):
    batch = kit.batch(S.LOADING)
    client.force_login(kit.factories.person(name="guest"))

    assert client.get(kit.verb("change", batch)).status_code == 403
    assert live_of(client, batch).status_code == 403


def test_a_person_who_may_only_look_is_offered_nothing(client):
    page = kit.page_of(kit.may(client), kit.batch())

    for name in ("abort", "revert", "resume"):
        assert f'id="{name}-batch" aria-disabled="true"' in page
    assert 'id="remove-batch" disabled' in page


# Live refresh


@pytest.mark.parametrize("status", list(S))
def test_only_a_batch_that_goes_on_is_asked_for_again(admin, status):
    page = kit.page_of(admin, kit.batch(status))

    assert bool(re.search(r'class="hg-run" data-live="[^"]+/live/" data-poll="\d+"', page)) is (status in OPEN)


def test_nothing_new_is_answered_with_nothing(admin):
    batch = kit.batch(S.STAGING, files_left=2)
    first = live_of(admin, batch)

    again = live_of(admin, batch, tag=first.headers["ETag"])
    again = live_of(admin, batch, tag=again.headers["ETag"])  # where a minute has just turned

    assert first.status_code == 200
    assert (again.status_code, again.content) == (304, b"")


def test_another_tab_is_something_new(admin):
    batch = kit.batch(S.STAGING, files_left=2)

    assert live_of(admin, batch, tag=live_of(admin, batch).headers["ETag"], tab="history").status_code == 200


def test_progress_without_a_move_is_shown_too(admin):
    batch = kit.batch(S.STAGING, files_left=2)
    tag = live_of(admin, batch, tab="history").headers["ETag"]
    type(batch).objects.filter(pk=batch.pk).update(files_left=1, extracted_count=7)

    answer = live_of(admin, batch, tag=tag, tab="history")

    assert answer.status_code == 200
    assert "7" in answer.content.decode()
    assert "History of this batch" in answer.content.decode()
    assert answer.headers["X-Read-At"]


def test_a_batch_at_work_is_looked_at_more_often_than_one_that_waits(admin):
    long_ago = timezone.now() - timedelta(minutes=5)
    waiting = kit.batch(S.LOADING)
    waiting.events.update(at=long_ago)

    assert live_of(admin, kit.batch(S.STAGING)).headers["X-Poll-Seconds"] == "3"
    assert live_of(admin, waiting).headers["X-Poll-Seconds"] == "10"


def test_the_last_word_stops_the_polling(admin):
    answer = live_of(admin, kit.batch(S.SUCCESS), tag="x")

    assert answer.status_code == 286
    assert answer.headers["X-Poll-Seconds"] == "0"


# Stages


def stages(batch) -> list[tuple[str, str]]:
    return [(stage.word, stage.state) for stage in stages_of(batch, list(batch.events.all()), now=timezone.now())]


def test_stages_say_where_the_batch_is():
    assert stages(kit.batch(S.LOADING)) == [
        ("Loading", "now"), ("Loaded", "next"), ("Staging", "next"), ("Success", "next"),
    ]  # fmt: skip
    assert [state for _, state in stages(kit.batch(S.RETRYING, started_at=timezone.now()))] == [
        "over", "over", "now", "next",
    ]  # fmt: skip
    assert [state for _, state in stages(kit.batch(S.SUCCESS, started_at=timezone.now()))] == ["over"] * 4


def test_a_stage_that_an_abandoned_batch_never_came_to_says_so(admin):
    batch = kit.batch(S.ABANDONED, completed_at=None)

    assert stages(batch)[1:3] == [("Loaded", "never"), ("Staging", "never")]
    assert "Never came to it" in kit.page_of(admin, batch)


def test_stages_take_their_times_from_the_history():
    batch, now = kit.batch(S.SUCCESS), timezone.now()
    BatchEvent.objects.create(batch=batch, before=S.LOADED, after=S.STAGING, actor="worker")
    batch.events.filter(after=S.STAGING).update(at=now - timedelta(seconds=20))
    batch.finished_at = now

    staging = stages_of(batch, list(batch.events.all()), now=now)[2]

    assert staging.took == timedelta(seconds=20)


def test_a_batch_that_lost_rows_says_how_many_went_live(admin):
    batch = kit.batch(S.SUCCESS, extracted_count=98, rejected_count=2, loaded_count=96)

    page = kit.page_of(admin, batch)

    assert "96 rows of 98 went live; 2 bad rows were left out." in page


def test_the_first_bad_rows_are_for_those_who_may_see_raw_data(admin, client):
    batch = with_samples([BAD])
    type(batch).objects.filter(pk=batch.pk).update(status=S.FAILED, rejected_count=1)
    batch.refresh_from_db()

    assert "as the client sent it" in kit.page_of(admin, batch, tab="errors")
    assert "as the client sent it" not in kit.page_of(kit.may(client), batch, tab="errors")


@pytest.mark.parametrize("tab", TABS)
def test_a_larger_batch_costs_no_more_queries(admin, tab):
    load, of = Load.objects.create(), kit.dataset()

    def made(many: int):
        batch = with_samples([BAD] * many)
        type(batch).objects.filter(pk=batch.pk).update(load=load, dataset=of)
        for n in range(many):
            kit.file(batch, f"{n}.json")
            BatchEvent.objects.create(batch=batch, after=S.STAGING, actor="worker")
            facts = {"number": n, "key": f"{n}", "columns": [], "row_count": 1, "size": 1, "sha256": "0" * 64}
            Part.objects.create(batch=batch, label="file/0", **facts)
        return batch

    def queries(batch) -> int:
        with CaptureQueriesContext(connection) as asked:
            kit.page_of(admin, batch, tab=tab)
        return len(asked)

    small, large = made(2), made(20)
    queries(small)

    assert queries(small) == queries(large) <= 15
