"""The connector's page and the data source's form: manifests are checked, credentials go in and never come out."""

import html
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from cryptography.fernet import Fernet
from django.test import Client
from django.urls import reverse

from connectors.admin.records import as_text, type_of
from connectors.models import Connector, DataSource
from tests import factories

pytestmark = pytest.mark.django_db
SECRET = "hunter2-very-secret"
HOSTILE = "<script>alert(1)</script>"
MANIFEST = """
manifest: 1
name: people
title: People
base_url: "{{ settings.base_url }}"
settings:
  base_url: {title: Address, help: Where it answers.}
  page: {title: Page, default: "1"}
auth: {style: bearer}
client: {attempts: 1}
endpoints:
  - {name: people, title: People, path: /people, records: data, key: id}
  - {name: nobody, title: Nobody, path: /nobody, records: data}
"""
BROKEN = """
manifest: 1
name: people
base_url: https://example.com
endpoints:
  - {name: people, path: /people, records: data, pagination: {style: pages}}
  - {name: nobody, path: /nobody, colour: blue}
"""
RECORD = {"name": HOSTILE, "paid": 1.5, "born": "2001-02-03", "home": {"town": "Ghent"}}
RECORDS = [{"id": number, **RECORD} for number in range(12)]


class Source(BaseHTTPRequestHandler):
    def do_GET(self):
        known = self.headers.get("Authorization") == f"Bearer {SECRET}"
        records = RECORDS if self.path.startswith("/people") else []
        body = json.dumps({"data": records}).encode()
        self.send_response(200 if known else 401)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


@pytest.fixture
def address(settings):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Source)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    settings.OUTBOUND_ALLOW = [f"127.0.0.1:{server.server_port}"]
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def connector() -> Connector:
    return Connector.objects.create(name="People API", manifest=MANIFEST)


@pytest.fixture
def source(connector) -> DataSource:
    nowhere = {"base_url": "http://127.0.0.1:9"}
    source = DataSource(name="People", connector=connector, namespace="people", settings=nowhere)
    source.seal({"token": SECRET})
    source.save()
    return source


def page(name: str, *args: object) -> str:
    return reverse(f"admin:connectors_{name}", args=args)


def form(connector: Connector, **changed: object) -> dict[str, object]:
    usual = {
        "name": "People", "connector": connector.pk, "namespace": "people", "enabled": "on", "schema_policy": "evolve",
        "on_failure": "fail", "max_hours": "24", "setting_base_url": "http://127.0.0.1:9", "setting_page": "",
        "credential_token": "",
    }  # fmt: skip
    return usual | changed


def may(client: Client, *permissions: str) -> Client:
    client.force_login(factories.person(*permissions, name="support"))
    return client


# The connector's page


def test_every_problem_of_a_manifest_is_listed_with_its_place_and_nothing_is_saved(admin_client):
    answer = admin_client.post(page("connector_add"), {"name": "People API", "manifest": BROKEN})

    text = answer.content.decode()
    assert "endpoints[0].pagination.style" in text
    assert "endpoints[1].colour" in text
    assert not Connector.objects.exists()


def test_a_broken_change_leaves_the_saved_manifest_and_keeps_what_was_typed(admin_client, connector):
    answer = admin_client.post(page("connector_change", connector.pk), {"name": "People API", "manifest": BROKEN})

    assert "colour: blue" in answer.content.decode()
    assert Connector.objects.get().manifest == MANIFEST


def test_a_good_manifest_is_saved_and_shows_its_endpoints_and_tables(admin_client):
    admin_client.post(page("connector_add"), {"name": "People API", "manifest": MANIFEST})

    text = admin_client.get(page("connector_change", Connector.objects.get().pk)).content.decode()

    assert ">GET /people</code>" in text
    assert ">GET /nobody</code>" in text


def test_a_saved_manifest_that_can_no_longer_be_read_is_said_and_not_hidden(admin_client, connector, source):
    Connector.objects.update(manifest=BROKEN)

    assert "The manifest has problems" in admin_client.get(page("connector_changelist")).content.decode()
    assert "has problems: correct it" in admin_client.get(page("datasource_change", source.pk)).content.decode()


# The data source's form


def test_a_new_source_begins_with_the_choice_of_its_connector(admin_client, connector):
    choice = admin_client.get(page("datasource_add")).content.decode()
    fields = admin_client.get(page("datasource_add"), {"connector": connector.pk}).content.decode()

    assert f"?connector={connector.pk}" in choice
    assert 'name="setting_base_url"' in fields
    assert re.search(r'<input type="password" name="credential_token"', fields)


def test_a_source_keeps_its_settings_and_seals_its_credentials(admin_client, connector):
    answer = admin_client.post(
        page("datasource_add"), form(connector, credential_token=SECRET, endpoints=["people"], setting_page="2")
    )

    source = DataSource.objects.get()
    assert answer.status_code == 302
    assert source.settings == {"base_url": "http://127.0.0.1:9", "page": "2"}
    assert source.endpoints == ["people"]
    assert source.credentials == {"token": SECRET}
    assert SECRET.encode() not in bytes(source.sealed_credentials)


def test_an_empty_credential_keeps_the_stored_one_and_another_replaces_it(admin_client, connector, source):
    admin_client.post(page("datasource_change", source.pk), form(connector, name="Renamed"))
    kept = DataSource.objects.get()
    admin_client.post(page("datasource_change", source.pk), form(connector, credential_token="another-secret"))

    assert (kept.name, kept.credentials) == ("Renamed", {"token": SECRET})
    assert DataSource.objects.get().credentials == {"token": "another-secret"}


def test_a_changed_address_asks_for_the_credential_again(admin_client, connector, source):
    elsewhere = form(connector, setting_base_url="http://127.0.0.1:9/elsewhere")

    kept = admin_client.post(page("datasource_change", source.pk), elsewhere)
    tried = admin_client.post(f"{page('datasource_test')}?source={source.pk}", elsewhere)

    assert "The address has changed: enter it again" in kept.content.decode()
    assert "The address has changed: enter it again" in tried.content.decode()
    source.refresh_from_db()
    assert source.settings["base_url"] != "http://127.0.0.1:9/elsewhere"


def test_credentials_are_never_rendered_back(admin_client, connector, source):
    seen = [
        admin_client.get(page("datasource_change", source.pk)),
        admin_client.post(
            page("datasource_change", source.pk), form(connector, name="", credential_token="typed-secret")
        ),
    ]

    for answer in seen:
        text = answer.content.decode()
        field = re.search(r'<input[^>]*name="credential_token"[^>]*>', text)
        assert field is not None
        assert "value=" not in field[0]
        assert SECRET not in text
        assert "typed-secret" not in text


def test_the_form_says_whether_a_credential_is_set(admin_client, connector, source):
    with_one = admin_client.get(page("datasource_change", source.pk)).content.decode()
    without = admin_client.get(page("datasource_add"), {"connector": connector.pk}).content.decode()

    assert "Set. Leave it empty to keep it." in with_one
    assert "Not set." in without


def test_credentials_of_other_keys_must_be_entered_again(admin_client, source, settings):
    settings.CREDENTIAL_KEYS = [Fernet.generate_key().decode()]

    text = admin_client.get(page("datasource_change", source.pk)).content.decode()

    assert "Not readable with the keys of this server. Enter it again." in text


def test_a_required_setting_must_be_filled_in(admin_client, connector):
    answer = admin_client.post(page("datasource_add"), form(connector, setting_base_url=""))

    assert "This field is required" in answer.content.decode()
    assert not DataSource.objects.exists()


def test_the_namespace_stays_once_tables_may_live_in_it(admin_client, connector, source):
    admin_client.post(page("datasource_change", source.pk), form(connector, namespace="elsewhere"))

    assert DataSource.objects.get().namespace == "people"
    assert DataSource.objects.get().credentials == {"token": SECRET}


@pytest.mark.parametrize("namespace", ["headgate_store", "headgate_books", "information_schema", "pg_data", "temp"])
def test_a_schema_that_the_warehouse_needs_itself_is_refused(admin_client, connector, namespace):
    answer = admin_client.post(page("datasource_add"), form(connector, namespace=namespace))

    assert "the warehouse needs itself" in answer.content.decode()
    assert not DataSource.objects.exists()


@pytest.mark.parametrize("hours", ["0", "-1", "721", "nan", "x"])
def test_hours_that_make_no_sense_are_refused(admin_client, connector, hours):
    admin_client.post(page("datasource_add"), form(connector, max_hours=hours))

    assert not DataSource.objects.exists()


def test_somebody_who_may_only_look_sees_no_inputs(client, source):
    may(client, "connectors.view_datasource")

    text = client.get(page("datasource_change", source.pk)).content.decode()

    assert "credential_token" not in text
    assert SECRET not in text
    assert "http://127.0.0.1:9" in text


# Test connection


def test_the_test_shows_each_step_for_values_that_are_not_saved(admin_client, connector, address):
    typed = form(connector, setting_base_url=address, credential_token=SECRET)

    text = admin_client.post(page("datasource_test"), typed).content.decode()

    assert text.count("<span>OK</span>") >= 3
    assert "<span>Failed</span>" not in text
    assert "Nothing was saved" in text
    assert not DataSource.objects.exists()


def test_the_test_uses_the_stored_credential_where_none_is_typed(admin_client, connector, source, address):
    DataSource.objects.update(settings={"base_url": address})
    typed = form(connector, setting_base_url=address, name="Not saved")

    text = admin_client.post(f"{page('datasource_test')}?source={source.pk}", typed).content.decode()

    assert "<span>Failed</span>" not in text
    assert SECRET not in text
    assert DataSource.objects.get().settings == {"base_url": address}
    assert DataSource.objects.get().name == "People"


def test_a_refused_login_is_a_failed_step_with_advice(admin_client, connector, address):
    typed = form(connector, setting_base_url=address, credential_token="wrong-secret")

    answer = admin_client.post(page("datasource_test"), typed)

    failed = [step for step in answer.context["steps"] if not step.ok]
    assert [step.name for step in failed] == ["Login"]
    assert failed[0].advice in html.unescape(answer.content.decode())
    assert "wrong-secret" not in answer.content.decode()


def test_a_form_with_mistakes_is_not_tried(admin_client, connector):
    text = admin_client.post(page("datasource_test"), form(connector, setting_base_url="")).content.decode()

    assert "Nothing was tried yet" in text
    assert "Address" in text


def test_the_test_answers_a_piece_of_a_page_where_the_page_asks_for_one(admin_client, connector, address):
    typed = form(connector, setting_base_url=address, credential_token=SECRET)

    text = admin_client.post(page("datasource_test"), typed, headers={"HX-Request": "true"}).content.decode()

    assert "<html" not in text
    assert 'class="hg-steps"' in text


def test_the_test_needs_its_right_and_the_right_to_change(client, connector, source):
    address = f"{page('datasource_test')}?source={source.pk}"
    may(client, "connectors.view_datasource", "connectors.change_datasource")
    assert client.post(address, form(connector)).status_code == 403
    client.force_login(factories.person("connectors.view_datasource", "connectors.test_source", name="other"))
    assert client.post(address, form(connector)).status_code == 403
    assert client.post(page("datasource_test"), form(connector)).status_code == 403
    assert client.get(address).status_code == 405


# Show ten records


def test_ten_records_are_shown_with_names_and_types_of_their_columns(admin_client, source, address):
    DataSource.objects.update(settings={"base_url": address})

    answer = admin_client.post(page("datasource_records", source.pk), {"endpoint": "people"})

    records = answer.context["records"]
    assert records.columns == (
        ("id", "integer"), ("name", "text"), ("paid", "number"), ("born", "date"), ("home", "object"),
    )  # fmt: skip
    assert len(records.rows) == 10
    assert HOSTILE not in answer.content.decode()
    assert "&lt;script&gt;alert(1)" in answer.content.decode()
    assert "no-store" in answer.headers["Cache-Control"]


def test_no_records_are_said_in_words(admin_client, source, address):
    DataSource.objects.update(settings={"base_url": address})

    text = admin_client.post(page("datasource_records", source.pk), {"endpoint": "nobody"}).content.decode()

    assert "The endpoint answered no records." in text


def test_a_source_that_cannot_be_read_says_what_to_do(admin_client, source):
    text = admin_client.post(page("datasource_records", source.pk), {"endpoint": "people"}).content.decode()

    assert 'role="alert"' in text
    assert SECRET not in text


def test_opening_the_page_calls_nobody(admin_client, source):
    answer = admin_client.get(page("datasource_records", source.pk), {"endpoint": "people"})

    assert "Choose an endpoint" in answer.content.decode()


@pytest.mark.parametrize("missing", ["connectors.test_source", "runs.view_raw_data", "connectors.view_datasource"])
def test_records_need_every_one_of_their_rights(client, source, missing):
    rights = {"connectors.test_source", "runs.view_raw_data", "connectors.view_datasource"}
    may(client, *rights - {missing})
    assert client.post(page("datasource_records", source.pk), {"endpoint": "people"}).status_code == 403
    client.force_login(factories.person(*rights, name="engineer"))
    assert client.get(page("datasource_records", source.pk)).status_code == 200


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ([1, None, 2], "integer"),
        ([True, None], "boolean"),
        (["2026-01-02", "2026-01-02T03:04:05Z"], "timestamp"),
        ([1, "one"], "text"),
        ([[1]], "list"),
        ([None], "no value"),
    ],
)
def test_columns_get_a_simple_type(values, word):
    assert type_of(values) == word


def test_long_values_are_cut():
    assert len(as_text("x" * 5_000)) < 250
