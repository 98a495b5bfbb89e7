"""No door without a rule: every page and every call is tried by the matrix of roles, or says why it need not be."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, resolve, reverse

from tests.runs.test_roles import ATTEMPTS, house  # noqa: F401 - the house is a fixture of this module, too

pytestmark = pytest.mark.django_db
EVERYBODY = "for whoever is signed in, or for the way there"
ONE_BY_ONE = "says itself what each person may see; what it leads to asks again"
DOORS = {  # what the matrix has no line for, and why
    **dict.fromkeys(("login", "logout", "index", "jsi18n", "app_list", "password_change"), EVERYBODY),
    **dict.fromkeys(("password_change_done", "api-root", "schema"), EVERYBODY),
    **dict.fromkeys(("search", "autocomplete", "view_on_site"), ONE_BY_ONE),
    "runs_run_file": "needs a staged file: tried with the page of a run",
    **dict.fromkeys(("ingestion_batch_part", "ingestion_batch_file"), "needs staged bytes: test_batch_admin_downloads"),
}
CLOSED = (  # to everybody: what the machine writes is neither added nor deleted by hand
    "runs_run_add",
    "runs_run_delete",
    "runs_dataload_add",
    "runs_dataload_delete",
    "ingestion_batch_add",
    "ingestion_batch_delete",
    "ingestion_dataset_add",
    "ingestion_dataset_delete",
    "access_apiclient_delete",
    "access_organisation_delete",
)
VERBS = ("get", "post", "put", "patch", "delete")


class Notebook:
    """Stands where a client does, and notes which door each attempt goes to."""

    def __init__(self) -> None:
        self.tried: set[str] = set()

    def __getattr__(self, verb: str) -> Any:
        def note(address: str, *_: Any, **__: Any) -> None:
            found = resolve(address.split("?")[0])
            self.tried |= {found.url_name or "", f"{verb} {found.url_name}"}

        return note


def tried() -> set[str]:
    """The doors that the matrix tries: "name" for pages, "verb name" for calls."""
    notebook = Notebook()
    for make in ATTEMPTS.values():
        with transaction.atomic():
            for attempt in make():
                attempt(notebook)
            transaction.set_rollback(True)
    return notebook.tried


def doors(resolver: URLResolver, prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    for pattern in resolver.url_patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from doors(pattern, route)
        else:
            yield route, pattern


def offered() -> set[str]:
    """What there is: pages by name, calls of the API by verb and name. The batch API asks by organisation as well, and
    is tried beside its own tests."""
    found = set()
    for route, pattern in doors(get_resolver()):
        if route.startswith("admin/") and pattern.name:
            found.add(pattern.name)
        elif route.startswith("api/"):
            found |= {f"{verb} {pattern.name}" for verb in _verbs(pattern)}
    return found


def _verbs(pattern: URLPattern) -> list[str]:
    """A view set names its verbs; another view has a method for each."""
    actions = getattr(pattern.callback, "actions", None)
    view = getattr(pattern.callback, "cls", None)
    return [verb for verb in VERBS if (verb in actions if actions else hasattr(view, verb))]


def test_every_page_and_every_call_is_in_the_matrix_or_has_a_reason():
    missing = {door for door in offered() - tried() if door.split()[-1] not in {*DOORS, *CLOSED}}

    assert missing == set(), "give each an attempt in ATTEMPTS of test_roles.py, or a reason in DOORS"


def test_no_reason_is_kept_for_a_door_that_is_gone():
    names = {door.split()[-1] for door in offered()}

    assert {*DOORS, *CLOSED} <= names


@pytest.mark.parametrize("door", CLOSED)
def test_what_the_machine_writes_is_closed_even_to_a_superuser(admin_client: Client, door):
    address = reverse(f"admin:{door}", args=[] if door.endswith("_add") else [1])

    assert admin_client.get(address).status_code in (302, 403, 404)
    assert admin_client.post(address, {"post": "yes"}).status_code in (302, 403, 404)
