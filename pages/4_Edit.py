"""Choose an edit, fill it in, see what it would come to, apply it."""

import streamlit as st

from modelview.edits.base import EDITS
from modelview.ui import forms, parts, preview, state

st.title("Edit")
recipe = state.recipe()
state.trace()  # says so, and stops, where the model in hand cannot be looked at
structure = state.structure()

ORDER = ("swap_head", "truncate", "replace_layer", "freeze", "unfreeze")
KINDS = sorted(EDITS, key=lambda kind: (ORDER.index(kind) if kind in ORDER else len(ORDER), kind))
if proposal := state.proposed():
    forms.begin(*proposal, structure)


@st.fragment
def editor() -> None:
    """The form and its preview: what is typed redraws these two and nothing else."""
    left, right = st.columns([5, 6], gap="large")
    with left:
        kind = st.pills(
            "What to change",
            KINDS,
            default=KINDS[0],
            required=True,
            format_func=lambda name: EDITS[name].title,
            key="kind",
            wrap=True,
            persist_state="session",
        )
        with st.container(border=True):
            make = forms.edit_form(str(kind), structure)
    with right:
        preview.draw(str(kind), recipe, make)


editor()
parts.whole(recipe)
