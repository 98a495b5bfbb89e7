"""Acting on runs in a browser: who looks after one, what a retry would reuse, what to know before a start."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.accessibility import violations
from tests.browser.conftest import keep

pytestmark = pytest.mark.browser


def test_a_failure_is_taken_on_noted_and_acknowledged(visit, house):
    page = visit(f"runs/run/{house.rows['failed']}/change/")
    care = page.locator("#care")
    expect(care.get_by_text("By nobody yet")).to_be_visible()

    care.get_by_role("button", name="Assign to me").click()
    expect(care.get_by_text("admin (you)")).to_be_visible()
    care.get_by_text("Add a note").click()
    care.get_by_label("Note; it stays as you write it").fill("Asked the source for a new token.")
    care.get_by_role("button", name="Add the note").click()
    expect(care.get_by_text("Asked the source for a new token.")).to_be_visible()
    care.locator("#acknowledge-menu summary").click()
    care.get_by_label("Ticket, if there is one").fill("https://tickets.example/17")
    assert violations(page) == []
    care.get_by_role("button", name="Acknowledge", exact=True).click()

    expect(care.get_by_text("By admin")).to_be_visible()
    expect(care.get_by_role("link", name="https://tickets.example/17")).to_be_visible()
    assert "Asked the source for a new token." in care.locator("#copy-handover").get_attribute("data-copy")
    keep(page, "story-cared-for")


@pytest.mark.parametrize("width", [1400, 320])
def test_the_plan_of_a_retry_is_read_before_it_is_asked_for(visit, house, width):
    page = visit(f"runs/run/{house.rows['failed']}/retry/", width=width)

    expect(page.get_by_role("radio", name=re.compile("^Failed tasks only"))).to_be_checked()
    expect(page.get_by_role("radio", name=re.compile("^From ingestion"))).to_be_disabled()
    expect(page.get_by_text("Not possible: One extraction is not finished").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_source_tells_what_to_know_before_a_start(visit, house):
    page = visit(f"connectors/datasource/{house.rows['quick']}/change/", scheme="dark")

    page.get_by_text("Before you start a run").click()

    facts = page.locator("#before-start")
    expect(facts.get_by_text("Workers seen in the last minute")).to_be_visible()
    expect(facts.get_by_text("No schedule")).to_be_visible()
    assert violations(page) == []


@pytest.mark.parametrize(("width", "scheme"), [(1400, "dark"), (320, "light")])
def test_a_destructive_start_names_what_it_replaces(visit, house, width, scheme):
    page = visit(f"connectors/datasource/{house.rows['quick']}/start/", width=width, scheme=scheme)

    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="airports.planes"))
    expect(row).to_contain_text("3,322")
    expect(row).to_contain_text("replaced")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert violations(page) == []


def test_a_run_is_laid_beside_the_one_before_it(visit, house):
    page = visit(f"runs/run/{house.rows['again']}/change/")

    page.get_by_role("link", name="Compare").click()

    expect(page.get_by_role("heading", name=f"Run {house.rows['again']} beside run")).to_be_visible()
    rows = page.get_by_role("region", name="Rows brought into each table")
    expect(rows.get_by_role("row").filter(has_text="airports.planes")).to_contain_text("3,322")
    keep(page, "story-compared")
