"""What training the model in hand would take."""

import streamlit as st

from modelview.inspect.memory import OPTIMIZERS, memory
from modelview.render import frames
from modelview.trace.records import Trace

BATCH_SIZES = (1, 8, 32, 128)


@st.fragment
def draw(trace: Trace) -> None:
    """The estimate behind a fold, by batch size and optimizer."""
    with st.expander("Memory for training", icon=":material/memory:", key="memory"):
        left, right = st.columns(2)
        optimizer = left.selectbox("Optimizer", list(OPTIMIZERS), index=2, key="memory.optimizer")
        batch = right.number_input("Batch size", min_value=1, value=32, step=1, key="memory.batch")
        found = memory(trace, optimizer, sorted({*BATCH_SIZES, int(batch)}))
        st.table(frames.memory(found).set_index("Batch"))
        note = f" The activations are those of a pass that was {trace.note}." if trace.note else ""
        frozen = "" if trace.totals.n_trainable else " Nothing trains, so nothing is kept for gradients."
        st.caption(
            "An estimate from above: it keeps every op's result until the backward pass, in the weights' own dtype. "
            f"Kernels' workspace and the allocator's reserve come on top.{frozen}{note}"
        )
