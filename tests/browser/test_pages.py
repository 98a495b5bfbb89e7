"""Every page in light and dark, wide and narrow, with script and without, and as assistive technology finds it."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from tests.browser import accessibility
from tests.browser.conftest import keep
from tests.browser.pages import ADDRESSES, address

pytestmark = pytest.mark.browser
SIDEWAYS = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
WIDE, NARROW = 1400, 320


@pytest.fixture(scope="module", params=[("light", WIDE, NARROW), ("dark", NARROW, WIDE)], ids=["light", "dark"])
def looking(request, browser, login) -> Iterator[tuple[Page, str, int, int]]:
    """One tab for all pages, first in light and wide, then in dark and narrow; the last number is the other width."""
    scheme, width, other = request.param
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, storage_state=login)
    page, errors = context.new_page(), []
    page.on("console", lambda said: errors.append(f"{said.text} ({page.url})") if said.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(f"{error} ({page.url})"))
    yield page, scheme, width, other
    context.close()
    assert not errors


@pytest.mark.parametrize("name", ADDRESSES)
def test_a_page_fits_and_breaks_no_rule_of_accessibility(looking, house, name):
    page, scheme, width, other = looking
    page.set_viewport_size({"width": width, "height": 900})
    answer = page.goto(house.at(address(name, house.rows)))
    keep(page, f"{name}-{scheme}-{width}")

    assert answer.status == 200
    assert page.evaluate("() => document.documentElement.classList.contains('dark')") is (scheme == "dark")
    assert "\n".join(accessibility.violations(page)) == ""
    assert page.evaluate(SIDEWAYS) <= 0
    page.set_viewport_size({"width": other, "height": 900})
    assert page.evaluate(SIDEWAYS) <= 0


def test_the_login_page_fits_and_breaks_no_rule_of_accessibility(visit):
    for width in (WIDE, NARROW):
        page = visit("login/", width=width, known=False)

        assert "\n".join(accessibility.violations(page)) == ""
        assert page.evaluate(SIDEWAYS) <= 0


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("sources", "Airports, wrong token"),
        ("source", "Run now"),
        ("runs", "Airports, wrong token"),
        ("run", "Complete DuckDB ingestion"),
        ("run, tables", "airports.airlines"),
        ("run that failed", "The source refused our login (401)"),
        ("data load", "brought in by destructive run"),
        ("batches", "Airports, pushed"),
        ("batch", "Revert"),
        ("dataset", "Airports, pushed"),
        ("connector", "airport_summaries"),
        ("API client", "New secret"),
    ],
)
def test_a_page_can_be_read_with_script_off(visit, house, name, text):
    page = visit(address(name, house.rows), script=False)

    assert page.get_by_text(text).locator("visible=true").first.is_visible()
