"""What one browser session holds: a history of recipes, a place in it, an input and a selection.

Nothing derived is kept here; what follows from a recipe is found again through the shared caches below.
"""

from dataclasses import dataclass, replace

import streamlit as st

from modelview.errors import ModelviewError
from modelview.recipe import Recipe, structure_of, trace as recipe_trace
from modelview.sources.base import Shape
from modelview.structure import Structure
from modelview.trace.records import Trace

SESSION = "session"


@dataclass(frozen=True)
class Session:
    """history: recipes, oldest first; `position` is the one in hand. inputs: shapes; () is the source's own."""

    history: tuple[Recipe, ...] = ()
    position: int = -1
    inputs: tuple[Shape, ...] = ()
    selected: str = ""

    @property
    def recipe(self) -> Recipe | None:
        """The recipe in hand, if a model is open."""
        return self.history[self.position] if self.history else None


def session() -> Session:
    """This browser tab's session."""
    found: Session = st.session_state.setdefault(SESSION, Session())
    return found


def _keep(new: Session) -> None:
    st.session_state[SESSION] = new


def recipe() -> Recipe:
    """The recipe in hand; stops the page with the way to the Open page if there is none."""
    found = session().recipe
    if found is None:
        st.info("No model is open yet.", icon=":material/folder_open:")
        st.page_link("pages/1_Open.py", label="Open a model")
        st.stop()
    return found


def open_recipe(new: Recipe) -> None:
    """Start a new history with `new`."""
    _keep(Session(history=(new,), position=0))


def commit(new: Recipe) -> None:
    """Make `new` the recipe in hand; what had been undone is dropped. Check it before."""
    now = session()
    history = (*now.history[: now.position + 1], new)
    _keep(replace(now, history=history, position=len(history) - 1))


def can_undo() -> bool:
    """Whether there is an earlier recipe in the history."""
    return session().position > 0


def can_redo() -> bool:
    """Whether something was undone."""
    now = session()
    return now.position < len(now.history) - 1


def undo() -> None:
    """Go back one step in the history."""
    if can_undo():
        _keep(replace(session(), position=session().position - 1))


def redo() -> None:
    """Take back the last undo."""
    if can_redo():
        _keep(replace(session(), position=session().position + 1))


def inputs() -> tuple[Shape, ...]:
    """The input shapes in force."""
    return session().inputs or recipe().source.example


def set_inputs(shapes: tuple[Shape, ...]) -> None:
    """Look at the model with other inputs from now on; () is the source's own."""
    _keep(replace(session(), inputs=shapes))


def selected() -> str:
    """The path of the selected module, "" for the whole model; always one that the model has."""
    path = session().selected
    return path if path in dict(structure().model.named_modules(remove_duplicate=False)) else ""


def select(path: str) -> None:
    """Select a module on every page."""
    _keep(replace(session(), selected=path))


def structure() -> Structure:
    """The structure of the recipe in hand, shared and read-only."""
    return structure_of(recipe())


def trace() -> Trace:
    """The pass of the recipe in hand on the inputs in force; says so and stops where it cannot be made."""
    try:
        return trace_of(recipe(), session().inputs)
    except ModelviewError as error:
        st.error(str(error))
        st.stop()


@st.cache_resource(max_entries=64, show_spinner=False, hash_funcs={Recipe: repr})
def trace_of(recipe: Recipe, inputs: tuple[Shape, ...]) -> Trace:
    """The pass of a recipe's structure, shared between reruns and sessions."""
    return recipe_trace(recipe, *inputs)
