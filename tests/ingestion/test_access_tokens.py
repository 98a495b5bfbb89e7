"""The token endpoint at both of its addresses, what it keeps, what it refuses; and expired tokens cleared."""

import base64
import logging
from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth import hashers
from django.core.management import CommandError, call_command
from django.utils import timezone
from oauth2_provider.models import AccessToken, Application

from ingestion.access import clients
from ingestion.access.errors import AccessError
from ingestion.access.models import ApiClient, Organisation, Sandbox
from tests.ingestion.access_kit import form, organisation, program, token_of

pytestmark = pytest.mark.django_db
ADOBE_SCOPE = "openid,AdobeID,read_organizations,additional_info.projectedProductContext"


def basic(given, secret=None):
    pair = f"{given.client_id}:{secret or given.secret}".encode()
    return {"authorization": f"Basic {base64.b64encode(pair).decode()}"}


@pytest.mark.parametrize(
    "address", ["/oauth/token", "/oauth/token/", "/ims/token/v3", "/ims/token/v3/", "/ims/token/v2"]
)
def test_an_id_and_a_secret_get_a_token_at_every_address(client, address):
    answer = client.post(address, form(program(), scope=ADOBE_SCOPE))

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert set(answer.json()) == {"access_token", "token_type", "expires_in"}
    assert (answer.json()["token_type"], answer.json()["expires_in"]) == ("bearer", 86_400)


def test_id_and_secret_may_come_as_basic_auth(client):
    answer = client.post("/oauth/token/", {"grant_type": "client_credentials"}, headers=basic(program()))

    assert answer.status_code == 200


def test_a_token_is_kept_as_a_checksum_alone_and_ends_in_a_day(client):
    token = token_of(client, program())

    kept = AccessToken.objects.get()
    assert kept.token == ""
    assert token not in str(AccessToken.objects.values().get())
    assert timedelta(hours=23, minutes=59) < kept.expires - timezone.now() <= timedelta(days=1)


def test_a_secret_is_kept_as_a_hash_alone():
    given = program()

    kept = Application.objects.get()
    assert hashers.identify_hasher(kept.client_secret)
    for model in (Application, ApiClient):
        assert given.secret not in str(model.objects.values().get())
    assert given.secret not in repr(given)


@pytest.mark.parametrize(
    "changes",
    [{"client_secret": "wrong"}, {"client_secret": ""}, {"client_id": "nobody"}, {"client_id": "nul\0"}],
    ids=["wrong secret", "no secret", "unknown id", "nul"],
)
def test_a_wrong_pair_is_one_and_the_same_refusal(client, changes):
    answer = client.post("/ims/token/v3", form(program(), **changes))

    assert answer.status_code == 401
    assert answer.json()["error"] == "invalid_client"
    assert "API clients" in answer.json()["error_description"]


def test_a_wrong_pair_in_basic_auth_is_refused(client):
    given = program()

    for header in (basic(given, "wrong"), {"authorization": "Basic %%%"}):
        answer = client.post("/oauth/token/", {"grant_type": "client_credentials"}, headers=header)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize("by_header", [False, True])
@pytest.mark.parametrize("known", [False, True])
def test_an_unknown_id_costs_as_much_hashing_as_a_known_one(client, monkeypatch, known, by_header):
    given, counted = program(), []
    hasher = hashers.get_hasher()
    encode = type(hasher).encode
    monkeypatch.setattr(type(hasher), "encode", lambda self, *given: counted.append(1) or encode(self, *given))
    wrong = form(given, client_secret="wrong", **({} if known else {"client_id": "nobody"}))
    pair = base64.b64encode(f"{wrong['client_id']}:wrong".encode()).decode()

    if by_header:
        only = {"grant_type": "client_credentials"}
        client.post("/oauth/token/", only, headers={"authorization": f"Basic {pair}"})
    else:
        client.post("/oauth/token/", wrong)

    assert len(counted) == 1


def test_a_client_that_is_switched_off_gets_no_token(client):
    given = program()
    clients.switch(given.client, on=False)

    answer = client.post("/oauth/token/", form(given))

    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert not AccessToken.objects.exists()


def test_an_application_without_a_client_of_ours_gets_no_token(client):
    Application.objects.create(
        client_id="stray", client_secret="s3cret", client_type="confidential",
        authorization_grant_type="client-credentials",
    )  # fmt: skip
    fields = {"grant_type": "client_credentials", "client_id": "stray", "client_secret": "s3cret"}

    assert client.post("/oauth/token/", fields).json()["error"] == "invalid_client"


@pytest.mark.parametrize(
    ("grant", "error"),
    [
        ("password", "unsupported_grant_type"),
        ("authorization_code", "unsupported_grant_type"),
        ("urn:ietf:params:oauth:grant-type:device_code", "unsupported_grant_type"),
        ("", "invalid_request"),
    ],
)
def test_no_other_grant_is_known(client, grant, error):
    answer = client.post("/oauth/token/", form(program(), grant_type=grant))

    assert (answer.status_code, answer.json()["error"]) == (400, error)


@pytest.mark.parametrize("query", ["client_secret=abc", "%zz"])
def test_a_secret_in_the_address_is_refused(client, query):
    answer = client.post(f"/oauth/token/?{query}", form(program()))

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert not AccessToken.objects.exists()


def test_neither_secret_nor_token_reaches_the_log(client, caplog):
    given = program()
    caplog.set_level(logging.DEBUG)

    token = token_of(client, given)
    client.post("/oauth/token/", form(given, client_secret=given.secret + "x"))

    assert given.secret not in caplog.text
    assert token not in caplog.text


def test_nothing_can_be_read_at_the_token_endpoint(client):
    assert client.get("/oauth/token/").status_code == 405


# Secrets


def test_a_new_secret_replaces_the_old_one_and_tokens_go_on(client):
    old = program()
    token_of(client, old)

    new = clients.new_secret(old.client, instead_of=old.client.secret_made_at, revoke=False)

    assert client.post("/oauth/token/", form(old)).status_code == 401
    assert client.post("/oauth/token/", form(new)).status_code == 200
    assert new.client_id == old.client_id
    assert AccessToken.objects.count() == 2


def test_a_new_secret_may_take_the_tokens_back(client):
    old = program()
    token_of(client, old)

    clients.new_secret(old.client, instead_of=old.client.secret_made_at, revoke=True)

    assert not AccessToken.objects.exists()


def test_the_same_secret_is_replaced_once():
    given = program()
    made_at = given.client.secret_made_at
    new = clients.new_secret(given.client, instead_of=made_at, revoke=False)

    with pytest.raises(AccessError, match="replaced since"):
        clients.new_secret(given.client, instead_of=made_at, revoke=False)

    assert Application.objects.get().client_secret == new.client.application.client_secret


def test_two_clients_of_an_organisation_do_not_share_a_name():
    program("Nightly")

    with pytest.raises(AccessError, match="already"):
        program("Nightly")

    assert Application.objects.count() == 1
    assert program("Nightly", of=organisation("other"))


def test_a_client_is_not_limited_to_a_sandbox_of_others():
    owner, other = organisation(), organisation("other", "theirs")

    with pytest.raises(AccessError, match="other/theirs"):
        clients.create(organisation=owner, name="One", sandboxes=other.sandboxes.filter(name="theirs"), by="anna")

    assert not ApiClient.objects.exists()


# Expired tokens


def test_tokens_that_ended_are_cleared_and_the_others_stay(client, monkeypatch):
    monkeypatch.setattr(clients, "CLEARED_AT_ONCE", 2)
    given = program()
    for _ in range(4):
        token_of(client, given)
    ended = AccessToken.objects.values_list("pk", flat=True)[:3]
    AccessToken.objects.filter(pk__in=list(ended)).update(expires=timezone.now() - timedelta(hours=1))

    assert clients.clear_expired() == 3
    assert clients.clear_expired() == 0
    assert AccessToken.objects.count() == 1
    assert clients.clear_expired(timezone.now() + timedelta(days=2)) == 1


# The command and the first organisation


def test_the_command_prints_a_pair_that_gets_a_token(client):
    organisation("default", "dev")
    out = StringIO()

    call_command("create_client", "--name", "Script", "--sandbox", "dev", stdout=out)

    pair = dict(line.split("=", 1) for line in out.getvalue().splitlines())
    fields = {"grant_type": "client_credentials"} | {name.lower(): value for name, value in pair.items()}
    assert client.post("/oauth/token/", fields).status_code == 200
    assert [sandbox.name for sandbox in ApiClient.objects.get().sandboxes.all()] == ["dev"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--organisation", "nobody"], "no organisation “nobody”"),
        (["--name", "Two", "--sandbox", "nowhere"], "no sandbox “nowhere”. It has: prod"),
        ([], "already"),
    ],
)
def test_the_command_says_what_is_wrong(arguments, words):
    program("Script")

    with pytest.raises(CommandError, match=words):
        call_command("create_client", "--name", "Script", *arguments)


def test_the_default_organisation_is_there_from_the_start():
    assert Organisation.objects.get().name == "default"
    assert str(Sandbox.objects.get()) == "default/prod"
