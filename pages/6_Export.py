"""Take the model away: weights, the whole model, its code, its recipe."""

import streamlit as st

from modelview.export.base import EXPORTS
from modelview.ui import exports, state

st.title("Export")
recipe = state.recipe()
state.trace()
st.caption("Each file is written on request, read back and compared where it can be.")

order = ["state_dict", "python", "module", "recipe"]
formats = [*order, *(name for name in EXPORTS if name not in order)]
for left, right in zip(formats[::2], [*formats[1::2], None][: len(formats[::2])], strict=False):
    columns = st.columns(2, gap="medium")
    for column, name in zip(columns, (left, right), strict=True):
        if name is not None:
            with column:
                exports.card(recipe, name)

exports.belongings(recipe)
