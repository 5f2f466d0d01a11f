"""What one browser session holds: a history of recipes, a place in it, an input and a selection.

Nothing derived is kept here; what follows from a recipe is found again through the shared caches below.
"""

from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from modelview.errors import EditError, ModelviewError
from modelview.fields import FileRef
from modelview.recipe import Recipe, structure_of, trace as recipe_trace
from modelview.sources.base import Shape
from modelview.structure import Structure
from modelview.trace.records import Trace
from modelview.ui import begun
from modelview.ui.kept import Kept
from modelview.ui.parts import refuse
from modelview.ui.places import place

SESSION = "session"
ADDRESS = "module"
"""The name in the page's address that the selected module stands under."""
MOST_STEPS = 500
"""So many recipes are kept to go back to."""
TOKEN = "session"
"""The name in the page's address that a kept session stands under."""
_WRITTEN, _PROPOSED, _TOKEN = "session.written", "session.proposed", "session.token"


@dataclass(frozen=True)
class Session:
    """history: recipes, oldest first; `position` is the one in hand. inputs: shapes; () is the source's own.

    files: what was given in this session, newest first.
    """

    history: tuple[Recipe, ...] = ()
    position: int = -1
    inputs: tuple[Shape, ...] = ()
    selected: str = ""
    files: tuple[FileRef, ...] = ()

    @property
    def recipe(self) -> Recipe | None:
        """The recipe in hand, if a model is open."""
        return self.history[self.position] if self.history else None


_KEPT: Kept[Session] = Kept()


def session() -> Session:
    """This browser tab's session."""
    found: Session = st.session_state.setdefault(SESSION, Session())
    return found


def _keep(new: Session) -> None:
    st.session_state[SESSION] = new
    if new.recipe is not None:
        _KEPT.put(token(), new)


def token() -> str:
    """What this session is known by; nobody else can guess it."""
    found: str = st.session_state.setdefault(_TOKEN, _KEPT.token())
    return found


def add_file(file: FileRef) -> None:
    """Remember a file that was given in this session."""
    others = tuple(each for each in session().files if each.sha256 != file.sha256)
    _keep(replace(session(), files=(file, *others)))


def recipe() -> Recipe:
    """The recipe in hand; stops the page with the way to the Open page if there is none."""
    found = session().recipe
    if found is None:
        st.info("No model is open yet.", icon=":material/folder_open:")
        st.page_link(place("Open"), label="Open a model", icon=":material/arrow_forward:")
        st.stop()
    return found


def open_recipe(new: Recipe, inputs: tuple[Shape, ...] = ()) -> None:
    """Go on with `new`, each of its edits a step that can be undone; before them the model that was in hand.

    Raises EditError where an edit does not fit or the model does not run; nothing is opened then.
    """
    failed = trace_of(new, inputs).failed
    if failed is not None:
        raise EditError(failed.sentence)
    steps = tuple(replace(new, edits=new.edits[:n]) for n in range(len(new.edits) + 1))
    shapes = inputs if inputs != new.example else ()
    now = session()
    history = (*now.history[: now.position + 1], *steps)[-MOST_STEPS:]
    begun.forget()
    _keep(replace(now, history=history, position=len(history) - 1, inputs=shapes))


def commit(new: Recipe) -> None:
    """Make `new` the recipe in hand; what had been undone is dropped. Check it before."""
    now = session()
    history = (*now.history[: now.position + 1], new)
    _move(replace(now, history=history, position=len(history) - 1))


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
        _move(replace(session(), position=session().position - 1))


def redo() -> None:
    """Take back the last undo."""
    if can_redo():
        _move(replace(session(), position=session().position + 1))


def _move(then: Session) -> None:
    """Go to another recipe of the history; inputs that were chosen stay while the model takes the same kind."""
    now, new = session().recipe, then.recipe
    same = now is not None and new is not None and now.example == new.example
    _keep(then if same else replace(then, inputs=()))


def inputs() -> tuple[Shape, ...]:
    """The input shapes in force."""
    return session().inputs or recipe().example


def inputs_for(new: Recipe) -> tuple[Shape, ...]:
    """The input shapes that were chosen, where `new` takes the same kind; () is its own."""
    return session().inputs if new.example == recipe().example else ()


def set_inputs(shapes: tuple[Shape, ...]) -> None:
    """Look at the model with other inputs from now on; () is the source's own.

    Raises EditError where the model cannot take them; nothing changes then.
    """
    shapes = shapes if shapes != recipe().example else ()
    failed = trace_of(recipe(), shapes).failed
    if failed is not None:
        raise EditError(failed.sentence)
    _keep(replace(session(), inputs=shapes))


def selected() -> str:
    """The path of the selected module, "" for the whole model; always one that the model has."""
    path = session().selected
    return path if path in dict(structure().model.named_modules(remove_duplicate=False)) else ""


def select(path: str) -> None:
    """Select a module on every page, and write it into the address."""
    _keep(replace(session(), selected=path))
    write_address()


def read_address() -> None:
    """Take from the address the session that a reload lost, and a selection that was changed there."""
    if SESSION not in st.session_state and (lost := _KEPT.get(st.query_params.get(TOKEN))) is not None:
        _keep(lost)
    asked = st.query_params.get(ADDRESS)
    if asked is not None and asked != st.session_state.get(_WRITTEN):
        _keep(replace(session(), selected=asked))


def write_address() -> None:
    """Write session and selection into the address; moving to another page takes them away there."""
    if session().recipe is None:
        return
    token = st.session_state.get(_TOKEN)
    if token is not None and st.query_params.get(TOKEN) != token:
        st.query_params[TOKEN] = token
    path = session().selected
    st.session_state[_WRITTEN] = path
    if st.query_params.get(ADDRESS, "") != path:
        if path:
            st.query_params[ADDRESS] = path
        else:
            st.query_params.pop(ADDRESS, None)


def propose(kind: str, **values: Any) -> None:
    """Have the Edit page begin with the edit `kind`, its fields filled with `values`; go there next."""
    st.session_state[_PROPOSED] = (kind, values)


def proposed() -> tuple[str, dict[str, Any]] | None:
    """What was proposed since the Edit page asked last."""
    found: tuple[str, dict[str, Any]] | None = st.session_state.pop(_PROPOSED, None)
    return found


def structure() -> Structure:
    """The structure of the recipe in hand, shared and read-only."""
    return structure_of(recipe())


def trace() -> Trace:
    """The pass of the recipe in hand on the inputs in force; says so and stops where it cannot be made."""
    try:
        return trace_of(recipe(), session().inputs)
    except ModelviewError as error:
        refuse(error)
        st.stop()


@st.cache_resource(max_entries=64, show_spinner=False, hash_funcs={Recipe: repr})
def trace_of(recipe: Recipe, inputs: tuple[Shape, ...]) -> Trace:
    """The pass of a recipe's structure, shared between reruns and sessions."""
    return recipe_trace(recipe, *inputs)
