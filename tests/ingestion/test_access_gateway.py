"""The gateway: every documented refusal, tenants kept apart, one query a request; and people of the admin."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import ProtectedError
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from oauth2_provider.models import AccessToken

from ingestion.access import clients
from ingestion.access.caller import ClientUser
from ingestion.access.models import Sandbox
from tests.ingestion.access_kit import headers, organisation, program, token_of

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.ingestion.access_kit")]


def asked(http, given, token, **changes):
    return http.get("/who/", headers=headers(given, token, **changes))


def refusal(answer):
    assert set(answer.json()) == {"error_code", "message"}
    assert str(answer.status_code) == answer.json()["error_code"][:3]
    return answer.json()["error_code"], answer.json()["message"]


def test_a_program_with_a_token_is_let_in(client):
    given = program("Nightly upload")

    answer = asked(client, given, token_of(client, given))

    assert answer.status_code == 200
    assert answer.json() == {
        "organisation": "default",
        "sandbox": "prod",
        "client_id": given.client_id,
        "user": "nightly-upload@techacct",
        "staff": False,
        "username": "nightly-upload@techacct",
    }


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"authorization": None}, ("403010", "Oauth token is missing.")),
        ({"authorization": "Bearer "}, ("403010", "Oauth token is missing.")),
        ({"authorization": "Bearer nonsense"}, ("401013", "Oauth token is not valid")),
        ({"authorization": "Basic bm9ib2R5Om5vdGhpbmc="}, ("401013", "Oauth token is not valid")),
        ({"authorization": "Bearer \u00e9\u00e9 \u00e9"}, ("401013", "Oauth token is not valid")),
        ({"x_api_key": None}, ("403000", "Api Key is required")),
        ({"x_api_key": "another"}, ("403003", "Api Key is invalid")),
        ({"x_gw_ims_org_id": None}, ("400003", "Missing header")),
        ({"x_gw_ims_org_id": "nobody@AdobeOrg"}, ("403025", "Profile is not valid")),
    ],
)
def test_each_refusal_has_its_code_and_words(client, changes, expected):
    given = program()

    assert refusal(asked(client, given, token_of(client, given), **changes)) == expected


def test_a_key_of_another_client_is_refused(client):
    given, other = program("One"), program("Two")

    answer = asked(client, given, token_of(client, given), x_api_key=other.client_id)

    assert refusal(answer)[0] == "403003"


def test_a_client_is_refused_at_every_other_organisation(client):
    given = program(of=organisation("1234@AdobeOrg"))
    token = token_of(client, given)

    assert refusal(asked(client, given, token, x_gw_ims_org_id="default"))[0] == "403025"
    assert asked(client, given, token).json()["organisation"] == "1234@AdobeOrg"


def test_a_client_works_in_every_sandbox_of_its_organisation_and_in_no_other(client):
    given = program(of=organisation("default", "dev"))
    organisation("other", "theirs")
    token = token_of(client, given)

    assert asked(client, given, token, x_sandbox_name="dev").json()["sandbox"] == "dev"
    code, message = refusal(asked(client, given, token, x_sandbox_name="theirs"))
    assert code == "403901"
    assert "theirs" in message


def test_a_limited_client_works_in_its_sandboxes_alone(client):
    given = program(of=organisation("default", "dev"), only=["dev"])
    token = token_of(client, given)

    assert asked(client, given, token, x_sandbox_name="dev").status_code == 200
    assert refusal(asked(client, given, token))[0] == "403901"


def test_a_sandbox_of_the_same_name_elsewhere_opens_nothing(client):
    given = program(of=organisation("default", "dev", "qa"), only=["qa"])
    program("Theirs", of=organisation("other", "dev"), only=["dev"])

    assert refusal(asked(client, given, token_of(client, given), x_sandbox_name="dev"))[0] == "403901"


def test_a_token_ends_when_its_time_is_over(client):
    given = program()
    token = token_of(client, given)

    AccessToken.objects.update(expires=timezone.now() - timedelta(seconds=1))

    answer = asked(client, given, token)
    assert refusal(answer) == ("401013", "Oauth token is not valid")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_token_ends_when_it_is_revoked(client):
    given = program()
    token = token_of(client, given)

    assert clients.take_tokens_back(given.client) == 1

    assert refusal(asked(client, given, token))[0] == "401013"


def test_a_client_that_is_switched_off_is_shut_out_and_its_old_tokens_stay_dead(client):
    given = program()
    token = token_of(client, given)

    clients.switch(given.client, on=False)
    assert refusal(asked(client, given, token))[0] == "401013"

    clients.switch(given.client, on=True)
    assert refusal(asked(client, given, token))[0] == "401013"
    assert asked(client, given, token_of(client, given)).status_code == 200


def test_a_token_given_out_while_a_client_was_switched_off_lets_nobody_in(client):
    given = program()
    token = token_of(client, given)
    given.client.active = False
    given.client.save()  # as if the token had been made just after the others were revoked

    assert refusal(asked(client, given, token))[0] == "401013"


def test_a_request_costs_one_query_and_no_write(client):
    given = program(of=organisation("default", "dev"), only=["dev", "prod"])
    token = token_of(client, given)

    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert asked(client, given, token).status_code == 200

    assert [query["sql"].split()[0] for query in queries] == ["SELECT"]


def test_a_request_that_lacks_a_header_costs_no_query(client):
    given = program()

    with CaptureQueriesContext(connection) as queries:
        asked(client, given, "nonsense", x_api_key=None)

    assert not queries


# People


def person(*, staff=True):
    return User.objects.create_user("anna", is_staff=staff)


def test_people_of_the_admin_call_for_the_default_organisation(client):
    client.force_login(person())

    assert client.get("/who/").json() == {
        "organisation": "default",
        "sandbox": "prod",
        "client_id": "",
        "user": "anna",
        "staff": True,
        "username": "anna",
    }


def test_people_name_another_organisation_and_sandbox_by_the_same_headers(client):
    organisation("other", "dev")
    client.force_login(person())

    answer = client.get("/who/", headers={"x-gw-ims-org-id": "other", "x-sandbox-name": "dev"})

    assert (answer.json()["organisation"], answer.json()["sandbox"]) == ("other", "dev")


@pytest.mark.parametrize(
    ("named", "code"), [({"x-gw-ims-org-id": "nobody"}, "403025"), ({"x-sandbox-name": "nowhere"}, "403901")]
)
def test_people_cannot_name_what_is_not_there(client, named, code):
    organisation()
    client.force_login(person())

    assert refusal(client.get("/who/", headers=named))[0] == code


def test_a_session_without_the_csrf_token_changes_nothing():
    http = Client(enforce_csrf_checks=True)
    http.force_login(person())

    assert http.get("/who/").status_code == 200
    assert http.post("/who/").status_code == 403
    assert "CSRF" in http.post("/who/").json()["detail"]


def test_a_session_with_the_csrf_token_may_change():
    http = Client(enforce_csrf_checks=True)
    http.force_login(person())
    http.get("/admin/")
    token = http.cookies["csrftoken"].value

    assert http.post("/who/", headers={"x-csrftoken": token}).status_code == 200


def test_somebody_signed_in_who_is_not_staff_needs_a_token(client):
    client.force_login(person(staff=False))

    assert refusal(client.get("/who/"))[0] == "403010"


def test_a_token_counts_before_a_session(client):
    given = program()
    token = token_of(client, given)
    client.force_login(person())

    assert asked(client, given, token).json()["staff"] is False


def test_a_program_has_none_of_the_rights_of_people():
    user = ClientUser("nightly@techacct")

    assert user.is_authenticated
    assert not any((user.is_staff, user.is_superuser, user.has_perm("ingestion.view_batch")))


def test_a_sandbox_that_a_client_is_limited_to_cannot_go(client):
    program(of=organisation("default", "dev"), only=["dev"])

    with pytest.raises(ProtectedError):
        Sandbox.objects.get(name="dev").delete()
