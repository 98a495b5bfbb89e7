"""A data source's drawings, and a data load: what is said on the way, its files, and the way back to its run."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import keep

pytestmark = pytest.mark.browser


def test_a_source_says_how_it_is_and_every_drawing_has_a_table(visit, house):
    page = visit(f"connectors/datasource/{house.rows['quick']}/change/")

    expect(page.locator("#source-state")).to_contain_text("its tables are live")
    drawings = page.locator(".hg-chart svg[role=img]")
    assert drawings.count() >= 2
    for number in range(drawings.count()):
        chart = drawings.nth(number).locator("xpath=..")
        chart.get_by_text("As a table").click()
        expect(chart.get_by_role("table")).to_be_visible()
    keep(page, "source-drawings")


def test_a_source_leads_to_its_runs_and_its_configurations(visit, house):
    page = visit(f"connectors/datasource/{house.rows['quick']}/change/", script=False)

    page.get_by_role("link", name="The first: show it").click()
    expect(page.get_by_role("heading", name="What revision 1 says")).to_be_visible()
    page.get_by_role("link", name="View API runs").click()

    expect(page.locator("#result_list")).to_contain_text("Airports")


def test_a_load_shows_its_files_without_script_and_leads_to_its_run(visit, house):
    page = visit(f"runs/dataload/{house.rows['load']}/change/", script=False)

    expect(page.get_by_role("list", name="From upload to live")).to_contain_text("Processed")
    page.get_by_text("Files (").click()
    expect(page.locator(".hg-files")).to_contain_text("part-")
    expect(page.locator("#messages")).to_contain_text("The run is “Completed”")
    page.get_by_role("link", name=f"API run {house.rows['completed']}").click()

    expect(page.locator("#run-id")).to_have_text(str(house.rows["completed"]))
