"""Every module, parameter and buffer in a table, and all there is about the one that is selected."""

import streamlit as st

from modelview.ui import layers_view, memory_view, rows, state

st.title("Layers")
recipe = state.recipe()
trace = state.trace()
layers_view.failed(trace)
layers_view.explorer(recipe, trace)
memory_view.draw(trace)
with st.expander("print(model)", icon=":material/terminal:", key="printed"):
    st.code(rows.printed(recipe), language=None, height=400)
