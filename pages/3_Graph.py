"""The model as boxes and arrows, from one recorded pass."""

import streamlit as st

from modelview.ui import graph_view, state

st.title("Graph")
recipe = state.recipe()
state.trace()  # says so, and stops, where the model in hand cannot be looked at
graph_view.failed(recipe)
graph_view.viewer(recipe)
