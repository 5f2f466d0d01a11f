"""What an edit would come to, before it is applied."""

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import streamlit as st

from modelview.edits.base import Change, Edit
from modelview.errors import EditError, ModelviewError, UnknownName
from modelview.recipe import Check, Recipe
from modelview.render import text
from modelview.ui import forms, parts, state, warm, weights
from modelview.ui.asked import Unfilled

MOST_LINES, TALL_PX = 16, 380
"""Longer code scrolls."""
WARNING = "This is not"
"""How a note begins that warns."""


@dataclass(frozen=True)
class Checked:
    """A recipe that runs with its last edit, and how long it took to find out."""

    recipe: Recipe
    change: Change
    check: Check
    time_ms: float


AGAIN = "The last step is this edit already: Apply makes it once more."
DONE = "This edit is made: it is the last step. Change something here to make another."


def draw(kind: str, recipe: Recipe, make: Callable[[], Edit]) -> None:
    """The preview of the edit that `make` gives, and the button that applies it."""
    with st.container(border=True, key="preview"):
        found = _checked(kind, recipe, make)
        if found is not None:
            _show(found)
        with st.container(horizontal=True, vertical_alignment="center", key="applying"):
            if st.button("Apply", key="apply", type="primary", icon=":material/check:", disabled=found is None):
                assert found is not None
                _prove(recipe, found)
                state.commit(found.recipe)
                st.toast(f"{parts.plain(found.recipe.edits[-1].title)}: {parts.plain(found.change.summary)}")
                st.rerun()
            again = found is not None and found.recipe.edits[-2:] == (found.recipe.edits[-1],) * 2
            st.caption(AGAIN if again else "Nothing changes until you apply. Undo brings it back.")
        if found is not None:  # below, since it may be long
            _code(found.recipe)


def _prove(recipe: Recipe, found: Checked) -> None:
    """Build where the weights are at hand, which proves what the change promises; says so, and stops, if it cannot."""
    if found.change.promise is None or weights.made(recipe) is None:
        return
    try:
        weights.build(found.recipe)
    except ModelviewError as error:
        parts.refuse(error)
        st.stop()


def _checked(kind: str, recipe: Recipe, make: Callable[[], Edit]) -> Checked | None:
    """The edit planned and run on meta; what stands in its way is said here."""
    begun, edit = perf_counter(), None
    try:
        edit = make()
        edited = recipe.then(edit)
        check = edited.check(*state.inputs_for(edited))
        warm.keep()  # its structure and trace stay in the caches
        change = edited.changes()[-1]
    except Unfilled as error:
        st.markdown("**Preview**")
        st.info(parts.sentence(str(error)), icon=":material/edit_note:")
        return None
    except ModelviewError as error:
        if recipe.edits and recipe.edits[-1] == edit:
            st.markdown("**Preview** · :green[:material/check_circle: applied]")
            st.info(DONE, icon=":material/check_circle:")
            return None
        st.markdown("**Preview** · :red[:material/block: cannot be done]")
        parts.refuse(error)
        _corrections(kind, error)
        if isinstance(error, EditError) and edit is not None:
            _remedies(recipe, edit)
        return None
    return Checked(edited, change, check, (perf_counter() - begun) * 1000)


def _remedies(recipe: Recipe, edit: Edit) -> None:
    """A button for each other edit that can be made and may have been meant."""
    structure = state.structure()
    for number, other in enumerate(edit.remedies(structure)):
        try:
            edited = recipe.then(other)
            edited.check(*state.inputs_for(edited))
            change = edited.changes()[-1]
        except ModelviewError:
            continue
        st.button(
            parts.plain(change.summary),
            key=f"instead_{number}",
            icon=":material/build:",
            help=" ".join(map(parts.sentence, change.notes)) or None,
            on_click=forms.fill,
            args=(structure, other),
        )


def _corrections(kind: str, error: ModelviewError) -> None:
    """A button for each name that may have been meant."""
    if not isinstance(error, UnknownName) or not error.nearest:
        return
    structure = state.structure()
    if not forms.typed(kind, structure, error.wanted):
        return
    with st.container(horizontal=True):
        for number, name in enumerate(error.nearest):
            st.button(
                f"Use {parts.code(name)}",
                key=f"remedy_{number}",
                on_click=forms.correct,
                args=(kind, structure, error.wanted, name),
            )


def _show(found: Checked) -> None:
    st.markdown(f"**Preview** · :green[:material/check_circle: runs] :gray[checked on meta in {found.time_ms:.0f} ms]")
    parts.table(("", "before", "after"), _rows(found.check))
    for note in found.change.notes:
        _note(note)


def _code(recipe: Recipe) -> None:
    """What the last edit is in Python, as it stands in the script."""
    step = recipe.last_step()
    code = "\n".join([*step.definitions, *step.statements]) or "# the script stays as it is"
    st.code(code, language="python", height=TALL_PX if code.count("\n") > MOST_LINES else "content")


def _note(note: str) -> None:
    """What is to be known of the result; with more weight where it is not what was there before."""
    if note.startswith(WARNING):
        st.warning(parts.sentence(note), icon=":material/warning:")
    else:
        st.info(parts.sentence(note), icon=":material/info:")


def _rows(check: Check) -> list[tuple[str, str, str]]:
    rows = {row.what: row for row in check.changes}
    before, after = check.before, check.after
    output, modules, keys = rows["output"], rows["modules"], rows["state_dict"]
    return [
        ("Output", parts.shape(output.before), parts.shape(output.after)),
        ("Modules", text.exact(modules.before), text.exact(modules.after)),
        ("Parameters", text.exact(before.n_parameters), text.exact(after.n_parameters)),
        ("Trainable", text.exact(before.n_trainable), text.exact(after.n_trainable)),
        ("MACs", text.short(before.macs), text.short(after.macs)),
        ("state\\_dict", *_keys(keys.before, keys.after)),
    ]


def _keys(gone: tuple[str, ...], new: tuple[str, ...]) -> tuple[str, str]:
    if not gone and not new:
        return "same keys", "same keys"
    return parts.listing(gone) or "–", parts.listing(new) or "–"
