"""The app as `streamlit run app.py` serves it, and a browser in front of it."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from tests.browser import ARGUMENTS, chromium
from tests.server import serving

expect.set_options(timeout=30_000)


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server of our own."""
    with serving(tmp_path_factory.mktemp("server") / "log.txt") as found:
        yield found


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A fresh page; the console must stay without errors."""
    errors: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type == "error":
            errors.append(message.text)

    context = browser.new_context(viewport={"width": 1280, "height": 800}, accept_downloads=True)
    found = context.new_page()
    found.set_default_timeout(30_000)
    found.on("console", note)
    yield found
    context.close()
    assert not errors, errors
