"""Choose an edit, fill it in, see what it would come to, apply it."""

import streamlit as st

from modelview.ui import begun, forms, kinds, parts, preview, state

st.title("Edit")
recipe = state.recipe()
state.trace()  # says so, and stops, where the model in hand cannot be looked at
structure = state.structure()
if proposal := state.proposed():
    forms.begin(*proposal, structure)


@st.fragment
def editor() -> None:
    """The form and its preview: what is typed redraws these two and nothing else."""
    kind = kinds.choose()
    left, right = st.columns([5, 6], gap="medium")
    with left, st.container(border=True, key="form"):
        make = forms.edit_form(kind, structure)
    with right:
        preview.draw(kind, recipe, make)
    begun.arrived()


editor()
parts.whole(recipe)
