"""How long from a click to the changed page, in Chromium, with resnet152 open: `python -m tests.bench.clicks`."""

import statistics
import sys
import time
from collections.abc import Callable

from playwright.sync_api import Page, expect, sync_playwright

from tests.browser import ARGUMENTS, chromium


def timed(page: Page, act: Callable[[], object], shown: Callable[[], object]) -> float:
    page.wait_for_timeout(1000)
    begin = time.perf_counter()
    act()
    shown()
    return time.perf_counter() - begin


def main(address: str) -> None:
    with sync_playwright() as playwright:
        page = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS).new_page()
        page.goto(address)
        page.get_by_label("Search", exact=False).first.fill("resnet152")
        chosen = page.locator(".st-key-chosen")
        expect(chosen.get_by_text("resnet152", exact=True).first).to_be_visible(timeout=60_000)
        page.locator(".st-key-open button").click()
        expect(page.get_by_test_id("stSidebar").get_by_text("resnet152", exact=True)).to_be_visible()
        page.get_by_test_id("stTopNavLink").filter(has_text="Edit").click()
        preview = page.locator(".st-key-preview")
        preview.wait_for()
        classes = page.get_by_role("spinbutton", name="Classes")
        changes = []
        for number in range(11, 31):

            def change(number: int = number) -> None:
                classes.fill(str(number))
                classes.press("Enter")

            wanted = preview.get_by_text(f"nn.Linear(2048, {number})")
            changes.append(timed(page, change, wanted.wait_for))
        page.get_by_test_id("stTopNavLink").filter(has_text="Layers").click()
        card = page.locator(".st-key-layers-card")
        card.wait_for()
        selects = []
        canvas = page.locator(".dvn-scroller").first
        canvas.wait_for()
        names = ["conv1", "bn1", "relu", "maxpool", "layer1"]
        for row in [1, 2, 3, 4, 5] * 3:
            heading = card.get_by_text(names[row - 1], exact=True).first

            def select(row: int = row) -> None:
                canvas.click(position={"x": 18, "y": 17 + 33 * (row + 1)})

            selects.append(timed(page, select, heading.wait_for))
            canvas.click(position={"x": 18, "y": 17 + 33 * (row + 1)})
        for what, found in (("change a form", changes), ("select a row", selects)):
            print(f"{what}: median {statistics.median(found) * 1000:.0f} ms, worst {max(found) * 1000:.0f} ms")


if __name__ == "__main__":
    main(sys.argv[1])
