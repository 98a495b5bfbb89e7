"""A client's batches, and the clients: found, looked into, taken back; a secret shown once."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import keep

pytestmark = pytest.mark.browser


def test_the_list_leads_to_a_batch_that_says_what_became_of_its_rows(visit, house):
    page = visit("ingestion/batch/")
    batch = house.rows["batches"][1]

    page.locator(f"#result_list a[href*='/ingestion/batch/{batch}/change/']").first.click()

    expect(page.get_by_role("heading", name="Batch 0")).to_be_visible()
    expect(page.get_by_role("status").first).to_contain_text("Success")
    expect(page.get_by_role("list", name="From upload to live")).to_contain_text("98")


def test_a_failed_batch_says_what_the_client_should_mend(visit, house):
    page = visit(f"ingestion/batch/{house.rows['batches'][2]}/change/")

    expect(page.get_by_role("alert")).to_contain_text("No row of this batch is live")
    page.get_by_role("link", name="Errors").click()
    expect(page.locator("#run-panel")).to_contain_text(re.compile("required|faa", re.I))


def test_a_batch_is_reverted_after_being_asked_why(visit, house):
    page = visit(f"ingestion/batch/{house.rows['batches'][3]}/change/")
    page.get_by_role("link", name="Revert", exact=True).click()
    expect(page.get_by_role("heading", name="Take the batch")).to_be_visible()
    keep(page, "story-batch-revert")

    page.get_by_label("Reason, kept in the history").fill("the survey was sent twice")
    page.get_by_role("button", name="Revert the batch").click()

    expect(page.get_by_role("status").first).not_to_contain_text("Success")
    page.get_by_role("link", name="History").click()
    expect(page.locator("#run-panel")).to_contain_text("the survey was sent twice")


def test_a_clients_secret_is_shown_once(visit, house):
    page = visit("access/apiclient/add/")
    page.get_by_label("Organisation").select_option(index=1)
    page.get_by_label("Name").fill("Hourly upload")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Copy it now: it is shown this once.")).to_be_visible()
    secret = page.locator("dd", has=page.get_by_role("button", name="Copy: Client secret")).locator("code").inner_text()
    assert len(secret) >= 40

    page.get_by_role("link", name="I have kept the secret").click()
    expect(page.get_by_text("The secret cannot be read again by anybody.")).to_be_visible()
    after = [page.content()]
    page.goto(house.at("access/apiclient/"))
    after.append(page.content())

    assert "Hourly upload" in after[1]
    assert not any(secret in text for text in after)
