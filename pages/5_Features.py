"""Run the model on a real input, and look at what chosen layers make of it."""

import streamlit as st

from modelview.ui import features_view, gradients_view, state

st.title("Features")
recipe = state.recipe()
state.trace()  # says so, and stops, where the model in hand cannot be looked at
left, right = st.columns([3, 7], gap="large")
with left:
    features_view.form(recipe)
with right:
    features_view.result(recipe)
gradients_view.section(recipe)
