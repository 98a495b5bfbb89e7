"""The four roles: what each may do on the pages and over the APIs, and what is refused to it."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from connectors.api.views import SourceViews
from connectors.models import Connector
from ingestion.access import clients
from ingestion.access.models import ApiClient, Organisation
from ingestion.admin.buttons import OFFERS
from ingestion.states import BatchStatus as S
from runs import roles
from runs.api.views import DataLoadViewSet, RunViewSet
from runs.models import Run
from tests import factories
from tests.ingestion import batch_admin_kit as kit

pytestmark = pytest.mark.django_db
DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "roles.md"
WHY = {"reason": "asked for by the test"}
Attempt = Callable[[Client], object]


@pytest.fixture(autouse=True)
def house(settings, tmp_path: Path) -> None:
    settings.WAREHOUSE_URL = f"duckdb:///{tmp_path}/warehouse.duckdb?memory_limit=200MB&threads=2"
    settings.STAGING_URL = f"file://{tmp_path}/staging"
    settings.SCRATCH_DIR = tmp_path / "scratch"


def somebody(role: str) -> Client:
    person = factories.person(name=f"a-{role}")
    person.groups.add(Group.objects.get(name=role))
    client = Client()
    client.force_login(person)
    return client


def page(name: str, /, *args) -> Attempt:
    return lambda client: client.get(reverse(f"admin:{name}", args=args))


def form(name: str, /, *args, **fields) -> Attempt:
    return lambda client: client.post(reverse(f"admin:{name}", args=args), fields)


def call(method: str, address: str, body: dict | None = None) -> Attempt:
    return lambda client: getattr(client, method)(address, data=body or {}, content_type="application/json")


def read(address: str) -> Attempt:
    return lambda client: client.get(address)


def viewing() -> list[Attempt]:
    run, batch = factories.run(), kit.batch(S.SUCCESS)
    lists = ("runs_run", "runs_dataload", "connectors_datasource", "connectors_connector", "ingestion_batch")
    return [
        *(page(f"{name}_changelist") for name in (*lists, "ingestion_dataset")),
        page("runs_run_change", run.pk),
        page("runs_run_compare", factories.run(run.source).pk),
        page("runs_run_live", run.pk),
        page("runs_run_log", run.pk),
        page("runs_run_export"),
        page("runs_run_go"),
        page("ingestion_batch_live", batch.pk),
        *(page(f"{name}_history", 1) for name in (*lists, "ingestion_dataset")),
        page("runs_run_bundle", run.pk),
        page("runs_run_handover", run.pk),
        page("runs_dataload_change", factories.data_load(run).pk),
        page("connectors_datasource_change", run.source_id),
        page("connectors_connector_change", run.source.connector_id),
        page("ingestion_batch_change", batch.pk),
        page("ingestion_dataset_change", batch.dataset_id),
        *(read(f"/api/{name}/") for name in ("runs", "data-loads", "sources", "connectors")),
        read(f"/api/runs/{run.pk}/"),
        read(f"/api/data-loads/{run.data_load.pk}/"),
        read(f"/api/sources/{run.source_id}/"),
        read(f"/api/connectors/{run.source.connector_id}/"),
        call("post", "/api/connectors/validate/", {"manifest": "manifest: 1"}),
        read(f"/api/runs/{run.pk}/message-kinds/"),
        read(f"/api/runs/{factories.run(run.source).pk}/compare/"),
        read(f"/api/runs/{run.pk}/bundle/"),
        *(
            read(f"/api/runs/{run.pk}/{part}/")
            for part in ("tasks", "messages", "tables", "events", "notes", "handover", "report")
        ),
        read("/data/foundation/catalog/batches"),
        read("/data/foundation/catalog/dataSets"),
    ]


def starting(mode: str) -> list[Attempt]:
    first, second, third = (factories.source(name) for name in ("One", "Two", "Three"))
    return [
        form("connectors_datasource_start", first.pk, mode=mode, confirmed="yes"),
        call("post", "/api/runs/", {"source": second.pk, "type": mode}),
        call("post", f"/api/sources/{third.pk}/start/", {"type": mode}),
    ]


def on_runs(verb: str, make: Callable[..., Run]) -> list[Attempt]:
    first, second = make(factories.source("One")), make(factories.source("Two"))
    together = [page("runs_run_bulk", verb), form("runs_run_bulk", verb)] if verb != "close" else []
    return [
        *together,
        form(f"runs_run_{verb}", first.pk, **WHY),
        call("post", f"/api/runs/{second.pk}/{verb}/", {"force": True, **WHY} if verb == "close" else {}),
    ]


def sending_again() -> list[Attempt]:
    step = factories.load_step(status="failed")
    return [form("runs_dataload_send", step.load_id, step.pk)]


def caring() -> list[Attempt]:
    run, me = factories.failed_run(), factories.person("runs.view_run", name="me")
    later = (timezone.now() + timedelta(hours=2)).isoformat()
    return [
        form("runs_run_note", run.pk, text="Known."),
        form("runs_run_snooze", run.pk, until="1h"),
        form("runs_run_assign", run.pk, to="me"),
        form("runs_run_acknowledge", run.pk),
        call("post", f"/api/runs/{factories.failed_run().pk}/snooze/", {"until": later}),
        call("post", f"/api/runs/{run.pk}/notes/", {"text": "Known."}),
        call("post", f"/api/runs/{run.pk}/assign/", {"assignee": me.username}),
        call("post", f"/api/runs/{run.pk}/acknowledge/"),
    ]


def steering() -> list[Attempt]:
    begun = {"abort": S.LOADING, "fail": S.STALLED, "resume": S.STALLED, "retry": S.RETRYING}
    pushed = kit.batch(S.LOADING).public_id
    return [
        *(form(f"ingestion_batch_{verb}", kit.batch(status).pk, **WHY) for verb, status in begun.items()),
        call("post", f"/data/foundation/import/batches/{pushed}?action=ABORT"),
    ]


def taking_away() -> list[Attempt]:
    begun = {"revert": S.SUCCESS, "retain": S.INACTIVE, "archive": S.RETAINED, "remove": S.INACTIVE}
    first, second = kit.batch(S.INACTIVE).public_id, kit.batch(S.INACTIVE).public_id
    return [
        *(page(f"ingestion_batch_{verb}", kit.batch(status).pk) for verb, status in begun.items()),
        call("post", f"/data/foundation/import/batches/{first}?action=REVERT"),
        call("post", f"/data/foundation/import/batches/{first}?action=revert"),
        call("delete", f"/data/foundation/catalog/batches/{second}"),
    ]


def raw_data() -> list[Attempt]:
    source, batch = factories.source(), kit.batch(S.SUCCESS)
    return [
        page("connectors_datasource_records", source.pk),
        call("post", f"/api/sources/{source.pk}/sample/", {"endpoint": "nowhere"}),
        read(f"/data/foundation/export/batches/{batch.public_id}/files"),
    ]


def connection_tests() -> list[Attempt]:
    source = factories.source(settings={"base_url": "http://127.0.0.1:9"})
    test = f"{reverse('admin:connectors_datasource_test')}?source={source.pk}"
    return [lambda client: client.post(test, {}), call("post", f"/api/sources/{source.pk}/test/")]


def editing() -> list[Attempt]:
    source, dataset = factories.source(), kit.dataset()
    return [
        form("connectors_datasource_change", source.pk, name=""),
        form("connectors_connector_change", source.connector_id, name=""),
        page("connectors_datasource_add"),
        page("connectors_connector_add"),
        form("ingestion_dataset_settings", dataset.pk),
        call("patch", f"/data/foundation/catalog/dataSets/{dataset.public_id}", {"description": "by the test"}),
    ]


def deleting() -> list[Attempt]:
    source, dataset = factories.source(), kit.dataset()
    return [
        page("connectors_datasource_delete", source.pk),
        page("connectors_connector_delete", Connector.objects.create(name="Unused", manifest="").pk),
        call("delete", f"/data/foundation/catalog/dataSets/{dataset.public_id}"),
    ]


def api_client() -> ApiClient:
    return clients.create(organisation=Organisation.objects.get(), name="Nightly", by="anna").client


def seeing_clients() -> list[Attempt]:
    client = api_client()
    return [
        page("access_apiclient_changelist"),
        page("access_apiclient_change", client.pk),
        page("access_organisation_changelist"),
        page("access_organisation_change", client.organisation_id),
        page("access_apiclient_history", client.pk),
        page("access_organisation_history", client.organisation_id),
    ]


def managing_clients() -> list[Attempt]:
    client = api_client()
    return [
        page("access_apiclient_add"),
        form("access_apiclient_change", client.pk, name=""),
        form("access_apiclient_switch", client.pk, to="off"),
        form("access_apiclient_secret", client.pk, instead_of=""),
        page("access_organisation_add"),
        form("access_organisation_change", client.organisation_id, title=""),
    ]


def managing_people() -> list[Attempt]:
    bert, group = factories.person(name="bert"), Group.objects.get(name="viewer")
    return [
        *(page(f"auth_{who}_{what}") for who in ("user", "group") for what in ("changelist", "add")),
        page("auth_user_change", bert.pk),
        page("auth_group_change", group.pk),
        page("auth_user_delete", bert.pk),
        page("auth_user_password_change", bert.pk),
        page("auth_user_history", bert.pk),
        page("auth_group_history", group.pk),
        page("auth_group_delete", group.pk),
    ]


ATTEMPTS: dict[str, Callable[[], list[Attempt]]] = {
    "view": viewing,
    "start": lambda: starting("incremental"),
    "cancel": lambda: on_runs("cancel", factories.open_run),
    "retry": lambda: [*on_runs("retry", factories.failed_run), *sending_again()],
    "care": caring,
    "steer batches": steering,
    "view clients": seeing_clients,
    "start destructive": lambda: starting("destructive"),
    "force close": lambda: on_runs("close", factories.open_run),
    "take batches away": taking_away,
    "see raw data": raw_data,
    "test": connection_tests,
    "edit configuration": editing,
    "delete configuration": deleting,
    "manage clients": managing_clients,
    "manage people": managing_people,
}


@pytest.mark.parametrize("verb", roles.VERBS)
@pytest.mark.parametrize("role", roles.ROLES)
def test_a_role_may_do_what_the_matrix_says_and_nothing_else(role, verb):
    client = somebody(role)

    answers = [attempt(client) for attempt in ATTEMPTS[verb]()]

    refused = [answer.status_code == 403 for answer in answers]
    assert refused == [role not in roles.VERBS[verb].roles] * len(answers), [answer.status_code for answer in answers]
    assert all(answer.status_code < 500 and answer.status_code not in (401, 404, 405) for answer in answers)


@pytest.mark.parametrize("role", roles.ROLES)
def test_the_run_page_offers_a_role_what_it_may_do(role):
    client, failed, running = somebody(role), factories.failed_run(), factories.open_run(factories.source("Other"))

    told = client.get(reverse("admin:runs_run_change", args=[failed.pk])).content.decode()
    told += client.get(reverse("admin:runs_run_change", args=[running.pk])).content.decode()

    for verb in ("cancel", "retry"):
        assert (f"You do not have the right to {verb} runs" in told) is (role not in roles.VERBS[verb].roles)
    assert ('id="close-run"' in told) is (role in roles.VERBS["force close"].roles)


@pytest.mark.parametrize("role", roles.ROLES)
def test_pages_hold_values_back_from_roles_without_the_right(role):
    client, run = somebody(role), factories.failed_run()
    factories.message(run, detail="HTTP 401 from the login service")
    batch = kit.batch(S.SUCCESS, rejected_count=2)
    allowed = role in roles.VERBS["see raw data"].roles

    messages = client.get(reverse("admin:runs_run_change", args=[run.pk]), {"tab": "messages"}).content.decode()
    rows = client.get(reverse("admin:ingestion_batch_change", args=[batch.pk]), {"tab": "rows"}).content.decode()

    assert ("HTTP 401 from the login service" in messages) is allowed
    assert ("You do not have the right to see raw data" in rows) is not allowed


@pytest.mark.parametrize("role", roles.ROLES)
def test_the_menu_leads_a_role_to_nothing_that_is_refused(role):
    client = somebody(role)
    home = client.get(reverse("admin:index")).content.decode()

    for name in ("access_apiclient", "access_organisation", "auth_user", "auth_group", "runs_run", "ingestion_batch"):
        address = reverse(f"admin:{name}_changelist")
        assert (f'href="{address}"' in home) is (client.get(address).status_code == 200), name


def test_every_permission_that_is_asked_for_belongs_to_a_verb():
    asked = {
        right for view in (RunViewSet, DataLoadViewSet, SourceViews) for needs in view.needs.values() for right in needs
    }
    asked |= {offer.right for offer in OFFERS.values()}
    for model in apps.get_models():
        if model._meta.app_label in ("runs", "connectors", "ingestion"):
            asked |= {f"{model._meta.app_label}.{codename}" for codename, _ in model._meta.permissions}

    assert asked <= roles.permissions_of(roles.ADMIN)


def test_every_permission_of_a_verb_exists():
    known = {f"{app}.{name}" for app, name in Permission.objects.values_list("content_type__app_label", "codename")}

    assert roles.permissions_of(roles.ADMIN) <= known


def test_each_role_may_do_all_that_the_one_before_it_may():
    for less, more in zip(roles.ROLES, roles.ROLES[1:], strict=False):
        assert roles.permissions_of(less) < roles.permissions_of(more)


def test_a_migration_adds_what_is_missing_and_keeps_what_people_gave():
    viewer = Group.objects.get(name="viewer")
    mine = Permission.objects.get(codename="cancel_run")
    viewer.permissions.remove(Permission.objects.get(codename="view_run"))
    viewer.permissions.add(mine)
    Group.objects.get(name="support").delete()

    for _ in range(2):
        call_command("migrate", verbosity=0)

    assert viewer.permissions.filter(codename="view_run").exists()
    assert viewer.permissions.filter(pk=mine.pk).exists()
    assert Group.objects.filter(name__in=roles.ROLES).count() == len(roles.ROLES)


def test_the_document_shows_the_matrix_as_it_is():
    assert roles.as_table() in DOCUMENT.read_text()
