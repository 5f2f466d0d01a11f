"""Choose an edit, fill it in, see what it would come to, apply it."""

import streamlit as st

from modelview.ui import forms, parts, preview, state

st.title("Edit")
recipe = state.recipe()
state.trace()  # says so, and stops, where the model in hand cannot be looked at
structure = state.structure()
if proposal := state.proposed():
    forms.begin(*proposal, structure)


@st.fragment
def editor() -> None:
    """The form and its preview: what is typed redraws these two and nothing else."""
    left, right = st.columns([5, 6], gap="large")
    with left:
        kind = forms.choose()
        with st.container(border=True):
            make = forms.edit_form(kind, structure)
    with right:
        preview.draw(kind, recipe, make)


editor()
parts.whole(recipe)
