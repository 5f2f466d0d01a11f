"""Where the pages are, and what they are called."""

from pathlib import Path

import streamlit as st
from streamlit.navigation.page import Page

FOLDER = Path(__file__).parents[2] / "pages"

ICONS = {
    "Open": "folder_open",
    "Layers": "table_rows",
    "Graph": "account_tree",
    "Edit": "edit",
    "Features": "visibility",
    "Compare": "compare",
    "Export": "download",
}


def pages() -> list[Page]:
    """Every file of the folder, in the order of their numbers; the first is where one starts."""
    return [_page(file, default=not number) for number, file in enumerate(sorted(FOLDER.glob("*_*.py")))]


def place(title: str) -> str:
    """The page with this title, as `st.switch_page` and `st.page_link` take it."""
    return str(next(FOLDER.glob(f"*_{title}.py")))


def exists(title: str) -> bool:
    """Whether there is a page with this title."""
    return any(FOLDER.glob(f"*_{title}.py"))


def _page(file: Path, *, default: bool) -> Page:
    title = file.stem.partition("_")[2]
    icon = f":material/{ICONS.get(title, 'article')}:"
    return st.Page(file, title=title, icon=icon, url_path=title.lower(), default=default)
