"""The model in hand, beside every page: what it is, what was done to it, and the way back."""

from dataclasses import replace

import streamlit as st

from modelview.edits.load_weights import LoadWeights
from modelview.errors import ModelviewError
from modelview.names import short
from modelview.proof import Proof
from modelview.recipe import Recipe
from modelview.render import text
from modelview.trace.records import Trace
from modelview.ui import parts, state
from modelview.ui.inputs import shape_form
from modelview.ui.uploads import uploads


def draw() -> None:
    """Draw it into the sidebar; without a model, only that there is none."""
    uploads.use(state.token())
    with st.sidebar:
        recipe = state.session().recipe
        if recipe is None:
            st.markdown("**modelview**")
            st.caption("The model in hand will stand here. Open one first.")
            return
        st.markdown(f"**{parts.plain(recipe.source.title)}**")
        st.caption(parts.plain(_origin(recipe)))
        try:
            trace = state.trace_of(recipe, state.session().inputs)
        except ModelviewError as error:
            parts.refuse(error)
        else:
            _figures(trace)
        _input(recipe)
        _history()
        _edits(recipe)


def _origin(recipe: Recipe) -> str:
    """Where the model is from, and its weights, which a file may have replaced."""
    files = [edit.file.name for edit in recipe.edits if isinstance(edit, LoadWeights)]
    origin, _, _ = recipe.source.origin.partition(" · ")
    return f"{origin} · weights from {short(files[-1], 60)}" if files else recipe.source.origin


def _figures(trace: Trace) -> None:
    totals = trace.totals
    with st.container(border=True, key="figures"):
        left, right = st.columns(2, gap="small")
        left.metric("Parameters", text.short(totals.n_parameters))
        right.metric("Trainable", text.short(totals.n_trainable))
        left.metric("MACs", text.short(totals.macs))
        right.metric("Weights", text.size(totals.size_bytes))
        st.caption(f"in {parts.shape(trace.inputs)}  \nout {parts.shape(trace.output)}")
        if totals.uncounted:
            st.caption(parts.plain(f"MACs without {', '.join(totals.uncounted)}"))
        if trace.note:
            st.caption(parts.plain(trace.note))
    if trace.failed is not None:
        st.warning(parts.sentence(trace.failed.sentence))


def _input(recipe: Recipe) -> None:
    with st.popover("Input", icon=":material/straighten:", width="stretch"):
        shapes = shape_form(recipe.example, state.inputs(), key="sidebar.input")
        if st.button("Use this input", key="sidebar.use_input", disabled=shapes == state.inputs()):
            try:
                state.set_inputs(shapes)
            except ModelviewError as error:
                parts.refuse(error)
            else:
                st.rerun()


def _history() -> None:
    left, right = st.columns(2, gap="small")
    left.button(
        "Undo",
        key="undo",
        icon=":material/undo:",
        on_click=state.undo,
        disabled=not state.can_undo(),
        shortcut="Alt+Z",  # not Ctrl+Z, which in a field takes back what was typed there
        help="Alt+Z",
        width="stretch",
    )
    right.button(
        "Redo",
        key="redo",
        icon=":material/redo:",
        on_click=state.redo,
        disabled=not state.can_redo(),
        shortcut="Alt+Shift+Z",
        help="Alt+Shift+Z",
        width="stretch",
    )


def _edits(recipe: Recipe) -> None:
    if not recipe.edits:
        st.caption("No edits yet.")
        return
    st.markdown("**Edits**")
    try:
        changes = recipe.changes()
    except ModelviewError as error:
        parts.refuse(error)
        return
    rows = zip(recipe.edits, changes, recipe.proofs(), strict=True)
    for number, (edit, change, proofs) in enumerate(rows, start=1):
        with st.container(border=True, key=f"card_{number}"):
            words, cross = st.columns([5, 1], gap="small", vertical_alignment="center")
            words.markdown(f"**{number} {parts.plain(edit.title)}**  \n:small[:gray[{parts.plain(change.summary)}]]")
            if cross.button("✕", key=f"remove_{number}", type="tertiary", help=f"Remove step {number}"):
                _remove(recipe, number)
            if change.promise is not None:
                st.caption(_proved(proofs))


def _proved(proofs: tuple[Proof, ...]) -> str:
    """What was compared on real numbers, or when it will be."""
    if not proofs:
        return ":material/pending: Keeps values; compared when the weights are first made."
    largest = max(proof.largest_difference for proof in proofs)
    found = "equal to the last bit" if largest == 0 else f"largest difference {largest:.1g}"
    what = ", ".join(parts.plain(proof.what.replace("`", "")) for proof in proofs[:3])
    return f":green[:material/verified:] Proved: {what}, {found}, on {parts.plain(proofs[0].input)}."


def _remove(recipe: Recipe, number: int) -> None:
    try:
        shorter = recipe.without(number)
    except ModelviewError as error:
        later = _needing(recipe, number)
        title = parts.plain(recipe.edits[later - 1].title)
        st.error(f"Step {number} stays, since step {later}, {title}, needs it. {parts.sentence(str(error))}")
        return
    state.commit(shorter)
    st.rerun()


def _needing(recipe: Recipe, number: int) -> int:
    """The first later step that does not go without step `number`; the last one where none alone is to blame."""
    for later in range(number + 1, len(recipe.edits)):
        try:
            replace(recipe, edits=recipe.edits[:later]).without(number)
        except ModelviewError:
            return later
    return len(recipe.edits)
