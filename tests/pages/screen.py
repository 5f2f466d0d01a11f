"""A page as a test drives it: the whole app's script, at one page, with a model in hand."""

from pathlib import Path

from streamlit.testing.v1 import AppTest

from modelview.recipe import Recipe
from modelview.ui.state import Session

ROOT = Path(__file__).parents[2]


def page(title: str, recipe: Recipe | None, selected: str = "", timeout_s: float = 60) -> AppTest:
    """The page with this title, run once."""
    at = AppTest.from_file(str(ROOT / "modelview/ui/main.py"), default_timeout=timeout_s)
    if recipe is not None:
        steps = tuple(Recipe(recipe.source, recipe.edits[:n]) for n in range(len(recipe.edits) + 1))
        at.session_state["session"] = Session(steps, len(steps) - 1, selected=selected)
    at.run()
    at.switch_page(str(next((ROOT / "pages").glob(f"*_{title}.py")))).run()
    return at


def in_hand(at: AppTest) -> Recipe:
    """The recipe in hand."""
    found = at.session_state["session"].recipe
    assert isinstance(found, Recipe)
    return found


def said(at: AppTest) -> str:
    """Everything that stands on the page as text."""
    kinds = (at.markdown, at.caption, at.error, at.info, at.warning, at.title, at.code)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


def show(at: AppTest, key: str, rows: list[int] | None = None, cell: tuple[int, str] | None = None) -> AppTest:
    """Mark rows of a table, or click a cell."""
    at.session_state[key] = {"selection": {"rows": rows or [], "columns": [], "cells": [cell] if cell else []}}
    return at.run()
