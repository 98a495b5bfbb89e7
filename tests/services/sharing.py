"""How workers share the tests: each takes the next one; of the browser's, those that share a house stay together."""

from __future__ import annotations

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

TOGETHER = {  # how a test's name begins → whose worker it goes to; the first that fits
    "tests/browser/test_pages.py::test_a_page_fits_and_breaks_no_rule_of_accessibility[dark-": "pages in the dark",
    "tests/browser/test_pages.py": "pages",
    "tests/browser/": "stories",
}


class Sharing(LoadScopeScheduling):
    """By the names of tests, since the marks that xdist has for this are not seen by this pytest. Tests that empty the
    database come last, so that none of them may be drawn forward with a group."""

    def _split_scope(self, nodeid: str) -> str:
        return next((group for start, group in TOGETHER.items() if nodeid.startswith(start)), nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Sharing:
    return Sharing(config, log)
