"""The screens of access: a secret is shown once and kept nowhere, names stay, verbs ask and answer."""

import html
import re

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from oauth2_provider.models import AccessToken, Application

from ingestion.access.models import ApiClient, Organisation, Sandbox
from tests import factories
from tests.ingestion.access_kit import form, organisation, program, token_of

pytestmark = pytest.mark.django_db
ADD = "admin:access_apiclient_add"


def page(name, *args):
    return reverse(f"admin:access_{name}", args=args)


def add(http, **changes):
    owner = organisation()
    fields = {"organisation": owner.pk, "name": "Nightly", "technical_account": "", **changes}
    return http.post(reverse(ADD), fields)


def secret_on(answer):
    text = html.unescape(answer.content.decode())
    return re.search(r"client_secret=(\w{48})", text).group(1)


def everything_kept(http):
    """All that the control database holds of a visit, as one text."""
    rows = [str(list(model.objects.values())) for model in (Application, ApiClient, LogEntry)]
    return " ".join([*rows, *(str(session.get_decoded()) for session in Session.objects.all()), str(http.cookies)])


def test_adding_a_client_shows_its_secret_once_and_keeps_it_nowhere(admin_client):
    answer = add(admin_client)

    secret, client = secret_on(answer), ApiClient.objects.get()
    assert answer.status_code == 200
    assert "no-store" in answer.headers["Cache-Control"]
    assert "curl http://testserver/oauth/token " in html.unescape(answer.content.decode())
    assert secret not in everything_kept(admin_client)
    for address in (
        page("apiclient_change", client.pk),
        page("apiclient_changelist"),
        page("apiclient_history", client.pk),
    ):
        shown = admin_client.get(address).content.decode()
        assert client.name in shown
        assert secret not in shown
        assert client.application.client_secret not in shown


def test_the_pair_that_was_shown_gets_a_token(admin_client, client):
    secret = secret_on(add(admin_client))
    client_id = Application.objects.get().client_id

    fields = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}

    assert client.post("/oauth/token/", fields).status_code == 200


def test_reloading_the_page_of_the_secret_makes_no_second_client(admin_client):
    add(admin_client)

    again = add(admin_client)

    assert "already exists" in again.content.decode()
    assert ApiClient.objects.count() == Application.objects.count() == 1


def test_a_client_remembers_who_made_it_and_where_it_may_work(admin_client):
    dev = Sandbox.objects.create(organisation=organisation(), name="dev")

    shown = add(admin_client, sandboxes_allowed=[dev.pk], technical_account="loader@techacct")

    assert "-H 'x-sandbox-name: dev'" in html.unescape(shown.content.decode())
    client = ApiClient.objects.get()
    assert (client.created_by, client.technical_account) == ("admin", "loader@techacct")
    assert list(client.sandboxes.all()) == [dev]


def test_a_sandbox_of_another_organisation_is_refused_in_words(admin_client):
    theirs = organisation("other", "theirs").sandboxes.get(name="theirs")

    answer = add(admin_client, sandboxes_allowed=[theirs.pk])

    assert "other/theirs does not belong to the organisation “default”" in html.unescape(answer.content.decode())
    assert not Application.objects.exists()


def test_changing_a_client_leaves_its_organisation_id_and_secret(admin_client):
    given, other = program(of=organisation("default", "dev"), only=["prod"]), organisation("other")
    dev, kept = Sandbox.objects.get(name="dev"), Application.objects.values().get()

    answer = admin_client.post(
        page("apiclient_change", given.client.pk),
        {"organisation": other.pk, "name": "Renamed", "technical_account": "x@techacct", "sandboxes_allowed": [dev.pk]},
    )

    assert answer.status_code == 302
    client = ApiClient.objects.get()
    assert (client.name, client.organisation.name, list(client.sandboxes.all())) == ("Renamed", "default", [dev])
    assert Application.objects.values().get() == kept


def test_a_name_that_is_taken_is_refused_when_renaming(admin_client):
    program("One")
    two = program("Two").client

    fields = {"name": "One", "technical_account": "x@techacct"}
    answer = admin_client.post(page("apiclient_change", two.pk), fields)

    assert "already exists" in answer.content.decode()


def test_a_new_secret_is_asked_for_then_shown_once(admin_client, client):
    given = program()
    address = page("apiclient_secret", given.client.pk)
    asked = admin_client.get(address).content.decode()
    fields = {"instead_of": re.search(r'name="instead_of" value="([^"]+)"', asked).group(1), "choice": "keep"}
    assert given.secret not in asked

    secret = secret_on(admin_client.post(address, fields))

    assert client.post("/oauth/token/", form(given)).status_code == 401
    assert client.post("/oauth/token/", form(given, client_secret=secret)).status_code == 200
    assert secret not in everything_kept(admin_client)
    assert "Made a new secret" in str(list(LogEntry.objects.values()))


def test_the_form_of_a_new_secret_sent_twice_makes_one(admin_client):
    given = program()
    address = page("apiclient_secret", given.client.pk)
    fields = {"instead_of": given.client.secret_made_at.isoformat(), "choice": "keep"}
    admin_client.post(address, fields)
    kept = Application.objects.get().client_secret

    again = admin_client.post(address, fields, follow=True)

    assert "has been replaced since" in again.content.decode()
    assert Application.objects.get().client_secret == kept


@pytest.mark.parametrize("instead_of", ["", "yesterday", "2026-02-31T00:00"])
def test_a_new_secret_without_the_one_it_replaces_changes_nothing(admin_client, instead_of):
    given = program()

    admin_client.post(page("apiclient_secret", given.client.pk), {"instead_of": instead_of})

    assert given.client.secret_made_at == ApiClient.objects.get().secret_made_at


def test_switching_a_client_off_takes_its_tokens_back(admin_client, client):
    given = program()
    token_of(client, given)
    address = page("apiclient_switch", given.client.pk)
    assert "Switch it off" in admin_client.get(address).content.decode()

    answer = admin_client.post(address, {"to": "off"}, follow=True)

    assert "tokens taken back: 1" in answer.content.decode()
    assert not ApiClient.objects.get().active
    assert not AccessToken.objects.exists()
    assert "Switch it on" in admin_client.get(address).content.decode()
    admin_client.post(address, {"to": "on"})
    assert token_of(client, given)


def test_looking_at_clients_gives_no_right_to_their_secrets(client):
    given = program()
    client.force_login(factories.person("access.view_apiclient", name="support"))

    assert "New secret" not in client.get(page("apiclient_change", given.client.pk)).content.decode()
    for name in ("secret", "switch"):
        assert client.post(page(f"apiclient_{name}", given.client.pk), {"to": "off"}).status_code == 403
    assert ApiClient.objects.get().active
    assert client.get(reverse(ADD)).status_code == 403


def test_a_client_that_is_not_there_is_not_found(admin_client):
    assert admin_client.get(page("apiclient_secret", 99)).status_code == 404


def test_an_organisation_gets_its_first_sandbox_by_itself(admin_client):
    formset = {"sandboxes-TOTAL_FORMS": "1", "sandboxes-INITIAL_FORMS": "0", "sandboxes-0-name": "dev"}

    admin_client.post(page("organisation_add"), {"name": "1234@AdobeOrg", "title": "Acme", **formset})

    made = Organisation.objects.get(name="1234@AdobeOrg")
    assert sorted(made.sandboxes.values_list("name", flat=True)) == ["dev", "prod"]


@pytest.mark.parametrize("name", ["../etc", "Dev/Prod", "", "a b", "-x"])
def test_an_organisation_with_an_impossible_name_is_refused(admin_client, name):
    formset = {"sandboxes-TOTAL_FORMS": "0", "sandboxes-INITIAL_FORMS": "0"}

    answer = admin_client.post(page("organisation_add"), {"name": name, **formset})

    assert answer.status_code == 200
    assert Organisation.objects.count() == 1


def test_names_of_organisations_and_sandboxes_stay(admin_client):
    owner = organisation("acme")
    prod = owner.sandboxes.get()
    formset = {
        "sandboxes-TOTAL_FORMS": "1", "sandboxes-INITIAL_FORMS": "1", "sandboxes-0-id": prod.pk,
        "sandboxes-0-organisation": owner.pk, "sandboxes-0-name": "other", "sandboxes-0-title": "Live",
    }  # fmt: skip

    answer = admin_client.post(page("organisation_change", owner.pk), {"name": "renamed", "title": "Acme", **formset})

    assert answer.status_code == 302
    owner.refresh_from_db()
    prod.refresh_from_db()
    assert (owner.name, owner.title, prod.name, prod.title) == ("acme", "Acme", "prod", "Live")


def test_nothing_of_access_can_be_deleted_by_hand(admin_client):
    given = program()

    assert admin_client.post(page("apiclient_delete", given.client.pk), {"post": "yes"}).status_code == 403
    assert admin_client.post(page("organisation_delete", organisation().pk), {"post": "yes"}).status_code == 403


def test_the_toolkits_own_pages_are_hidden():
    assert not [model for model in admin.site._registry if model._meta.app_label == "oauth2_provider"]


def test_the_list_of_clients_costs_the_same_for_one_and_for_many(admin_client, django_assert_max_num_queries):
    program("Client 0")
    with CaptureQueriesContext(connection) as one:
        admin_client.get(page("apiclient_changelist"))
    for number in range(1, 6):
        program(f"Client {number}", of=organisation("default", "dev"), only=["dev"])

    with django_assert_max_num_queries(len(one)):
        assert "Client 5" in admin_client.get(page("apiclient_changelist")).content.decode()
