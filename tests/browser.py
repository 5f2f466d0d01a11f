"""Where the Chromium for the tests in a browser is; `python -m tests.browser` prints it."""

import os
import shutil
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium() -> str:
    """The path of a Chromium: MODELVIEW_CHROMIUM, one on PATH, or Playwright's own.

    Raises FileNotFoundError, saying how to get one.
    """
    named = os.environ.get("MODELVIEW_CHROMIUM")
    if named:
        if shutil.which(named) is None:
            raise FileNotFoundError(f"MODELVIEW_CHROMIUM is {named!r}, which is not a program.")
        return named
    found = next(filter(None, map(shutil.which, NAMES)), None) or _playwrights_own()
    if found is not None:
        return found
    raise FileNotFoundError(
        "No Chromium was found. Install one, or set MODELVIEW_CHROMIUM to the path of one;"
        " `make browser` gets Playwright's own."
    )


def _playwrights_own() -> "str | None":
    try:
        from playwright.sync_api import Error, sync_playwright
    except ModuleNotFoundError:
        return None
    try:
        with sync_playwright() as playwright:
            path = playwright.chromium.executable_path
    except Error:
        return None
    return path if Path(path).exists() else None


if __name__ == "__main__":
    try:
        print(chromium())
    except FileNotFoundError as error:
        sys.exit(str(error))
