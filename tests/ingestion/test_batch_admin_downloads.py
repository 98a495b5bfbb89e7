"""Downloads from the page of a batch: who may, what comes, what is said when it is gone, and that it is noted."""

import gzip

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from ingestion.downloads import download_url, upload_url
from ingestion.models import Piece
from ingestion.rooms import store
from ingestion.states import BatchStatus as S
from tests.ingestion import batch_admin_kit as kit
from tests.services.s3 import RunningS3

pytestmark = pytest.mark.django_db
RAW = "runs.view_raw_data"


@pytest.fixture(autouse=True)
def staging(settings, tmp_path) -> None:
    settings.STAGING_URL = f"file://{tmp_path}/staging"


@pytest.fixture
def part():
    return kit.part(kit.batch(S.SUCCESS), 2)


@pytest.fixture
def uploaded():
    """A file in two pieces."""
    file = kit.file(kit.batch(S.SUCCESS), "folder/one “two”.json", is_large=True)
    for number, data in enumerate((b"first ", b"second")):
        store().put_bytes(f"pieces/{number}", data)
        Piece.objects.create(file=file, first=number * 6, last=number * 6 + 5, key=f"pieces/{number}", sha256="")
    return file


def test_a_part_comes_as_it_was_staged_and_it_is_written_down(client: Client, part):
    answer = kit.may(client, RAW).get(download_url(part))

    assert gzip.decompress(answer.getvalue()).startswith(b'0,"row 0"')
    assert answer["Content-Disposition"].startswith("attachment; filename=")
    assert f"part-{part.number}.csv.gz" in answer["Content-Disposition"]
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "no-store" in answer["Cache-Control"]
    assert f"Downloaded part {part.number}" in LogEntry.objects.get().get_change_message()


def test_the_pieces_of_a_file_come_as_one(client: Client, uploaded):
    answer = kit.may(client, RAW).get(upload_url(uploaded))

    assert answer.getvalue() == b"first second"
    assert "one%20" in answer["Content-Disposition"]
    assert "folder" not in answer["Content-Disposition"]


def test_whoever_may_not_see_values_gets_neither_link_nor_bytes(client: Client, part, uploaded):
    kit.may(client)

    assert client.get(download_url(part)).status_code == 403
    assert client.get(upload_url(uploaded)).status_code == 403
    assert download_url(part) not in kit.page_of(client, part.batch, tab="lineage")
    assert upload_url(uploaded) not in kit.page_of(client, uploaded.batch)
    assert not LogEntry.objects.exists()


def test_the_panels_link_what_can_be_downloaded(client: Client, part, uploaded):
    kit.may(client, RAW)
    going = kit.file(kit.batch(S.LOADING), "on its way.json", is_complete=False)

    assert download_url(part) in kit.page_of(client, part.batch, tab="lineage")
    assert upload_url(uploaded) in kit.page_of(client, uploaded.batch)
    assert upload_url(going) not in kit.page_of(client, going.batch)


def test_what_is_gone_is_said_on_the_batch_page(client: Client, part):
    store().delete(part.key)

    answer = kit.may(client, RAW).get(download_url(part))

    assert answer.url == reverse("admin:ingestion_batch_change", args=[part.batch_id])
    assert "not kept any more" in kit.said(answer)
    assert not LogEntry.objects.exists()


def test_a_store_with_an_address_of_its_own_gives_out_a_link(
    settings, s3_server: RunningS3, s3_url: str, client: Client
):
    settings.STAGING_URL = f"{s3_url}&public_endpoint_url={s3_server.endpoint}"
    part = kit.part(kit.batch(S.SUCCESS), 2)

    answer = kit.may(client, RAW).get(download_url(part))

    assert answer.status_code == 302
    assert answer.url.startswith(s3_server.endpoint)
    assert "X-Amz-Expires=300" in answer.url
    assert part.key in answer.url


def test_a_store_inside_has_its_bytes_passed_on(settings, s3_url: str, client: Client):
    settings.STAGING_URL = s3_url
    part = kit.part(kit.batch(S.SUCCESS), 2)

    answer = kit.may(client, RAW).get(download_url(part))

    assert gzip.decompress(answer.getvalue()).count(b"\n") == 2


def test_unknown_numbers_are_not_found(client: Client):
    kit.may(client, RAW)

    for name in ("part", "file"):
        assert client.get(reverse(f"admin:ingestion_batch_{name}", args=[999])).status_code == 404
