"""Five failures lock a name for the address they came from; nobody gets round it, and all hear when to come again."""

from base64 import b64encode
from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client, RequestFactory
from django.utils import timezone

from config.checks import proxies_are_networks
from config.logins import client_address
from runs import logins
from runs.models import FailedLogin

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"
LOCKED = "Too many logins failed for this name"


@pytest.fixture(autouse=True)
def anna() -> User:
    return User.objects.create_superuser("anna", password=PASSWORD)


def log_in(client: Client, name: str = "anna", password: str = "wrong", **headers: str) -> str:
    """The page that comes back; "" once inside."""
    answer = client.post("/admin/login/", {"username": name, "password": password}, **headers)
    return "" if answer.status_code == 302 else answer.content.decode()


def fail(client: Client, times: int, **how: str) -> list[str]:
    return [log_in(client, **how) for _ in range(times)]


def test_the_fifth_failure_locks_and_says_when_to_try_again(client):
    pages = fail(client, 5)

    assert not any(LOCKED in page for page in pages[:4])
    assert LOCKED in pages[4]
    assert "(in 15 min)" in pages[4]
    assert LOCKED in log_in(client, password=PASSWORD), "the right password is not let in either"


def test_unknown_names_are_answered_alike(client):
    known, unknown = fail(client, 6), fail(client, 6, name="nobody")

    assert [LOCKED in page for page in known] == [LOCKED in page for page in unknown] == [False] * 4 + [True] * 2


def test_names_in_other_letters_are_the_same_name(client):
    for name in ("anna", "ANNA", "Anna", " anna", "aNNa"):
        log_in(client, name=name)

    assert LOCKED in log_in(client, password=PASSWORD)


def test_the_lock_ends_by_itself_and_counts_from_one_again(client):
    fail(client, 5)
    FailedLogin.objects.update(locked_until=timezone.now() - timedelta(seconds=1))

    assert LOCKED not in log_in(client)
    assert FailedLogin.objects.get().count == 1
    assert log_in(client, password=PASSWORD) == ""
    assert not FailedLogin.objects.exists(), "a login forgets the failures"


def test_old_failures_do_not_count(client):
    fail(client, 4)
    FailedLogin.objects.update(last_at=timezone.now() - timedelta(minutes=16))

    assert LOCKED not in log_in(client)


def test_an_administrator_unlocks_by_command(client):
    fail(client, 5)
    out = StringIO()

    call_command("unlock_login", "Anna", stdout=out)

    assert out.getvalue().strip() == "Unlocked."
    assert log_in(client, password=PASSWORD) == ""


def test_another_address_is_not_locked(client):
    fail(client, 5)

    assert log_in(client, password=PASSWORD, REMOTE_ADDR="198.51.100.7") == ""


def test_a_written_forwarded_for_is_no_way_round(client):
    for number in range(5):
        log_in(client, HTTP_X_FORWARDED_FOR=f"203.0.113.{number}")

    assert LOCKED in log_in(client, password=PASSWORD, HTTP_X_FORWARDED_FOR="203.0.113.99")


def test_behind_a_trusted_proxy_only_what_it_wrote_itself_counts(client, settings):
    settings.TRUSTED_PROXIES = ["127.0.0.1", "10.0.0.0/8"]
    for number in range(5):
        log_in(client, HTTP_X_FORWARDED_FOR=f"203.0.113.{number}, 198.51.100.7, 10.1.2.3")

    assert LOCKED in log_in(client, password=PASSWORD, HTTP_X_FORWARDED_FOR="8.8.8.8, 198.51.100.7, 10.1.2.3")
    assert log_in(client, password=PASSWORD, HTTP_X_FORWARDED_FOR="198.51.100.8") == ""


@pytest.mark.parametrize(
    ("connected", "written", "client"),
    [
        ("127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", "nonsense", "127.0.0.1"),
        ("127.0.0.1", "1.2.3.4, nonsense", "127.0.0.1"),
        ("9.9.9.9", "1.2.3.4", "9.9.9.9"),
        ("::ffff:127.0.0.1", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("", "1.2.3.4", ""),
    ],
)
def test_the_address_of_a_client(settings, connected, written, client):
    settings.TRUSTED_PROXIES = ["127.0.0.1"]
    request = RequestFactory().get("/", REMOTE_ADDR=connected, HTTP_X_FORWARDED_FOR=written)

    assert client_address(request) == client


def test_a_trusted_proxy_that_is_no_address_is_told_by_the_check(settings):
    settings.TRUSTED_PROXIES = ["10.0.0.0/8", "proxy.example.com"]

    [told] = proxies_are_networks()

    assert (told.id, "proxy.example.com" in told.msg) == ("headgate.E005", True)


def test_the_api_counts_too(client):
    fail(client, 4)

    def ask(password: str) -> int:
        word = b64encode(f"anna:{password}".encode()).decode()
        return client.get("/api/runs/", headers={"authorization": f"Basic {word}"}).status_code

    assert ask("wrong") in (401, 403)
    assert ask(PASSWORD) in (401, 403)
    logins.clear("anna")
    assert ask(PASSWORD) == 200


def test_counts_are_forgotten_after_a_day(client):
    fail(client, 5)
    FailedLogin.objects.update(last_at=timezone.now() - timedelta(hours=25))

    assert logins.forget_old() == 1
