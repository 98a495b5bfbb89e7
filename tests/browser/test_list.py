"""The list of runs as people use it: filters, chips, choosing several, the box for ids, the keys, a phone."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser import accessibility
from tests.browser.conftest import Visit, keep
from tests.browser.house import House

pytestmark = pytest.mark.browser
LIST = "runs/run/?all=1"
ROWS = "#result_list tbody tr"


def choose(page: Page, title: str, *words: str) -> None:
    page.locator("details.hg-asks-for > summary", has_text=re.compile(f"^{title}", re.I)).click()
    box = page.locator("details.hg-asks-for[open]")
    for word in words:
        box.get_by_label(word, exact=True).check()
    box.get_by_role("button", name="Apply").click()
    page.wait_for_load_state()


def test_the_list_is_filtered_by_type_and_statuses(visit: Visit, house: House):
    page = visit(LIST)

    choose(page, "Type", "Destructive")
    choose(page, "Status", "Failed", "Cancelled")

    expect(page.locator(ROWS).first).to_contain_text("Failed")
    for row in page.locator(ROWS).all():
        expect(row).to_contain_text("Destructive")
        expect(row).not_to_contain_text("Completed")
    assert page.url.endswith("?status=cancelled&status=failed&type=destructive")


def test_filters_work_with_script_off_and_chips_take_them_away(visit: Visit, house: House):
    page = visit(LIST, script=False)
    choose(page, "Status", "Completed", "Failed")

    page.get_by_role("link", name="Status: Failed Remove").click()

    expect(page.get_by_role("list", name="Active filters").get_by_role("listitem")).to_have_count(1)
    assert "status=failed" not in page.url
    page.get_by_role("link", name="Clear all").click()
    expect(page.get_by_role("list", name="Active filters")).to_have_count(0)
    assert page.locator(ROWS).count() >= 2


def test_no_match_names_what_stands_in_the_way(visit: Visit, house: House):
    page = visit(f"runs/run/?status=cancelled&source={house.rows['quick']}&type=incremental")

    expect(page.get_by_text("No run matches these filters.")).to_be_visible()


def test_the_last_filters_come_back_with_a_way_out(visit: Visit, house: House):
    page = visit("runs/run/?status=failed")

    page.get_by_role("link", name="API runs").first.click()

    expect(page.get_by_text("These are your last filters.")).to_be_visible()
    assert "status=failed" in page.url
    page.get_by_role("link", name="Show all runs").click()
    expect(page.get_by_text("These are your last filters.")).to_have_count(0)
    page.get_by_role("link", name="API runs").first.click()
    expect(page.get_by_role("list", name="Active filters")).to_have_count(0)


def test_choosing_rows_counts_them_and_offers_what_can_be_done(visit: Visit, house: House):
    page = visit(LIST)
    total = page.locator(ROWS).count()

    expect(page.get_by_role("button", name="Export CSV")).to_be_hidden()
    page.get_by_label(f"Choose run {house.rows['failed']}").check()
    expect(page.locator("#chosen-count")).to_have_text(f"1 of {total} chosen")
    page.get_by_label("Choose all runs of this page").check()
    expect(page.locator("#chosen-count")).to_have_text(f"{total} of {total} chosen")
    page.get_by_label("Choose all runs of this page").uncheck()
    expect(page.get_by_role("button", name="Export CSV")).to_be_hidden()
    page.get_by_label(f"Choose run {house.rows['failed']}").check()
    with page.expect_download() as saved:
        page.get_by_role("button", name="Export CSV").click()
    assert "The source refused our login" in saved.value.path().read_text()
    page.get_by_role("button", name="Cancel …").click()
    expect(page.get_by_text("None of the chosen runs allows this.")).to_be_visible()


def test_a_row_says_what_may_be_done_and_why_not(visit: Visit, house: House):
    page = visit(LIST)

    page.get_by_label(f"Actions for run {house.rows['completed']}").click()

    menu = page.locator("details.hg-menu[open]")
    expect(menu.get_by_role("link", name="Details")).to_be_visible()
    expect(menu).to_contain_text("This run has ended; there is nothing to cancel.")
    keep(page, "list-actions")
    assert accessibility.violations(page) == []


def test_an_id_leads_to_its_page_with_script_and_without(visit: Visit, house: House):
    for script in (True, False):
        page = visit("connectors/connector/", script=script)
        box = page.get_by_role("search", name="Go to an id").get_by_role("searchbox")
        box.fill(f"run #{house.rows['failed']}")
        box.press("Enter")
        page.wait_for_url(f"**/runs/run/{house.rows['failed']}/change/")
    page = visit("runs/run/go/?q=run+99999")
    expect(page.get_by_text("There is no run 99999")).to_be_visible()


def test_keys_walk_the_list_and_open_a_run_and_its_tabs(visit: Visit, house: House):
    page = visit(f"{LIST}&o=run_id")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    assert page.evaluate("document.activeElement.textContent") == str(house.rows["completed"])

    page.keyboard.press("Enter")
    page.wait_for_url("**/change/**")
    page.keyboard.press("t")
    page.wait_for_url("**tab=tables**")
    page.keyboard.press("m")
    page.wait_for_url("**tab=messages**")
    page.keyboard.press("g")
    page.wait_for_url("**tab=timeline**")


def test_keys_filter_search_and_list_themselves(visit: Visit, house: House):
    page = visit(LIST)
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "searchbar"
    page.keyboard.type("j?f")
    expect(page.locator("#searchbar")).to_have_value("j?f")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.locator("body").click(position={"x": 700, "y": 5})

    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    keep(page, "keys")
    assert accessibility.violations(page) == []
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()
    page.keyboard.press("f")
    page.wait_for_url("**status=failed**")


def test_keys_can_be_switched_off_for_this_browser(visit: Visit, house: House):
    page = visit(LIST)
    page.keyboard.press("?")
    page.get_by_label("Use these keys in this browser").uncheck()
    page.get_by_role("button", name="Close").click()

    page.reload()
    for key in ("f", "?", "/", "j"):
        page.keyboard.press(key)

    assert "status=failed" not in page.url
    expect(page.get_by_role("dialog", name="Keys")).to_have_count(0)
    assert page.evaluate("document.activeElement.tagName") == "BODY"
    page.get_by_role("button", name="Keys of the keyboard").click()
    page.get_by_label("Use these keys in this browser").check()
    page.keyboard.press("Escape")
    page.keyboard.press("f")
    page.wait_for_url("**status=failed**")


def test_on_a_phone_rows_are_cards_and_filters_are_folded(visit: Visit, house: House):
    page = visit("runs/run/?status=failed&status=completed&type=destructive", width=320)

    expect(page.get_by_role("button", name="Apply")).to_have_count(0)
    expect(page.locator("details.hg-folded > summary")).to_contain_text("Filters 2")
    page.locator("details.hg-folded > summary").click()
    page.locator("details.hg-asks-for > summary", has_text="Status").click()
    expect(page.locator("details.hg-asks-for[open]").get_by_label("Running", exact=True)).to_be_visible()
    keep(page, "list-phone-filters")
    assert accessibility.violations(page) == []
    assert page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    for row in page.locator(ROWS).all():
        assert row.evaluate("row => getComputedStyle(row).display") == "grid"


def test_a_day_of_the_drawing_filters_to_it(visit: Visit, house: House):
    page = visit(LIST)

    page.locator(".hg-days svg a").last.click()

    page.wait_for_url("**from=**")
    expect(page.get_by_role("list", name="Active filters").get_by_role("listitem")).to_have_count(1)
    assert page.locator(ROWS).count() >= 2
    page.locator("summary", has_text="As a table").click()
    expect(page.get_by_role("columnheader", name="With warnings")).to_be_visible()
