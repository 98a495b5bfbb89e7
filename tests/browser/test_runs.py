"""A day at the run pages: start, watch, search, look inside, cancel, retry, filter."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visit, keep, sign_in
from tests.browser.house import House

pytestmark = pytest.mark.browser
SLOWLY = 60_000  # milliseconds that a run may take


@pytest.fixture(autouse=True)
def usual_api(house: House) -> Iterator[None]:
    yield
    house.api.control(latency_ms=0, fixed_token_valid=True)


def status(page: Page):
    return page.get_by_role("status").first


def start_destructively(visit: Visit, source: int) -> Page:
    page = visit(f"connectors/datasource/{source}/change/")
    page.locator("summary", has_text="Run now").click()
    page.get_by_role("button", name="Destructive run").click()
    page.get_by_role("button", name="Start the destructive run").click()
    page.wait_for_url(re.compile(r"/runs/run/\d+/change/"))
    return page


def number_of(page: Page) -> int:
    return int(re.search(r"/run/(\d+)/", page.url)[1])


def test_a_login_leads_to_the_pages(visit, house):
    page = visit("login/", known=False)

    sign_in(page, house)

    expect(page.get_by_role("link", name="API runs").first).to_be_visible()


def test_a_wrong_password_is_refused(visit):
    page = visit("login/", known=False)
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill("not the password")
    page.get_by_role("button", name="Log in").click()

    expect(page.get_by_text("Please enter the correct username and password")).to_be_visible()


def test_a_destructive_run_is_seen_going_live_without_a_reload(visit, house):
    house.api.control(latency_ms=400)
    page = start_destructively(visit, house.rows["quick"])
    page.evaluate("() => { window.sinceTheStart = true }")
    expect(status(page)).not_to_contain_text("Completed")
    keep(page, "story-run-at-work")

    expect(status(page)).to_contain_text("Completed", timeout=SLOWLY)

    assert page.evaluate("() => window.sinceTheStart") is True
    expect(page.locator("#run-panel").get_by_text("Airports").first).to_be_visible()
    assert page.get_by_text("Reload the page to see progress").count() == 0
    keep(page, "story-run-live")


@pytest.mark.parametrize(
    ("run", "text", "rule", "finds"),
    [
        ("completed", "dia", "acronym", "DuckDB ingestion: airports"),
        ("completed", "plan", "name", "Planes"),
        ("completed", "complet", "name", "Complete DuckDB ingestion"),
        ("failed", "fail", "status", "Airlines"),
        ("completed", "airlines", "table", "DuckDB ingestion: airlines"),
        ("failed", "refused our login", "message", "Airlines"),
    ],
)
def test_the_search_finds_tasks_as_one_types(visit, house, run, text, rule, finds):
    page = visit(f"runs/run/{house.rows[run]}/change/")

    page.get_by_label("Search tasks").press_sequentially(text, delay=10)

    expect(page.locator("#run-panel").get_by_role("status")).to_contain_text(f"match “{text}”")
    found = page.get_by_role("row").filter(has_text=finds).first
    expect(found).to_be_visible()
    expect(found).to_contain_text("matched by")
    assert f"q={text.split()[0]}" in page.url
    if rule not in ("name", "table"):
        expect(found).to_contain_text(f"matched by {rule}")


def test_a_tables_number_opens_its_tables(visit, house):
    page = visit(f"runs/run/{house.rows['completed']}/change/")

    page.get_by_role("link", name="Show the 1 table of Airports").click()

    expect(page.get_by_role("table", name="Tables of Airports")).to_contain_text("1,458")
    page.get_by_role("link", name=re.compile("Hide the .*tables? of Airports")).click()
    expect(page.get_by_role("table", name="Tables of Airports")).to_have_count(0)


def test_a_messages_number_opens_its_messages(visit, house):
    page = visit(f"runs/run/{house.rows['failed']}/change/")

    page.get_by_role("link", name="Show the 1 message of Airlines").click()

    expect(page.get_by_role("list", name="Messages of Airlines")).to_contain_text("refused our login (401)")


def test_a_slow_run_is_cancelled(visit, house):
    house.api.control(latency_ms=300)
    page = start_destructively(visit, house.rows["slow"])

    cancel(page)

    keep(page, "story-run-cancelled")


def cancel(page: Page) -> None:
    page.get_by_role("link", name="Cancel").first.click()
    expect(page.get_by_text("Nothing goes live")).to_be_visible()
    page.get_by_role("button", name="Cancel the run").click()
    expect(status(page)).to_contain_text(re.compile("Cance"))
    expect(status(page)).to_contain_text("Cancelled", timeout=SLOWLY)


def test_a_failed_run_is_retried_and_the_new_one_completes(visit, house):
    house.api.control(fixed_token_valid=False)
    page = start_destructively(visit, house.rows["quick"])
    expect(page.locator("#run-top").get_by_role("status").first).to_contain_text("Failed", timeout=SLOWLY)
    failed = number_of(page)
    house.api.control(fixed_token_valid=True)

    page.locator("#retry-run").click()
    page.get_by_role("button", name="Retry", exact=True).click()

    expect(page.get_by_text(f"was started in place of run {failed}")).to_be_visible()
    assert number_of(page) > failed
    expect(page.locator("#run-top").get_by_role("status").first).to_contain_text("Completed", timeout=SLOWLY)


def test_a_page_that_loses_its_connection_says_so_keeps_its_data_and_recovers(visit, house):
    house.api.control(latency_ms=700)
    page = start_destructively(visit, house.rows["slow"])
    expect(page.locator("#run-fresh")).to_contain_text("Updated", timeout=SLOWLY)

    page.route("**/live/**", lambda route: route.abort())
    expect(page.locator("#run-fresh")).to_contain_text(
        re.compile(r"Connection lost, showing data of \d\d:\d\d:\d\d\."), timeout=SLOWLY
    )
    expect(page.locator("#run-panel").get_by_role("row").nth(1)).to_be_visible()
    page.unroute("**/live/**")
    page.get_by_role("button", name="Retry", exact=True).click()

    expect(page.locator("#run-fresh")).to_contain_text("Updated")
    cancel(page)
    expect(page.locator("#run-fresh")).to_contain_text("As it ended")


def test_a_refresh_keeps_focus_scroll_and_what_is_open_or_typed(visit, house):
    house.api.control(latency_ms=300)
    page = start_destructively(visit, house.rows["slow"])
    page.locator("#run-quick > summary").click()
    page.locator("#add-note > summary").click()
    page.locator("#note-form textarea").fill("Seen by me")
    page.locator("#tab-timeline").focus()
    page.evaluate("() => window.scrollTo(0, 120)")
    page.evaluate("() => { window.looks = 0; document.addEventListener('hg:updated', () => { window.looks += 1 }) }")

    page.wait_for_function("() => window.looks >= 2", timeout=SLOWLY)

    assert page.evaluate("() => document.activeElement.id") == "tab-timeline"
    assert page.evaluate("() => window.scrollY") == 120
    assert page.evaluate("() => document.getElementById('run-quick').open") is False
    assert page.locator("#note-form textarea").input_value() == "Seen by me"
    cancel(page)


@pytest.mark.long  # whether a task comes while one has scrolled is a matter of the machine's pace
def test_new_tasks_wait_behind_a_button_while_one_reads_further_down(visit, house):
    house.api.control(latency_ms=2_000)  # so that no new task comes before one has scrolled
    page = start_destructively(visit, house.rows["quick"])
    page.set_viewport_size({"width": 1400, "height": 300})
    page.evaluate("() => window.scrollTo(0, document.body.scrollHeight)")
    house.api.control(latency_ms=0)

    button = page.get_by_role("button", name=re.compile(r"\d+ new tasks?"))
    expect(button).to_be_visible(timeout=SLOWLY)
    hidden = page.locator("#run-panel .hg-tasks tr[hidden]")
    count = hidden.count()
    button.click()

    assert count > 0
    expect(hidden).to_have_count(0)
    expect(button).to_be_hidden()
