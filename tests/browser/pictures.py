"""Takes the pictures that the README and the documents show, from a house that was furnished for it."""

import re
import sys
import tempfile
from pathlib import Path
from typing import Final

from playwright.sync_api import Page, sync_playwright

from tests.browser import chromium
from tests.browser.conftest import sign_in
from tests.browser.house import ROOT, House, opened
from tests.browser.pages import address

PICTURES: Final = ROOT / "docs" / "pictures"
TAKEN: Final = {"failed-run": "run that failed"}
SIZE: Final = {"width": 1280, "height": 1000}


def main() -> None:
    program = chromium.find()
    if not program:
        raise SystemExit(chromium.MISSING)
    with tempfile.TemporaryDirectory() as var, sync_playwright() as started, opened(Path(var)) as house:
        browser = started.chromium.launch(executable_path=program, args=chromium.arguments())
        page = browser.new_page(viewport=SIZE)
        sign_in(page, house)
        take(page, house)
        browser.close()


def take(page: Page, house: House) -> None:
    for picture, name in TAKEN.items():
        page.goto(house.at(address(name, house.rows)))
        path = PICTURES / f"{picture}.png"
        page.screenshot(path=path)
        sys.stdout.write(f"{path.relative_to(ROOT)}, of {re.sub('^http://[^/]*', '', page.url)}\n")


if __name__ == "__main__":
    main()
