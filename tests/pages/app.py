"""The app in AppTest: start it, go to a page, set what a session holds."""

from pathlib import Path

from streamlit.testing.v1 import AppTest

from modelview.edits.base import Edit
from modelview.opening import open_recipe
from modelview.recipe import Recipe
from modelview.ui.state import SESSION, Session

ROOT = Path(__file__).parents[2]


def start(page: str = "", model: str = "", *edits: Edit) -> AppTest:
    """The app on a page, with a model in hand where one is named, each edit a step in its history."""
    at = AppTest.from_file(str(ROOT / "modelview/ui/main.py"), default_timeout=60)
    if model:
        recipe = Recipe(open_recipe(model).source, edits)
        steps = tuple(Recipe(recipe.source, edits[:n]) for n in range(len(edits) + 1))
        at.session_state[SESSION] = Session(steps, len(steps) - 1)
    at.run()
    return go(at, page) if page else at


def go(at: AppTest, page: str) -> AppTest:
    """The same session on another page, such as "4_Edit"."""
    return at.switch_page(str(ROOT / f"pages/{page}.py")).run()


def session(at: AppTest) -> Session:
    """What the session holds."""
    found: Session = at.session_state[SESSION]
    return found


def errors(at: AppTest) -> str:
    """Every message of refusal on the screen, without the marks that keep Markdown away."""
    assert not at.exception
    return "\n".join(error.value for error in at.error).replace("\\", "")


def text(at: AppTest) -> str:
    """All running text on the screen."""
    shown = [*at.markdown, *at.caption, *at.info, *at.warning, *at.title]
    return "\n".join(element.value for element in shown).replace("\\", "").replace("\u2009", " ")
