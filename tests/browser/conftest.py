"""What the stories share: one house, one Chromium, one login; a page of its own for each test."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, Response, StorageState, sync_playwright

from tests.browser import chromium
from tests.browser.house import ROOT, House, opened

SHOTS = ROOT / "var" / "screenshots"
PATIENCE = 20_000  # milliseconds: other work may share the machine
CUT = "net::ERR_FAILED"  # what the browser says of a connection that a story has cut
Visit = Callable[..., Page]


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    program = chromium.find()
    if not program:
        pytest.exit(chromium.MISSING, returncode=1)
    launched = playwright.chromium.launch(executable_path=program, args=chromium.arguments())
    yield launched
    launched.close()


@pytest.fixture(scope="session")
def house(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with opened(tmp_path_factory.mktemp("house")) as furnished:
        yield furnished


@pytest.fixture(scope="session")
def login(browser: Browser, house: House) -> StorageState:
    """The cookies of somebody who has signed in by the form."""
    context = browser.new_context()
    page = context.new_page()
    sign_in(page, house)
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def visit(
    browser: Browser, house: House, login: StorageState, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Page]]:
    """Opens an address of the admin. A page on which a script fails, that answers 500 or that
    logs an error, as of a refusal by its own policy, fails the test."""
    contexts, faults = [], []

    def answered(response: Response) -> None:
        if response.status >= 500:
            faults.append(f"{response.status} {response.url}")

    def spoke(said: ConsoleMessage) -> None:
        if said.type == "error" and CUT not in said.text:
            faults.append(f"{said.text} ({said.location})")

    def go(path: str, *, width: int = 1400, scheme: str = "light", script: bool = True, known: bool = True) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=scheme,
            java_script_enabled=script,
            storage_state=login if known else None,
        )
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", spoke)
        page.on("response", answered)
        page.goto(house.at(path))
        return page

    yield go
    if getattr(request.node, "failed", False):
        for context in contexts:
            for number, page in enumerate(context.pages):
                keep(page, f"failed-{request.node.name}-{number}")
    for context in contexts:
        context.close()
    assert not faults


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    if report.when == "call":
        item.failed = report.failed
    return report


def sign_in(page: Page, house: House) -> None:
    page.goto(house.at("login/"))
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill(house.password)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(house.at(""))


def keep(page: Page, name: str) -> Path:
    """A picture of the whole page among the artefacts."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    path = SHOTS / f"{''.join(letter if letter.isalnum() or letter in '-_' else '-' for letter in name)}.png"
    page.screenshot(path=path, full_page=True)
    return path
