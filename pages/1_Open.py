"""Give a file, choose a model, or a recipe that was saved, and open it."""

import streamlit as st

from modelview.ui import begun, catalogue, chosen, composing, factories, ready, received, state

st.title("Open a model")
if state.session().recipe is None:
    ready.example()
received.draw()


@st.fragment
def chooser() -> None:
    """Search, table and form: choosing redraws these and nothing else."""
    left, right = st.columns([5, 3], gap="small")
    with left:
        names = catalogue.search()
        name = catalogue.choose(names)
        if name is None:
            st.info("No model is called that. Try a part of its name, or another task.", icon=":material/search_off:")
    if name is not None:
        with right:
            chosen.draw(name)
    begun.arrived()


chooser()
composing.draw()
factories.draw()
ready.saved()
