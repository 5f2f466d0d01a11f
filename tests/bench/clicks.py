"""How long from a click to the changed page, in Chromium, with resnet152 open: `python -m tests.bench.clicks`.

The page itself is the clock: from its own event (the mouse let go, Enter pressed) to the frame that shows the change.
"""

import statistics
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Page, expect, sync_playwright

from tests.browser import ARGUMENTS, chromium
from tests.server import serving

_WATCH = """([event, place, wanted]) => {
    window.took = new Promise((done) => {
        let begun = null;
        addEventListener(event, () => { begun ??= performance.now(); }, { capture: true, once: true });
        const shown = () => [...document.querySelectorAll(`${place} *`)].some((e) => e.textContent.trim() === wanted);
        const watch = new MutationObserver(() => {
            if (begun === null || !shown()) return;
            watch.disconnect();
            requestAnimationFrame(() => done(performance.now() - begun));
        });
        watch.observe(document.body, { subtree: true, childList: true, characterData: true });
    });
}"""


def timed(page: Page, event: str, place: str, wanted: str, act: Callable[[], object]) -> float:
    """Milliseconds from `event` to the first frame in which something below `place` says just `wanted`."""
    page.wait_for_timeout(1000)
    page.evaluate(_WATCH, [event, place, wanted])
    act()
    took: float = page.evaluate("window.took")
    return took


def form_changes(page: Page) -> list[float]:
    """Another number of classes, until the preview has its code."""
    page.get_by_test_id("stTopNavLink").filter(has_text="Edit").click()
    page.locator(".st-key-preview").wait_for()
    classes = page.get_by_role("spinbutton", name="Classes")
    found = []
    for number in range(11, 31):

        def change(number: int = number) -> None:
            classes.fill(str(number))
            classes.press("Enter")

        found.append(timed(page, "keydown", ".st-key-preview", f"model.fc = nn.Linear(2048, {number})", change))
    return found


def row_clicks(page: Page) -> list[float]:
    """Another row marked, until the card is about it."""
    page.get_by_test_id("stTopNavLink").filter(has_text="Layers").click()
    page.locator(".st-key-layers-card").wait_for()
    canvas = page.locator(".dvn-scroller").first
    canvas.wait_for()
    found = []
    for number, name in enumerate(["conv1", "bn1", "relu", "maxpool", "layer1"] * 4):
        row = number % 5 + 1

        def click(row: int = row) -> None:
            canvas.click(position={"x": 18, "y": 17 + 33 * (row + 1)})

        found.append(timed(page, "pointerup", ".st-key-layers-card", name, click))
        click()
    return found


def measured() -> dict[str, dict[str, float]]:
    """Median and worst, in milliseconds, for each kind of click."""
    with TemporaryDirectory() as folder, serving(Path(folder) / "log.txt") as address, sync_playwright() as playwright:
        page = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS).new_page()
        page.goto(address)
        page.get_by_label("Search", exact=False).first.fill("resnet152")
        chosen = page.locator(".st-key-chosen")
        expect(chosen.get_by_text("resnet152", exact=True).first).to_be_visible(timeout=60_000)
        page.locator(".st-key-open button").click()
        expect(page.get_by_test_id("stSidebar").get_by_text("resnet152", exact=True)).to_be_visible()
        found = {"change a form": form_changes(page), "select a row": row_clicks(page)}
    return {what: {"median": statistics.median(took), "worst": max(took)} for what, took in found.items()}


if __name__ == "__main__":
    for what, took in measured().items():
        print(f"{what}: median {took['median']:.0f} ms, worst {took['worst']:.0f} ms")
