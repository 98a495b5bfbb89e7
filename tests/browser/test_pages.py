"""Every page in light and dark, wide and narrow, with script and without, and as assistive technology finds it."""

import pytest

from tests.browser import accessibility
from tests.browser.conftest import keep
from tests.browser.pages import ADDRESSES, address

pytestmark = pytest.mark.browser
SIDEWAYS = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
WIDE, NARROW = 1400, 320


@pytest.mark.parametrize("name", ADDRESSES)
@pytest.mark.parametrize(("scheme", "width", "other"), [("light", WIDE, NARROW), ("dark", NARROW, WIDE)])
def test_a_page_fits_and_breaks_no_rule_of_accessibility(visit, house, name, scheme, width, other):
    page = visit(address(name, house.rows), width=width, scheme=scheme)
    keep(page, f"{name}-{scheme}-{width}")

    assert page.evaluate("() => document.documentElement.classList.contains('dark')") is (scheme == "dark")
    assert accessibility.violations(page) == []
    assert page.evaluate(SIDEWAYS) <= 0
    page.set_viewport_size({"width": other, "height": 900})
    assert page.evaluate(SIDEWAYS) <= 0


def test_the_login_page_fits_and_breaks_no_rule_of_accessibility(visit):
    for width in (WIDE, NARROW):
        page = visit("login/", width=width, known=False)

        assert accessibility.violations(page) == []
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
