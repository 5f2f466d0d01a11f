"""`python -m tests.screens ADDRESS`: pictures of each page for docs/screens, to be looked at."""

import sys
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser import ARGUMENTS, chromium

FOLDER = Path(__file__).parent.parent / "docs" / "screens"


def go(page: Page, name: str) -> None:
    page.get_by_test_id("stTopNavLink").filter(has_text=name).click()
    settle(page)


def settle(page: Page) -> None:
    """Wait until the app says that nothing runs any more."""
    page.wait_for_timeout(1500)
    page.wait_for_function("!document.querySelector('[data-test-script-state=running]')")
    page.wait_for_timeout(800)


def walk(browser: Browser, address: str, scheme: str) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 800}, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    page.set_default_timeout(60_000)

    def keep(name: str) -> None:
        page.screenshot(path=FOLDER / f"{name}_{scheme}.png")

    page.goto(address)
    page.get_by_role("heading", name="Open a model").wait_for()
    settle(page)
    keep("open")
    page.locator(".st-key-try_it button").click()
    page.locator(".st-key-preview").wait_for()
    page.get_by_role("textbox", name="Hidden widths").fill("128")
    settle(page)
    keep("edit")
    go(page, "Layers")
    page.locator(".dvn-scroller").first.click(position={"x": 120, "y": 17 + 33 * 10})
    settle(page)
    keep("layers")
    go(page, "Graph")
    keep("graph")
    go(page, "Features")
    page.get_by_role("button", name="Run", exact=True).click()
    page.locator(".st-key-features-strip-0").wait_for()
    settle(page)
    keep("features")
    go(page, "Export")
    if page.locator(".st-key-prepare_state_dict button").count():
        page.locator(".st-key-prepare_state_dict button").click()
    page.get_by_text("Read back:", exact=False).first.wait_for()
    settle(page)
    keep("export")
    context.close()


def main(address: str) -> None:
    FOLDER.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        for scheme in ("light", "dark"):
            walk(browser, address, scheme)


if __name__ == "__main__":
    main(sys.argv[1])
