"""Looking after a run on its page and over the API: the forms, what they answer, and what the next one is handed."""

from datetime import timedelta

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from runs.lifecycle import caring
from runs.lifecycle.allowing import allowed
from runs.models import Level, Note, Run
from runs.states import RunMode, RunStatus, TaskStatus
from tests import factories

pytestmark = pytest.mark.django_db
CARE = ("runs.view_run", "runs.care_run")


@pytest.fixture
def anna(client: Client) -> Client:
    client.force_login(factories.person(*CARE))
    return client


def at(name: str, run: Run) -> str:
    return reverse(f"admin:runs_run_{name}", args=[run.pk])


def said(response) -> str:
    return " ".join(str(message) for message in get_messages(response.wsgi_request))


def page(client: Client, run: Run) -> str:
    return client.get(at("change", run)).content.decode()


def post(client, run: Run, verb: str, **body):
    return client.post(f"/api/runs/{run.pk}/{verb}/", body, format="json")


# The page


def test_the_page_asks_for_care_of_a_failed_run_and_says_who_took_it(anna):
    run = factories.failed_run()

    before = page(anna, run)
    answer = anna.post(at("acknowledge", run), {"ticket": " https://tickets.example/17 "})
    after = page(anna, run)

    assert "By nobody yet" in before
    assert 'id="acknowledge-menu"' in before
    assert answer.headers["Location"] == f"{at('change', run)}#care"
    assert "is acknowledged" in said(answer)
    assert "By anna, " in after
    assert '<a class="hg-link" href="https://tickets.example/17"' in after
    assert 'id="acknowledge-menu"' not in after


def test_a_ticket_that_is_no_web_address_is_shown_and_leads_nowhere(anna):
    run = factories.failed_run()

    anna.post(at("acknowledge", run), {"ticket": "javascript:alert(1)"})

    assert "<dd>javascript:alert(1)</dd>" in page(anna, run)
    assert 'href="javascript' not in page(anna, run)


def test_a_second_acknowledgement_learns_who_was_first(anna):
    run = factories.failed_run()
    caring.acknowledge(run.pk, actor="bert")

    assert "bert acknowledged run" in said(anna.post(at("acknowledge", run)))


def test_a_run_is_assigned_to_me_to_another_and_to_nobody(anna):
    run = factories.failed_run()
    factories.person("runs.view_run", name="bert")

    anna.post(at("assign", run), {"to": "me"})
    mine = page(anna, run)
    anna.post(at("assign", run), {"to": "bert"})
    berts = page(anna, run)
    anna.post(at("assign", run), {"to": ""})

    assert "anna (you)" in mine
    assert 'id="assign-me"' not in mine
    assert "<dd>bert</dd>" in berts
    assert Run.objects.get(pk=run.pk).assignee is None


def test_somebody_who_is_not_there_cannot_be_assigned(anna):
    assert "There is nobody of that name" in said(anna.post(at("assign", factories.failed_run()), {"to": "ghost"}))


def test_a_snooze_is_chosen_from_the_list_and_can_be_ended(anna):
    run = factories.failed_run()

    anna.post(at("snooze", run), {"until": "1h"})
    until = Run.objects.get(pk=run.pk).snoozed_until
    asleep = page(anna, run)
    anna.post(at("snooze", run), {"until": ""})
    wrong = anna.post(at("snooze", run), {"until": "9y"})

    assert abs(until - timezone.now() - timedelta(hours=1)) < timedelta(minutes=1)
    assert "End the snooze" in asleep
    assert Run.objects.get(pk=run.pk).snoozed_until is None
    assert "Choose how long" in said(wrong)


def test_notes_are_shown_as_text_the_newest_first(anna):
    run = factories.failed_run()

    for text in ("The first.", "<b>The second</b>\n\nwith a line"):
        anna.post(at("note", run), {"text": text})
    shown = page(anna, run)

    assert "&lt;b&gt;The second&lt;/b&gt;" in shown
    assert shown.index("The second") < shown.index("The first.")
    assert Note.objects.filter(run=run, author="anna").count() == 2


def test_a_get_changes_nothing_and_a_post_needs_a_token(anna):
    run = factories.failed_run()
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(factories.person(*CARE, name="bert"))

    for verb in ("acknowledge", "assign", "snooze", "note"):
        assert anna.get(at(verb, run)).status_code == 405
        assert strict.post(at(verb, run), {"text": "x", "until": "1h"}).status_code == 403
    assert not run.events.exists()


def test_who_may_only_look_is_told_so_and_finds_no_form(client):
    run = factories.failed_run()
    client.force_login(factories.person("runs.view_run"))

    shown = page(client, run)

    assert "You do not have the right to acknowledge, assign, snooze and note runs" in shown
    assert 'id="note-form"' not in shown
    assert 'id="copy-handover"' in shown


# The hand-over


def test_the_hand_over_tells_the_story_and_no_detail(anna):
    run = factories.failed_run()
    failed = factories.task(run, "Surveys", status=TaskStatus.FAILED, fault="auth")
    factories.message(run, task=failed, detail="HTTP 401 from vm-17")
    caring.acknowledge(run.pk, actor="bert", ticket="SUP-17")
    caring.note(run.pk, text="Asked for\na new token.", actor="anna")

    text = anna.get(at("handover", run)).content.decode()

    assert text.startswith(f"# Run {run.pk} of Small: Failed\n")
    assert f"- Page: http://testserver{at('change', run)}\n" in text
    assert "The source refused our login (401)." in text
    assert "- Next step: Renew the client secret." in text
    assert "- Acknowledged by bert, " in text
    assert "- Ticket: SUP-17" in text
    assert ", anna: Asked for\n  a new token." in text
    assert "vm-17" not in text


# The API


def test_the_api_does_what_the_page_does():
    run = factories.failed_run()
    factories.person("runs.view_run", name="bert")
    anna, until = factories.caller(*CARE), timezone.now() + timedelta(days=1)

    snoozed = post(anna, run, "snooze", until=until.isoformat()).json()
    assigned = post(anna, run, "assign", assignee="bert").json()
    noted = post(anna, run, "notes", text="Known.")
    first, second = (post(anna, run, "acknowledge", ticket="SUP-17").json() for _ in range(2))

    assert (snoozed["snoozed_by"], assigned["assignee"]) == ("anna", "bert")
    assert (noted.status_code, noted.json()["author"]) == (201, "anna")
    assert (first["first"], second["first"]) == (True, False)
    assert (second["run"]["acknowledged_by"], second["run"]["ticket"]) == ("anna", "SUP-17")
    assert [note["text"] for note in anna.get(f"/api/runs/{run.pk}/notes/").json()["results"]] == ["Known."]
    assert "Known." in anna.get(f"/api/runs/{run.pk}/handover/").json()["text"]
    labels = [row["after_label"] for row in anna.get(f"/api/runs/{run.pk}/events/").json()["results"]]
    assert labels == ["Snoozed", "Assigned", "Note added", "Acknowledged"]


@pytest.mark.parametrize(
    ("verb", "body", "status", "code"),
    [
        ("acknowledge", {}, 409, "not_in_trouble"),
        ("snooze", {"until": None}, 200, None),
        ("snooze", {"until": "2026-01-01T00:00:00Z"}, 409, "not_in_trouble"),
        ("snooze", {}, 400, "invalid"),
        ("assign", {"assignee": "ghost"}, 400, "invalid"),
        ("notes", {"text": " "}, 400, "invalid"),
    ],
)
def test_the_api_refuses_with_a_problem(verb, body, status, code):
    answer = post(factories.caller(*CARE), factories.run(), verb, **body)

    assert (answer.status_code, answer.json().get("code")) == (status, code)
    if code:
        assert answer["Content-Type"] == "application/problem+json"


def test_a_run_that_is_not_there_is_a_404_for_each():
    anna, missing = factories.caller(*CARE), Run(pk=99)

    bodies = {"acknowledge": {}, "assign": {"assignee": None}, "snooze": {"until": None}, "notes": {"text": "x"}}
    for verb, body in bodies.items():
        assert post(anna, missing, verb, **body).status_code == 404, verb


# Whether one may


@pytest.mark.parametrize(
    ("verb", "run", "reason"),
    [
        ("cancel", {"status": RunStatus.FAILED}, "This run has ended; there is nothing to cancel."),
        ("cancel", {"status": RunStatus.RUNNING}, ""),
        ("retry", {"status": RunStatus.FAILED}, ""),
        ("retry", {"status": RunStatus.FAILED, "mode": RunMode.DESTRUCTIVE}, "its retry: you do not have the right"),
        ("retry", {"status": RunStatus.COMPLETED}, "only a failed, cancelled or rejected run can be retried"),
        ("acknowledge", {"status": RunStatus.COMPLETED}, "failed or completed with warnings"),
        ("acknowledge", {"status": RunStatus.COMPLETED, "worst_level": Level.WARNING}, ""),
        ("acknowledge", {"status": RunStatus.FAILED, "acknowledged_at": timezone.now()}, "acknowledged run"),
        ("close", {"status": RunStatus.RUNNING}, "You do not have the right to close runs"),
        ("note", {"status": RunStatus.RUNNING}, ""),
    ],
)
def test_allowed_says_why_not(verb, run, reason):
    anna = factories.person("runs.cancel_run", "runs.retry_run", "runs.care_run")

    answer = allowed(verb, factories.run(**run), anna)

    assert (reason in answer) if reason else answer == ""
